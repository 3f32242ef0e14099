//! The guest: QEMU with Debian's kernel, this machine's filesystem below a layer of memory, and the tests of `guest`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use holdfast_tests::need;
use holdfast_tests::world::program;

/// The folder that `tests/guest/build` filled.
const GUEST: &str = "HOLDFAST_TEST_GUEST";

/// Two guests that work at once would only be in each other's way.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

#[test]
fn guest_in_qemu() {
    run_alone("guest::", 7);
}

#[test]
fn manual_in_qemu() {
    run_alone("manual::,format::d82", 3);
}

/// A guest of their own: what its servers suffer harms no other test. It mostly waits, and can do so beside another one.
#[test]
fn hanging_servers_in_qemu() {
    run("outages::", 4);
}

/// The same with no other guest that works.
fn run_alone(only: &str, count: usize) {
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    run(only, count);
}

/// Runs the tests with these parts of names in a guest, which have to be so many.
fn run(only: &str, count: usize) {
    let folder = std::env::var_os(GUEST)
        .map(PathBuf::from)
        .filter(|folder| folder.join("initramfs").exists());
    let folder = need!(
        folder,
        "it needs QEMU, Debian's kernel, Samba and an NFS server: `./test` gets them where apt can, or \
         `tests/guest/build FOLDER` and HOLDFAST_TEST_GUEST=FOLDER"
    );
    let disk = tempfile::NamedTempFile::new().unwrap();
    disk.as_file().set_len(32 << 20).unwrap();
    let made = Command::new("mkfs.ext4")
        .args(["-q", "-L", "GUESTDISK"])
        .arg(disk.path())
        .status()
        .unwrap();
    assert!(made.success());
    let empty = [
        tempfile::NamedTempFile::new().unwrap(),
        tempfile::NamedTempFile::new().unwrap(),
    ];
    for disk in &empty {
        disk.as_file().set_len(48 << 20).unwrap();
    }
    let started = Instant::now();
    let disks = [disk.path(), empty[0].path(), empty[1].path()];
    let output = qemu(&folder, disks, only).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("test ") || line.contains("panicked"))
        .collect();
    println!("{}\n({} s)", lines.join("\n"), started.elapsed().as_secs());
    assert!(
        text.contains("guest: exit 0"),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        text.contains(&format!(" {count} passed; 0 failed")),
        "not all tests of the guest ran:\n{text}"
    );
}

/// The disks: a stick with a label, an empty stick, an empty NVMe disk.
fn qemu(folder: &Path, disks: [&Path; 3], only: &str) -> Command {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("guest/inside");
    let tests = std::env::current_exe().unwrap();
    let words = format!(
        "console=ttyS0 quiet panic=-1 holdfast.modules={} holdfast.script={} holdfast.tests={} holdfast.program={} holdfast.only={only}",
        folder.join("modules").display(),
        here.display(),
        tests.display(),
        program().display()
    );
    // A guest that hangs is ended by `timeout`, which ends with this process too.
    let mut command = Command::new("timeout");
    command.args([
        "580",
        "qemu-system-x86_64",
        "-accel",
        "tcg,thread=multi",
        "-cpu",
        "max",
        "-smp",
        "2",
        "-m",
        "1024",
    ]);
    command.args([
        "-nographic",
        "-no-reboot",
        "-nodefaults",
        "-serial",
        "stdio",
        "-append",
        &words,
    ]);
    command.arg("-kernel").arg(folder.join("vmlinuz"));
    command.arg("-initrd").arg(folder.join("initramfs"));
    command.args([
        "-fsdev",
        "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap",
    ]);
    command.args([
        "-device",
        "virtio-9p-pci,fsdev=root,mount_tag=root",
        "-device",
        "qemu-xhci",
    ]);
    let kinds = ["usb-storage", "usb-storage", "nvme,serial=suite"];
    for (number, (disk, kind)) in disks.into_iter().zip(kinds).enumerate() {
        command.arg("-drive");
        command.arg(format!("if=none,id=disk{number},format=raw,file={}", disk.display()));
        command.args(["-device", &format!("{kind},drive=disk{number}")]);
    }
    command.stdin(Stdio::null());
    command
}

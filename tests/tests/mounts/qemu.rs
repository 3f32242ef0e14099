//! The guest: QEMU with Debian's kernel, this machine's filesystem below a layer of memory, and the tests of `guest`.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use holdfast_tests::need;
use holdfast_tests::world::program;

/// The folder that `tests/guest/build` filled.
const GUEST: &str = "HOLDFAST_TEST_GUEST";

#[test]
fn guest_in_qemu() {
    run("guest::", 8, 1);
}

/// A guest of their own: what its servers suffer harms no test that has servers. It has two processors, for with one a client
/// that waits for a server in the same kernel has been seen to wait for ever.
#[test]
fn hanging_servers_in_qemu() {
    run("outages::", 5, 2);
}

#[test]
fn manual_in_qemu() {
    run("manual::,format::d82", 3, 1);
}

/// Runs the tests with these parts of names in a guest, which have to be `count`.
fn run(only: &str, count: usize, processors: u8) {
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
    let mut guest = qemu(&folder, disks, only, processors)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut text = String::new();
    for line in BufReader::new(guest.stdout.take().unwrap()).split(b'\n') {
        let line = String::from_utf8_lossy(&line.unwrap()).into_owned();
        if line.starts_with("test ") || line.contains("panicked") {
            println!("{:4} s: {line}", started.elapsed().as_secs());
        }
        text += &line;
        text.push('\n');
    }
    guest.wait().unwrap();
    assert!(text.contains("guest: exit 0"), "{text}");
    assert!(
        text.contains(&format!(" {count} passed; 0 failed")),
        "not all tests of the guest ran:\n{text}"
    );
}

/// The disks: a stick with a label, an empty stick, an empty NVMe disk. One of the `processors` does for most: with more, two
/// guests on two real ones spend a third of them on waiting for each other's locks.
fn qemu(folder: &Path, disks: [&Path; 3], only: &str, processors: u8) -> Command {
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
        "max,la57=off",
        "-smp",
        &processors.to_string(),
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

//! Disks formatted for backups: loop devices stand for them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use backends::mount::{format, usb};
use engine_api::{Failure, StoreErrorKind};
use holdfast_tests::disk::Disk;
use holdfast_tests::need;
use holdfast_tests::server::program;

use crate::NO_LOOP;

const NO_SFDISK: &str = "sfdisk is not installed";

fn label(name: &str) -> String {
    format!("{name}{}", std::process::id() % 10_000)
}

/// Whether a partition of a loop device appears at all.
fn shows_partitions() -> bool {
    let Some(disk) = Disk::blank() else { return false };
    let script = format!("echo type=linux | sfdisk -q --label gpt {}", disk.device.display());
    let made = std::process::Command::new("sh").args(["-c", &script]).status();
    let name = disk.device.file_name().unwrap().to_str().unwrap().to_owned();
    let partition = PathBuf::from(format!("/sys/class/block/{name}/{name}p1"));
    let end = Instant::now() + Duration::from_secs(2);
    while !partition.exists() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20));
    }
    made.is_ok_and(|status| status.success()) && partition.exists()
}

/// The original gave every disk the label `backup`, and took `1` after the disk's name for the partition's, which is wrong
/// for NVMe disks as it is for loop devices: theirs ends in `p1`.
#[test]
fn d82_a_disk_gets_the_label_that_was_asked_for_on_a_partition_that_the_kernel_names() {
    let disk = need!(Disk::blank(), NO_LOOP);
    need!(program("sfdisk"), NO_SFDISK);
    need!(
        shows_partitions().then_some(()),
        "this kernel shows no partitions of loop devices"
    );
    let label = label("hf-d82-");
    let plan = format::plan(&disk.device, &label).unwrap();
    assert!(plan.whole);
    assert_eq!(plan.lost.len(), 1, "{:?}", plan.lost);
    let made = plan.run().unwrap();
    assert_eq!(made, Path::new(&format!("{}p1", disk.device.display())));
    let found = usb::disks().unwrap();
    let found = found.iter().find(|found| found.device == made).unwrap();
    assert_eq!(found.label.as_deref(), Some(label.as_str()));
    assert_eq!(found.kind.as_deref(), Some("ext4"));
    // A second time it is still one disk with one partition, and the first label may be used again.
    let again = format::plan(&disk.device, &label).unwrap();
    assert_eq!(again.lost.len(), 2, "{:?}", again.lost);
    assert_eq!(again.run().unwrap(), made);
}

#[test]
fn a_disk_in_use_is_refused() {
    let disk = need!(Disk::make("hf-used", "ext4"), NO_LOOP);
    let folder = tempfile::tempdir().unwrap();
    disk.mount(folder.path());
    fs::write(folder.path().join("precious"), b"x").unwrap();
    let error = format::plan(&disk.device, "other").unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unsupported);
    assert!(error.hint().unwrap().contains("unmount"));
    let chain = engine_api::Error::from(error).chain();
    assert!(
        chain.contains(&format!("is mounted on {}", folder.path().display())),
        "{chain}"
    );
    assert!(folder.path().join("precious").exists());
    holdfast_tests::disk::unmount(folder.path());
}

/// The disk that this system runs from carries something mounted, whatever it is called.
#[test]
fn the_disk_of_the_system_is_refused() {
    let disks = usb::disks().unwrap();
    let mounted: Vec<_> = disks.iter().filter(|disk| !disk.mounted.is_empty()).collect();
    for disk in need!(
        Some(mounted).filter(|found| !found.is_empty()),
        "no disk of this machine is mounted"
    ) {
        format::plan(&disk.device, "hf-system").unwrap_err();
    }
}

#[test]
fn a_label_that_another_disk_has_is_refused_and_so_is_one_that_cannot_be() {
    let taken = need!(Disk::make("hf-taken", "ext4"), NO_LOOP);
    let blank = need!(Disk::blank(), NO_LOOP);
    let error = format::plan(&blank.device, &taken.label).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::AlreadyExists);
    for label in ["", "-L", "with blank", "much-too-long-for-ext4", "a/b"] {
        let error = format::plan(&blank.device, label).unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Unsupported, "{label}");
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(format::plan(file.path(), "hf-file").is_err(), "a file is no disk");
}

#[test]
fn a_disk_that_changed_after_it_was_looked_at_is_refused() {
    let disk = need!(Disk::blank(), NO_LOOP);
    let plan = format::plan(&disk.device, &label("hf-late")).unwrap();
    let made = std::process::Command::new("mkfs.ext4")
        .arg("-q")
        .arg(&disk.device)
        .status();
    assert!(made.unwrap().success());
    let error = engine_api::Error::from(plan.run().unwrap_err()).chain();
    assert!(error.contains("not what it was"), "{error}");
}

//! Disks formatted for backups: loop devices stand for them, save where partitions are looked at. Those are the guest's.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use backends::mount::{format, usb};
use engine_api::{Failure, StoreErrorKind};
use holdfast_tests::disk::Disk;
use holdfast_tests::need;

use crate::NO_LOOP;
use crate::guest::inside;

fn label(name: &str) -> String {
    format!("{name}{}", std::process::id() % 10_000)
}

/// The original gave every disk the label `backup`, and took `1` after the disk's name for the partition's, which is right
/// for a stick and wrong for an NVMe disk: the guest has an empty one of each, which are known by their sizes.
#[test]
fn d82_a_disk_gets_the_label_that_was_asked_for_on_a_partition_that_the_kernel_names() {
    if !inside() {
        return;
    }
    for (name, ending, label) in [("sd", "1", "D82-STICK"), ("nvme", "p1", "D82-NVME")] {
        let device = empty_disk(name);
        let plan = format::plan(&device, label).unwrap();
        assert!(plan.whole);
        assert_eq!(plan.lost.len(), 1, "{:?}", plan.lost);
        let made = plan.run().unwrap();
        assert_eq!(made, Path::new(&format!("{}{ending}", device.display())));
        let found = usb::disks().unwrap();
        let found = found.iter().find(|found| found.device == made).unwrap();
        assert_eq!(found.label.as_deref(), Some(label));
        assert_eq!(found.kind.as_deref(), Some("ext4"));
        // A second time it is still one disk with one partition, and the first label may be used again.
        let again = format::plan(&device, label).unwrap();
        assert_eq!(again.lost.len(), 2, "{:?}", again.lost);
        assert_eq!(again.run().unwrap(), made);
    }
}

/// The guest's disk of that kind with nothing on it; the kernel may still be finding it.
fn empty_disk(name: &str) -> PathBuf {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        for disk in fs::read_dir("/sys/block").unwrap().flatten() {
            let sectors = fs::read_to_string(disk.path().join("size")).unwrap_or_default();
            let is_named = disk.file_name().to_string_lossy().starts_with(name);
            if is_named && sectors.trim() == EMPTY_SECTORS {
                return Path::new("/dev").join(disk.file_name());
            }
        }
        assert!(Instant::now() < end, "there is no empty {name} disk");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The size of the guest's empty disks, 48 MiB.
const EMPTY_SECTORS: &str = "98304";

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
    // The other tests mount loop devices meanwhile, and unmount them.
    let is_loop = |disk: &usb::Disk| disk.device.to_string_lossy().starts_with("/dev/loop");
    let lasting = disks.iter().filter(|disk| !disk.mounted.is_empty() && !is_loop(disk));
    let mounted: Vec<_> = lasting.collect();
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

//! Disks found by their label, against the kernel: loop devices stand for them.
//!
//! The tests need root and loop devices; without, each is skipped with a line.

mod format;
mod guest;
mod manual;
mod outages;
mod qemu;

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use backends::mount::{self, Spot, usb};
use engine_api::{Body, Destination, Key, PutMode, StoreError, StoreErrorKind};
use holdfast_tests::disk::{self, Disk};
use holdfast_tests::machine::Machine;
use holdfast_tests::tree::{Compare, assert_same, picture};
use holdfast_tests::{need, skip};
use jobs::{JobName, Status};

const NO_LOOP: &str = "loop devices need root and a kernel that has them";

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn point(&self) -> PathBuf {
        self.folder.path().join("mnt/backup-b1")
    }

    fn settings(&self, label: &str) -> usb::Settings {
        usb::Settings {
            label: label.to_owned(),
            spot: Spot {
                point: self.point(),
                folder: "server".into(),
                locks: self.folder.path().join("locks"),
                patience: Spot::PATIENCE,
            },
            needs_links: false,
        }
    }

    fn is_mounted(&self) -> bool {
        mount::is_mounted(&self.point()).unwrap()
    }

    /// What lies in the mount point's own folder, on the disk below.
    fn below(&self) -> usize {
        assert!(!self.is_mounted());
        fs::read_dir(self.point()).map_or(0, Iterator::count)
    }
}

fn key() -> Key {
    Key::new("data/one").unwrap()
}

fn put(destination: &Destination) -> Result<(), StoreError> {
    destination.blobs.put(&key(), Body::Bytes(b"content"), PutMode::Replace)
}

fn refused(settings: &usb::Settings) -> StoreError {
    usb::open(settings, true).err().expect("it was opened")
}

#[test]
fn a_disk_is_mounted_for_the_time_of_a_job() {
    let disk = need!(Disk::make("hf-time", "ext4"), NO_LOOP);
    let place = Place::new();
    let settings = place.settings(&disk.label);
    let destination = usb::open(&settings, true).unwrap();
    assert!(place.is_mounted());
    put(&destination).unwrap();
    destination.close();
    assert!(!place.is_mounted());
    assert_eq!(place.below(), 0, "something was written to the disk below");
    let again = usb::open(&settings, false).unwrap();
    assert_eq!(again.blobs.get(&key()).unwrap(), b"content");
    assert!(place.point().join("server/data/one").is_file());
    let found = usb::disks().unwrap();
    let found = found.iter().find(|found| found.device == disk.device).unwrap();
    assert_eq!(found.label.as_deref(), Some(disk.label.as_str()));
    assert_eq!(found.kind.as_deref(), Some("ext4"));
    assert_eq!(found.mounted, [place.point()]);
}

#[test]
fn two_users_of_one_mount_do_not_unmount_each_other() {
    let disk = need!(Disk::make("hf-two", "ext4"), NO_LOOP);
    let place = Place::new();
    let settings = place.settings(&disk.label);
    let first = usb::open(&settings, true).unwrap();
    let second = usb::open(&settings, true).unwrap();
    first.close();
    assert!(place.is_mounted());
    put(&second).unwrap();
    second.close();
    assert!(!place.is_mounted());
}

#[test]
fn what_was_mounted_before_stays_mounted() {
    let disk = need!(Disk::make("hf-before", "ext4"), NO_LOOP);
    let place = Place::new();
    fs::create_dir_all(place.point()).unwrap();
    disk.mount(&place.point());
    let destination = usb::open(&place.settings(&disk.label), true).unwrap();
    put(&destination).unwrap();
    destination.close();
    assert!(place.is_mounted());
    disk::unmount(&place.point());
}

#[test]
fn a_mount_that_a_killed_run_left_is_used_and_taken_away() {
    let disk = need!(Disk::make("hf-killed", "ext4"), NO_LOOP);
    let place = Place::new();
    let settings = place.settings(&disk.label);
    // The end of a killed process: its locks are gone, its note and its mount are there.
    usb::open(&settings, true).unwrap().close();
    let note = fs::read_dir(place.folder.path().join("locks")).unwrap();
    let note = note
        .flatten()
        .find(|file| file.path().extension().is_some_and(|end| end == "users"));
    fs::write(note.unwrap().path(), "x").unwrap();
    disk.mount(&place.point());
    let destination = usb::open(&settings, true).unwrap();
    put(&destination).unwrap();
    destination.close();
    assert!(!place.is_mounted());
}

#[test]
fn something_else_at_the_mount_point_is_left_alone() {
    let disk = need!(Disk::make("hf-else", "ext4"), NO_LOOP);
    let other = need!(Disk::make("hf-other", "ext4"), NO_LOOP);
    let place = Place::new();
    fs::create_dir_all(place.point()).unwrap();
    other.mount(&place.point());
    let error = refused(&place.settings(&disk.label));
    assert!(
        engine_api::Error::from(error)
            .chain()
            .contains("something else is mounted there already")
    );
    assert!(!place.point().join("server").exists());
    disk::unmount(&place.point());
}

#[test]
fn a_label_found_twice_is_refused() {
    let disk = need!(Disk::make("hf-twice", "ext4"), NO_LOOP);
    let _twin = need!(Disk::labelled(&disk.label, "ext4"), NO_LOOP);
    let place = Place::new();
    let error = engine_api::Error::from(refused(&place.settings(&disk.label))).chain();
    assert!(error.contains("all have this label"), "{error}");
    assert_eq!(place.below(), 0);
}

#[test]
fn fat_is_refused_where_links_are_needed_and_told_of_otherwise() {
    let disk = need!(Disk::make("HF-FAT", "vfat"), NO_LOOP);
    let place = Place::new();
    let mut settings = place.settings(&disk.label);
    settings.needs_links = true;
    let error = refused(&settings);
    assert_eq!(error.kind, StoreErrorKind::Unsupported);
    assert!(
        engine_api::Error::from(error)
            .chain()
            .contains("has no hard links, which the rsync engine needs")
    );
    assert!(!place.is_mounted());
    assert!(usb::warning("vfat").is_some());
    settings.needs_links = false;
    match usb::open(&settings, true) {
        Ok(destination) => {
            put(&destination).unwrap();
            destination.close();
        }
        Err(error) => {
            assert_eq!(error.kind, StoreErrorKind::Unsupported, "{error}");
            skip::partly("a mounted FAT disk", "this kernel has no FAT filesystem");
        }
    }
}

#[test]
fn a_disk_that_goes_away_in_the_middle_lets_nothing_fall_on_the_one_below() {
    let disk = need!(Disk::make("hf-away", "ext4"), NO_LOOP);
    let place = Place::new();
    let destination = usb::open(&place.settings(&disk.label), true).unwrap();
    put(&destination).unwrap();
    disk::unmount_lazily(&place.point());
    assert_eq!(put(&destination).unwrap_err().kind, StoreErrorKind::Vanished);
    let listed = destination.blobs.list("", &mut |_| ControlFlow::Continue(()));
    assert_eq!(listed.unwrap_err().kind, StoreErrorKind::Vanished);
    assert_eq!(place.below(), 0);
    destination.close();
}

#[test]
fn a_read_only_disk_says_so() {
    let disk = need!(Disk::make("hf-ro", "ext4"), NO_LOOP);
    let place = Place::new();
    fs::create_dir_all(place.point()).unwrap();
    disk.mount_read_only(&place.point());
    let error = refused(&place.settings(&disk.label));
    assert_eq!(error.kind, StoreErrorKind::ReadOnly, "{error}");
    disk::unmount(&place.point());
}

#[test]
fn nothing_is_mounted_where_nothing_is_mounted() {
    assert!(mount::is_mounted(Path::new("/proc")).unwrap());
    assert!(!mount::is_mounted(Path::new("/no/such/place")).unwrap());
}

/// A record of this machine for the disk.
fn job(machine: &Machine, disk: &Disk, name: &str, engine: &str, more: &[(&'static str, &str)]) -> JobName {
    let tree = machine.path("tree");
    fs::create_dir_all(&tree).unwrap();
    fs::write(tree.join("file"), b"content").unwrap();
    let mut properties = vec![("VFSType", "usb".to_owned()), ("USBLabel", disk.label.clone())];
    properties.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
    machine.job(name, engine, &properties, &tree)
}

fn point_of(machine: &Machine, name: &str) -> PathBuf {
    machine.context.layout.mounts.join(format!("backup-{name}"))
}

/// Whatever a run ends with, the disk is not left mounted.
#[test]
fn d17_a_run_that_fails_leaves_nothing_mounted() {
    let disk = need!(Disk::make("hf-d17", "ext4"), NO_LOOP);
    let machine = Machine::new();
    let name = job(&machine, &disk, "b1", "restic", &[]);
    machine.good_run(&name);
    assert!(!mount::is_mounted(&point_of(&machine, "b1")).unwrap());
    let secret = machine.context.layout.secrets.join("restic_b1");
    fs::write(secret, "not the password\n").unwrap();
    let report = machine.run(&name).unwrap();
    assert_eq!(report.status, Status::WrongPassword);
    assert!(!mount::is_mounted(&point_of(&machine, "b1")).unwrap());
}

/// A disabled record does not run and mounts nothing; what it has saved can be had all the same.
#[test]
fn d18_a_disabled_record_runs_nothing_and_still_restores() {
    let disk = need!(Disk::make("hf-d18", "ext4"), NO_LOOP);
    let machine = Machine::new();
    let name = job(&machine, &disk, "b1", "rsync", &[]);
    machine.good_run(&name);
    let file = machine.context.backups();
    file.update(|database| {
        let record = database.record(b"b1").unwrap().with("status", "disabled");
        database.set(b"b1", &record).map_err(|misfit| file.unfit(misfit))
    })
    .unwrap();
    assert!(machine.run(&name).is_err());
    assert!(!mount::is_mounted(&point_of(&machine, "b1")).unwrap());
    let tree = machine.path("tree");
    let restored = machine.restored(&name, engine_api::SnapshotRef::Latest, &tree);
    assert_same(&picture(&tree), &restored, Compare::default());
    let below = fs::read_dir(point_of(&machine, "b1")).map_or(0, Iterator::count);
    assert_eq!(below, 0, "something lies on the disk below");
}

/// A disk that the desktop has mounted is mounted once more where the backup wants it.
#[test]
fn d19_a_disk_that_is_mounted_elsewhere_is_mounted_here_too() {
    let disk = need!(Disk::make("hf-d19", "ext4"), NO_LOOP);
    let place = Place::new();
    let desktop = place.folder.path().join("media");
    fs::create_dir(&desktop).unwrap();
    disk.mount(&desktop);
    let destination = usb::open(&place.settings(&disk.label), true).unwrap();
    assert!(place.is_mounted());
    put(&destination).unwrap();
    assert!(desktop.join("server/data/one").is_file(), "it is on the disk");
    destination.close();
    assert!(!place.is_mounted());
    assert!(mount::is_mounted(&desktop).unwrap(), "what was mounted before stays");
    assert_eq!(place.below(), 0);
    disk::unmount(&desktop);
}

/// Two records on one disk, each at its own mount point, at the same time.
#[test]
fn d21_two_records_on_one_disk_run_side_by_side() {
    let disk = need!(Disk::make("hf-d21", "ext4"), NO_LOOP);
    let machine = Machine::new();
    let restic = job(&machine, &disk, "b1", "restic", &[]);
    let rsync = job(&machine, &disk, "b2", "rsync", &[]);
    std::thread::scope(|scope| {
        for name in [&restic, &rsync] {
            let machine = &machine;
            scope.spawn(move || machine.good_run(name));
        }
    });
    for name in ["b1", "b2"] {
        assert!(!mount::is_mounted(&point_of(&machine, name)).unwrap());
    }
    machine.repository(&restic).unwrap();
    machine.repository(&rsync).unwrap();
}

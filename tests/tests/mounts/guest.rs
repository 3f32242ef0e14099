//! What only a kernel with CIFS and NFS can show. These tests run inside the guest that the tests of `qemu` start; there
//! Samba and the kernel's NFS server listen on loopback. Anywhere else they have nothing to do.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use backends::Secret;
use backends::mount::{self, Spot, cifs, nfs};
use engine_api::{Body, Destination, Key, PutMode, StoreErrorKind};
use holdfast_tests::machine::Machine;
use holdfast_tests::seal::cheapen;
use holdfast_tests::watch::Watch;
use jobs::{EngineName, PlaceKind};

/// Whether this is the guest.
pub(crate) fn inside() -> bool {
    std::env::var_os("HOLDFAST_GUEST").is_some()
}

pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn point(&self) -> PathBuf {
        self.folder.path().join("backup-b1")
    }

    fn spot(&self) -> Spot {
        Spot {
            point: self.point(),
            folder: "server".into(),
            locks: self.folder.path().join("locks"),
            patience: Spot::PATIENCE,
        }
    }

    pub(crate) fn share(&self, share: &str, password: &str) -> cifs::Settings {
        cifs::Settings {
            host: "127.0.0.1".into(),
            share: share.into(),
            login: "backup-user,domain=WORKGROUP".into(),
            password: Secret::from(password),
            spot: self.spot(),
        }
    }

    fn export(&self, share: &str) -> nfs::Settings {
        nfs::Settings {
            host: "127.0.0.1".into(),
            share: share.into(),
            spot: self.spot(),
        }
    }

    pub(crate) fn is_mounted(&self) -> bool {
        mount::is_mounted(&self.point()).unwrap()
    }

    /// Nothing was written to the disk below the mount point.
    fn is_clean(&self) -> bool {
        !self.is_mounted() && fs::read_dir(self.point()).map_or(0, Iterator::count) == 0
    }
}

/// Puts, reads and removes, and sees that `real`, the server's own folder, held it meanwhile.
fn use_it(destination: Destination, real: &Path) {
    let key = Key::new("data/one").unwrap();
    let content = vec![7; 3 << 20];
    destination
        .blobs
        .put(&key, Body::Bytes(&content), PutMode::Create)
        .unwrap();
    assert_eq!(destination.blobs.get(&key).unwrap(), content);
    assert!(real.join("server/data/one").is_file());
    let again = destination.blobs.put(&key, Body::Bytes(b"x"), PutMode::Create);
    assert_eq!(again.unwrap_err().kind, StoreErrorKind::AlreadyExists);
    assert!(destination.blobs.space().unwrap().unwrap().total > 0);
    destination.blobs.remove(&key).unwrap();
    destination.close();
}

#[test]
fn a_share_is_mounted_for_the_time_of_a_job() {
    if !inside() {
        return;
    }
    let place = Place::new();
    for _ in 0..2 {
        let destination = cifs::open(&place.share("share", "pass word,1"), true).unwrap();
        assert!(place.is_mounted());
        use_it(destination, Path::new("/srv/share"));
        assert!(place.is_clean());
    }
    let left = fs::read_dir(place.folder.path().join("locks")).unwrap();
    assert!(
        left.flatten()
            .all(|file| !file.file_name().to_string_lossy().contains("cifs"))
    );
}

/// How the kernel says that a share is mounted.
fn options(point: &Path) -> String {
    let table = fs::read_to_string("/proc/mounts").unwrap();
    let mut lines = table.lines().map(|line| line.split(' '));
    let line = lines.find_map(|mut words| (words.nth(1)? == point.to_str()?).then(|| words.nth(1)));
    line.flatten().unwrap().to_owned()
}

#[test]
fn a_share_is_mounted_as_the_kernel_can() {
    if !inside() {
        return;
    }
    let place = Place::new();
    let mounted = || {
        let destination = cifs::open(&place.share("share", "pass word,1"), true).unwrap();
        let options = options(&place.point());
        destination.close();
        assert!(place.is_clean());
        options
    };
    let now = mounted();
    assert!(now.contains(",nohandlecache") && now.contains(",closetimeo=0"), "{now}");
    // As a kernel says it that does not know these.
    let program = Path::new("/usr/sbin/mount.cifs");
    // It goes by its own name.
    let kept = place.folder.path().join("mount.cifs");
    fs::copy(program, &kept).unwrap();
    fs::remove_file(program).unwrap();
    let script = format!(
        "#!/bin/sh\ncase $* in *closetimeo*) echo 'mount error(22): Invalid argument' >&2; exit 32;; esac\nexec {} \"$@\"\n",
        kept.display()
    );
    fs::write(program, script).unwrap();
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    let old = mounted();
    fs::copy(kept, program).unwrap();
    assert!(!old.contains("nohandlecache") && old.contains(",cache=none"), "{old}");
}

#[test]
fn a_share_refuses_a_wrong_password_an_unknown_name_and_a_closed_port() {
    if !inside() {
        return;
    }
    let place = Place::new();
    let refused = |settings: &cifs::Settings| cifs::open(settings, true).err().unwrap();
    let error = refused(&place.share("share", "wrong secret"));
    assert_eq!(error.kind, StoreErrorKind::Unauthenticated, "{error:?}");
    assert!(!format!("{error:?}").contains("wrong secret"));
    assert_eq!(
        refused(&place.share("nothing", "pass word,1")).kind,
        StoreErrorKind::NotFound
    );
    let mut elsewhere = place.share("share", "pass word,1");
    elsewhere.host = "127.0.0.2".into();
    let kind = refused(&elsewhere).kind;
    assert!(
        matches!(kind, StoreErrorKind::Connection | StoreErrorKind::Timeout),
        "{kind:?}"
    );
    let error = refused(&place.share("readonly", "pass word,1"));
    assert!(
        matches!(error.kind, StoreErrorKind::PermissionDenied | StoreErrorKind::ReadOnly),
        "{error:?}"
    );
    assert!(place.is_clean());
}

#[test]
fn an_export_is_mounted_for_the_time_of_a_job() {
    if !inside() {
        return;
    }
    let place = Place::new();
    for _ in 0..2 {
        let destination = nfs::open(&place.export("/export"), true).unwrap();
        assert!(place.is_mounted());
        use_it(destination, Path::new("/srv/export"));
        assert!(place.is_clean());
    }
}

#[test]
fn an_export_that_is_not_there_leaves_nothing_on_the_disk_below() {
    if !inside() {
        return;
    }
    let place = Place::new();
    let error = nfs::open(&place.export("/nothing"), true).err().unwrap();
    assert_eq!(error.kind, StoreErrorKind::NotFound, "{error:?}");
    assert!(place.is_clean());
}

#[test]
fn a_disk_on_the_universal_serial_bus_is_found_by_its_label() {
    if !inside() {
        return;
    }
    let place = Place::new();
    let settings = mount::usb::Settings {
        label: "GUESTDISK".into(),
        spot: place.spot(),
        needs_links: true,
    };
    let found = mount::usb::disks().unwrap();
    assert!(
        found.iter().any(|disk| disk.label.as_deref() == Some("GUESTDISK")),
        "{found:?}"
    );
    let destination = mount::usb::open(&settings, true).unwrap();
    let real = place.point();
    use_it(destination, &real);
    assert!(place.is_clean());
}

const PASSWORD: &str = "pass word,1";

/// How a record names the share.
pub(crate) fn share() -> Vec<(&'static str, String)> {
    let properties = [
        ("VFSType", "cifs"),
        ("SMBHost", "127.0.0.1"),
        ("SMBShare", "share"),
        ("SMBLogin", "backup-user,domain=WORKGROUP"),
        ("SMBPassword", PASSWORD),
    ];
    properties.map(|(name, value)| (name, value.to_owned())).into()
}

/// How a record names an export.
pub(crate) fn export(folder: &str) -> Vec<(&'static str, String)> {
    let properties = [("VFSType", "nfs"), ("NFSHost", "127.0.0.1"), ("NFSShare", folder)];
    properties.map(|(name, value)| (name, value.to_owned())).into()
}

/// Empties the server's own folder.
pub(crate) fn empty(real: &Path) {
    for left in fs::read_dir(real).unwrap().flatten() {
        fs::remove_dir_all(left.path())
            .or_else(|_| fs::remove_file(left.path()))
            .unwrap();
    }
}

/// Every engine on the storages that only this kernel has.
const GUEST_PAIRS: [(PlaceKind, EngineName); 6] = [
    (PlaceKind::Cifs, EngineName::Duplicity),
    (PlaceKind::Cifs, EngineName::Restic),
    (PlaceKind::Cifs, EngineName::Rsync),
    (PlaceKind::Nfs, EngineName::Duplicity),
    (PlaceKind::Nfs, EngineName::Restic),
    (PlaceKind::Nfs, EngineName::Rsync),
];

/// A server that is not there is told soon, and nothing hangs on it.
#[test]
fn d22_an_export_of_a_dead_server_is_an_error_and_no_hang() {
    if !inside() {
        return;
    }
    let place = Place::new();
    let mut settings = place.export("/export");
    settings.host = "192.0.2.1".into();
    let started = std::time::Instant::now();
    let error = nfs::open(&settings, true).err().unwrap();
    assert!(
        matches!(error.kind, StoreErrorKind::Connection | StoreErrorKind::Timeout),
        "{error:?}"
    );
    assert!(started.elapsed().as_secs() < 100);
    assert!(place.is_clean());
}

/// Makes the keys of the repositories of restic there cheap to open: without hardware, a guest works on one for seconds.
pub(crate) fn cheapen_below(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_name() == "keys" {
            cheapen(folder, holdfast_tests::restic::PASSWORD);
        } else if entry.file_type().unwrap().is_dir() {
            cheapen_below(&entry.path());
        }
    }
}

#[test]
fn every_engine_works_on_a_share_and_on_an_export() {
    if !inside() {
        return;
    }
    let watch = Watch::for_words(&[PASSWORD]);
    for (storage, engine) in GUEST_PAIRS {
        let started = std::time::Instant::now();
        let machine = Machine::new();
        let tree = machine.path("tree");
        fs::create_dir(&tree).unwrap();
        let (real, mut properties) = if storage == PlaceKind::Cifs {
            ("/srv/share", share())
        } else {
            ("/srv/export", export("/export"))
        };
        empty(Path::new(real));
        properties.push(("Type", "full".to_owned()));
        let name = machine.job("b1", engine.as_str(), &properties, &tree);
        machine.carries_on(&name, &tree, 12, || cheapen_below(Path::new(real)));
        let point = machine.context.layout.mounts.join("backup-b1");
        assert!(!mount::is_mounted(&point).unwrap());
        println!("{engine} on {storage}: {} s", started.elapsed().as_secs());
    }
    watch.saw_nothing();
}

//! A disk found by the label of its filesystem.

use std::ffi::OsStr;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use engine_api::{Destination, StoreError, StoreErrorKind};

use super::error::Failed;
use super::table::{Mounted, Table};
use super::{Source, Spot, program};

/// Which disk, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The label of its filesystem (property `USBLabel`).
    pub label: String,
    /// Where it is mounted.
    pub spot: Spot,
    /// Whether the engine needs hard links, owners and modes, which FAT has not.
    pub needs_links: bool,
}

/// Mounts the disk and opens it; see [`warning`] for what may be wrong with a disk that works.
///
/// # Errors
/// When no disk or more than one has the label, its filesystem is of no use, or it cannot be mounted.
pub fn open(settings: &Settings, create: bool) -> Result<Destination, StoreError> {
    let found = find(&settings.label).and_then(|disk| disk.checked(settings.needs_links));
    let disk = found.map_err(|failed| failed.into_store_error(&shown(&settings.label), &settings.spot.point))?;
    super::open(&disk, &settings.spot, create)
}

/// A filesystem that could be a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// The device, such as `/dev/sdb1`.
    pub device: PathBuf,
    /// The label of the filesystem, where it has one.
    pub label: Option<String>,
    /// The kind of filesystem, where there is one that is known.
    pub kind: Option<String>,
    /// Its size in bytes.
    pub size: u64,
    /// Whether it can be pulled out.
    pub removable: bool,
    /// What the disk calls itself.
    pub model: Option<String>,
    /// Where it is mounted.
    pub mounted: Vec<PathBuf>,
    /// Whether it is a disk, not a partition of one.
    pub whole: bool,
}

/// Every filesystem of this machine's disks.
///
/// # Errors
/// When the system's `lsblk` cannot be asked.
pub fn disks() -> Result<Vec<Disk>, StoreError> {
    list().map_err(|failed| failed.into_store_error("the disks", Path::new("this machine")))
}

/// The same for the modules beside this one.
pub(super) fn all_disks() -> Result<Vec<Disk>, Failed> {
    list()
}

/// What an administrator should know of a disk of this kind of filesystem that works all the same.
#[must_use]
pub fn warning(kind: &str) -> Option<&'static str> {
    match kind {
        "vfat" | "msdos" => Some("a FAT filesystem holds no file of 4 GiB or more; ext4 is the better choice"),
        "exfat" => Some(
            "an exFAT filesystem has no journal: pulling the disk out early can damage it; ext4 is the better choice",
        ),
        _ => None,
    }
}

fn shown(label: &str) -> String {
    format!("the disk labelled `{label}`")
}

/// The one disk with the label.
fn find(label: &str) -> Result<Disk, Failed> {
    let fail = |kind, cause: String| Err(Failed::new("mount", kind, cause));
    if label.is_empty() {
        return fail(StoreErrorKind::NotFound, "no label is set".to_owned());
    }
    let disks = list()?;
    let (mut same, others): (Vec<_>, Vec<_>) = disks.into_iter().partition(|disk| disk.label.as_deref() == Some(label));
    match (same.pop(), same.is_empty()) {
        (Some(disk), true) => Ok(disk),
        (Some(last), false) => {
            let devices: Vec<_> = same
                .iter()
                .chain([&last])
                .map(|disk| disk.device.display().to_string())
                .collect();
            fail(
                StoreErrorKind::AlreadyExists,
                format!("{} all have this label", devices.join(" and ")),
            )
        }
        (None, _) => {
            let labels: Vec<_> = others.iter().filter_map(|disk| disk.label.as_deref()).collect();
            let known = match labels.as_slice() {
                [] => "no disk here has a label".to_owned(),
                labels => format!("the labels here are: {}", labels.join(", ")),
            };
            fail(StoreErrorKind::NotFound, format!("no disk has this label; {known}"))
        }
    }
}

impl Disk {
    /// Refuses filesystems that would lose something.
    fn checked(self, needs_links: bool) -> Result<Self, Failed> {
        let fail = |cause: &str| Err(Failed::new("use", StoreErrorKind::Unsupported, cause));
        match self.kind.as_deref() {
            None => fail("there is no filesystem on it that is known here"),
            Some("ntfs" | "ntfs3") => {
                fail("it is formatted with NTFS, which keeps no owners and modes; format it with ext4")
            }
            Some("vfat" | "msdos" | "exfat") if needs_links => {
                fail("its FAT filesystem has no hard links, which the rsync engine needs; format it with ext4")
            }
            Some(_) => Ok(self),
        }
    }

    fn number(&self) -> Option<(u32, u32)> {
        let stat = rustix::fs::stat(&self.device).ok()?;
        Some((rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev)))
    }
}

impl Source for Disk {
    fn shown(&self) -> String {
        shown(self.label.as_deref().unwrap_or_default())
    }

    fn is(&self, mounted: &Mounted) -> bool {
        self.number() == Some(mounted.device)
    }

    fn may_hang(&self) -> bool {
        false
    }

    fn mount(&self, point: &Path) -> Result<(), Failed> {
        // The desktop or fstab may have it elsewhere; a second mount of one filesystem is one filesystem, and safe.
        let is_block = std::fs::metadata(&self.device).is_ok_and(|meta| meta.file_type().is_block_device());
        if !is_block {
            let cause = format!("{} is no block device", self.device.display());
            return Err(Failed::new("mount", StoreErrorKind::Other, cause));
        }
        let kind = self.kind.as_deref().unwrap_or("auto");
        let words = [
            OsStr::new("-t"),
            OsStr::new(kind),
            self.device.as_os_str(),
            point.as_os_str(),
        ];
        let said = program::run("mount", "mount", words)?;
        if said.success {
            return Ok(());
        }
        let kind = match said.complaint.contains("unknown filesystem type") {
            true => StoreErrorKind::Unsupported,
            false => StoreErrorKind::Other,
        };
        Err(Failed::new("mount", kind, said.complaint))
    }
}

/// What `lsblk` knows; as root it asks the disks themselves where udev does not run.
fn list() -> Result<Vec<Disk>, Failed> {
    let words = [
        "--json",
        "--bytes",
        "--list",
        "--output",
        "PATH,LABEL,FSTYPE,SIZE,RM,HOTPLUG,MODEL,TYPE",
    ];
    let said = program::run("list", "lsblk", words.map(OsStr::new))?;
    if !said.success {
        return Err(Failed::new("list", StoreErrorKind::Other, said.complaint));
    }
    let table = Table::read()?;
    let disks = parse(&said.output)?;
    Ok(disks.into_iter().map(|disk| asked(disk, &table)).collect())
}

/// The same, with what only the device itself and the kernel's table tell.
fn asked(mut disk: Disk, table: &Table) -> Disk {
    if disk.kind.is_none() {
        let tag = |name| tag_of(&disk.device, name);
        (disk.kind, disk.label) = (tag("TYPE"), tag("LABEL"));
    }
    if let Some(device) = disk.number() {
        disk.mounted = table.of_device(device).map(|mounted| mounted.point.clone()).collect();
    }
    disk
}

fn tag_of(device: &Path, name: &str) -> Option<String> {
    let words = ["-p", "-o", "value", "-s", name]
        .map(OsStr::new)
        .into_iter()
        .chain([device.as_os_str()]);
    let said = program::run("look at", "blkid", words).ok()?;
    Some(said.output.trim_end_matches('\n').to_owned()).filter(|value| said.success && !value.is_empty())
}

#[derive(serde::Deserialize)]
struct Listing {
    blockdevices: Vec<Row>,
}

#[derive(serde::Deserialize)]
struct Row {
    path: PathBuf,
    label: Option<String>,
    fstype: Option<String>,
    size: Option<u64>,
    rm: Option<bool>,
    hotplug: Option<bool>,
    model: Option<String>,
    r#type: Option<String>,
}

/// Only what can hold a filesystem and has a size.
pub(super) fn parse(json: &str) -> Result<Vec<Disk>, Failed> {
    let listing: Listing = serde_json::from_str(json).map_err(|cause| Failed {
        operation: "list",
        kind: StoreErrorKind::Other,
        cause: cause.into(),
    })?;
    let useful = |row: &Row| row.size.is_some_and(|size| size > 0) && row.r#type.as_deref() != Some("rom");
    let rows = listing.blockdevices.into_iter().filter(useful);
    Ok(rows
        .map(|row| Disk {
            device: row.path,
            label: row.label,
            kind: row.fstype,
            size: row.size.unwrap_or_default(),
            removable: row.rm.unwrap_or_default() || row.hotplug.unwrap_or_default(),
            model: row.model.map(|model| model.trim().to_owned()),
            mounted: Vec::new(),
            whole: matches!(row.r#type.as_deref(), Some("disk" | "loop")),
        })
        .collect())
}

//! A disk formatted for backups.
//!
//! What the disk holds is lost, so everything is looked at twice: what the disk is and carries when it is planned, and
//! the same again just before the first write.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use engine_api::{Cause, StoreError, StoreErrorKind};

use super::error::Failed;
use super::program;
use super::usb::{self, Disk};

/// How long the kernel and udev may take to show a new partition.
const APPEARS: Duration = Duration::from_secs(20);

/// What a disk is to become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What is formatted: a whole disk, which gets a table with one partition, or a partition.
    pub device: PathBuf,
    /// Whether it is a whole disk.
    pub whole: bool,
    /// The label that its filesystem gets.
    pub label: String,
    /// Everything on it now, which will be gone.
    pub lost: Vec<Disk>,
}

/// Looks whether `device` can be formatted, and says what it would cost.
///
/// # Errors
/// [`Unsupported`](StoreErrorKind::Unsupported) when it is no disk, in use (mounted, swapped to, part of another device), or
/// the label cannot be one; [`AlreadyExists`](StoreErrorKind::AlreadyExists) when another disk has the label.
pub fn plan(device: &Path, label: &str) -> Result<Plan, StoreError> {
    make_plan(device, label)
        .map_err(|failed| failed.into_store_error(&device.display().to_string(), Path::new("this machine")))
}

impl Plan {
    /// Formats it, and gives the device of the new filesystem.
    ///
    /// # Errors
    /// When it is not as it was planned any more, or a program of the system's failed.
    pub fn run(&self) -> Result<PathBuf, StoreError> {
        let done = make_plan(&self.device, &self.label).and_then(|now| {
            if now == *self {
                self.execute()
            } else {
                Err(refused(
                    "it is not what it was a moment ago",
                    "look at it again with `holdfast disk list`",
                ))
            }
        });
        done.map_err(|failed| failed.into_store_error(&self.device.display().to_string(), Path::new("this machine")))
    }

    fn execute(&self) -> Result<PathBuf, Failed> {
        // Old signatures would make the disk look like what it was.
        system("wipefs", &["--all", "--quiet"], &self.device, None)?;
        let target = if self.whole {
            self.partition()?
        } else {
            self.device.clone()
        };
        // Room for root alone serves nobody on a disk for backups.
        system("mkfs.ext4", &["-q", "-F", "-m", "0", "-L", &self.label], &target, None)?;
        Ok(target)
    }

    /// One partition over the whole disk; its name is the kernel's, whatever the disk is called.
    fn partition(&self) -> Result<PathBuf, Failed> {
        system(
            "sfdisk",
            &["--quiet", "--wipe", "always", "--label", "gpt"],
            &self.device,
            Some("type=linux\n"),
        )?;
        let end = Instant::now() + APPEARS;
        loop {
            if let [only] = partitions_of(&self.device)?.as_slice()
                && only.exists()
            {
                return Ok(only.clone());
            }
            if Instant::now() > end {
                let cause = "the new partition does not appear";
                return Err(Failed::new("format", StoreErrorKind::Other, cause));
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

fn make_plan(device: &Path, label: &str) -> Result<Plan, Failed> {
    check_label(label)?;
    let device = device.canonicalize().map_err(|cause| Failed::io("format", cause))?;
    let disks = usb::all_disks()?;
    let Some(disk) = disks.iter().find(|disk| disk.device == device) else {
        return Err(refused(
            "it is no disk or partition of this machine",
            "see `holdfast disk list`",
        ));
    };
    let inner = partitions_of(&device)?;
    let lost: Vec<Disk> = disks
        .iter()
        .filter(|one| one.device == device || inner.contains(&one.device))
        .cloned()
        .collect();
    for part in &lost {
        if let Some(use_of_it) = in_use(part)? {
            let cause = format!("{} {use_of_it}", part.device.display());
            return Err(refused(
                &cause,
                "unmount it if it is the right disk; a disk of the system is never formatted",
            ));
        }
    }
    let twin = disks
        .iter()
        .find(|one| one.label.as_deref() == Some(label) && !lost.contains(one));
    if let Some(twin) = twin {
        let cause = format!("{} has the label `{label}` already", twin.device.display());
        let hinted = Cause::new(cause).with_hint("choose another label: a backup finds its disk by it");
        return Err(Failed {
            operation: "format",
            kind: StoreErrorKind::AlreadyExists,
            cause: hinted.into(),
        });
    }
    Ok(Plan {
        whole: disk.whole,
        label: label.to_owned(),
        lost,
        device,
    })
}

/// What ext4 keeps, and a record can hold.
fn check_label(label: &str) -> Result<(), Failed> {
    let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if (1..=16).contains(&label.len()) && label.chars().all(good) && !label.starts_with('-') {
        return Ok(());
    }
    Err(refused(
        &format!("`{label}` cannot be the label of a disk"),
        "use up to 16 letters, digits, `-`, `_` and `.`",
    ))
}

/// The partitions of a disk, as the kernel names them.
fn partitions_of(disk: &Path) -> Result<Vec<PathBuf>, Failed> {
    let name = disk.file_name().unwrap_or_default();
    let folder = Path::new("/sys/class/block").join(name);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(Failed::io("look at", cause)),
    };
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.path().join("partition").exists())
        .map(|entry| Path::new("/dev").join(entry.file_name()))
        .collect();
    found.sort();
    Ok(found)
}

/// What a disk or partition is used for, in words; `None` when for nothing.
fn in_use(disk: &Disk) -> Result<Option<String>, Failed> {
    if let Some(point) = disk.mounted.first() {
        return Ok(Some(format!("is mounted on {}", point.display())));
    }
    let name = disk.device.file_name().unwrap_or_default();
    let holders = fs::read_dir(Path::new("/sys/class/block").join(name).join("holders"));
    if let Some(holder) = holders.ok().and_then(|mut holders| holders.next()).and_then(Result::ok) {
        return Ok(Some(format!("is a part of {}", holder.file_name().display())));
    }
    let swaps = fs::read("/proc/swaps").map_err(|cause| Failed::io("look at", cause))?;
    let path = disk.device.as_os_str().as_encoded_bytes();
    let swapped = swaps
        .split(|&byte| byte == b'\n')
        .any(|line| line.split(u8::is_ascii_whitespace).next() == Some(path));
    Ok(swapped.then(|| "is the machine's swap space".to_owned()))
}

fn refused(cause: &str, hint: &str) -> Failed {
    Failed {
        operation: "format",
        kind: StoreErrorKind::Unsupported,
        cause: Cause::new(cause).with_hint(hint).into(),
    }
}

fn system(name: &str, words: &[&str], device: &Path, input: Option<&str>) -> Result<(), Failed> {
    let words = words.iter().map(OsStr::new).chain([device.as_os_str()]);
    let said = program::run_with("format", name, words, input)?;
    if said.success {
        return Ok(());
    }
    let cause = format!("{name} failed: {}", said.complaint);
    Err(Failed::new("format", StoreErrorKind::Other, cause))
}

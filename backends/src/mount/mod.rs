//! Storages that the kernel mounts: a disk found by its label, a CIFS share, an NFS export.
//!
//! Nothing is ever written below a mount point that is not mounted. After mounting, the kernel's own table has to say
//! that the mount point carries exactly what was asked for, and the folder that is then opened is held by its descriptor,
//! so that it cannot turn into the disk below. What somebody else had mounted there before is used and left alone; what
//! was mounted here is unmounted when the last process that uses it lets go.

pub mod cifs;
mod closing;
mod error;
pub mod format;
mod lease;
pub mod nfs;
mod program;
mod table;
mod timely;
pub mod usb;

use std::path::{Path, PathBuf};
use std::time::Duration;

use engine_api::{Destination, StoreError};

use self::error::Failed;
use self::lease::Lease;
use self::table::{Mounted, Table};
use crate::local;

/// Where something is mounted, and which folder of it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// The mount point; it is made when it is not there.
    pub point: PathBuf,
    /// The folder below it that holds the repository; empty for the mounted root.
    pub folder: PathBuf,
    /// Where processes that share a mount point tell each other so; a folder of this machine.
    pub locks: PathBuf,
    /// How long a server may not answer; a disk of this machine is waited for as long as the kernel does. The kernel is told
    /// to wait for a server half as long again, so that whoever watches over the operations is the first to speak.
    pub patience: Duration,
}

impl Spot {
    /// How long a server is usually waited for: one that restarts is back by then.
    pub const PATIENCE: Duration = Duration::from_mins(5);
}

/// What is to be mounted.
trait Source {
    /// The same for messages; holds no secret.
    fn shown(&self) -> String;

    /// Whether that is what is mounted there.
    fn is(&self, mounted: &Mounted) -> bool;

    /// Whether what is mounted may answer neither yes nor no: a server, not a disk.
    fn may_hang(&self) -> bool {
        true
    }

    /// Whether the kernel may go on to close files of it that it does not keep it for.
    fn closes_late(&self) -> bool {
        false
    }

    /// Mounts it at `point`.
    fn mount(&self, point: &Path) -> Result<(), Failed>;
}

/// Mounts `source` and opens the folder.
fn open(source: &dyn Source, spot: &Spot, create: bool) -> Result<Destination, StoreError> {
    let failed = |failed: Failed| failed.into_store_error(&source.shown(), &spot.point);
    let lease = Lease::take(source, spot).map_err(failed)?;
    let folder = spot.point.join(&spot.folder);
    let inner = lease
        .ask("open", source, move || local::open(&folder, create))
        .map_err(failed)??;
    // The folder was opened after the mount was seen; had it gone in between, this would be the disk below.
    lease.verify(source).map_err(failed)?;
    Ok(inner.guarded_by(Box::new(lease)))
}

/// What is mounted at `point` now, the topmost.
fn mounted_at(point: &Path) -> Result<Option<Mounted>, Failed> {
    Ok(Table::read()?.at(point))
}

/// Whether something is mounted exactly at `point`.
///
/// # Errors
/// When the kernel's table cannot be read.
pub fn is_mounted(point: &Path) -> Result<bool, StoreError> {
    let found = mounted_at(point);
    let found = found.map_err(|failed| failed.into_store_error("the table of mounts", point))?;
    Ok(found.is_some())
}

#[cfg(test)]
mod tests;

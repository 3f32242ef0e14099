//! The contract of an engine.

use std::io::{Read, Seek};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::{
    BackupReport, BackupRequest, CheckReport, CheckRequest, CompareReport, CompareRequest, DiffEntry, Entry,
    FindRequest, ForgetReport, ForgetRequest, Found, Progress, PruneReport, PruneRequest, RepairReport, RepairRequest,
    RestoreReport, RestoreRequest, Result, Snapshot, SnapshotFilter, SnapshotId, SnapshotRef, Version,
};

/// How an engine stores what it saves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Every snapshot stands alone and shares its data with the others.
    Snapshots,
    /// A full backup and increments that need it.
    Chains,
    /// A plain tree each, unchanged files hard-linked.
    HardLinks,
}

/// What an engine is, for the table that users choose by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Description {
    /// Its name in a backup's record.
    pub name: &'static str,
    /// How it stores.
    pub kind: Kind,
    /// Whether data is compressed.
    pub compression: bool,
    /// Whether the same data is stored once.
    pub deduplication: bool,
    /// Whether the destination learns nothing of the content.
    pub encryption: bool,
    /// Whether damage is found by checking.
    pub integrity: bool,
    /// Whether it needs a real file tree (links, rename) rather than named objects.
    pub needs_files: bool,
}

/// One file's content, readable from any position.
pub trait FileContent: Read + Seek + Send {}

impl<T: Read + Seek + Send> FileContent for T {}

/// A backup format over a destination.
///
/// Every method takes the locks it needs and lets them go. A long operation reports to `progress` and stops soon after
/// it says so, with an error of kind [`Interrupted`](crate::ErrorKind::Interrupted) and the repository in order. What
/// concerns single paths goes into the report's problems; an `Err` means the operation as a whole failed.
pub trait Engine: Send + Sync {
    /// What this engine is.
    fn describe(&self) -> &'static Description;

    /// Saves the selection as a new snapshot.
    ///
    /// # Errors
    /// When there is nothing to save or no snapshot could be made.
    fn backup(&self, request: &BackupRequest, progress: &dyn Progress) -> Result<BackupReport>;

    /// The snapshots that the filter lets through, oldest first. One that is damaged is left out, with an
    /// [`Event::Problem`](crate::Event::Problem) that names it.
    ///
    /// # Errors
    /// When they could not be listed.
    fn snapshots(&self, filter: &SnapshotFilter, progress: &dyn Progress) -> Result<Vec<Snapshot>>;

    /// The one snapshot that `which` names among those of `filter`.
    ///
    /// # Errors
    /// Of kind [`Usage`](crate::ErrorKind::Usage) when none or several fit.
    fn resolve(&self, which: &SnapshotRef, filter: &SnapshotFilter) -> Result<Snapshot>;

    /// Hands every entry below `under` (all when `None`) to `each`, depth first in byte order, until it breaks.
    ///
    /// # Errors
    /// When the listing could not be completed.
    fn entries(
        &self,
        snapshot: &SnapshotId,
        under: Option<&Path>,
        each: &mut dyn FnMut(Entry) -> ControlFlow<()>,
    ) -> Result<()>;

    /// Opens one file of a snapshot.
    ///
    /// # Errors
    /// When there is no such file, or it cannot be read.
    fn open(&self, snapshot: &SnapshotId, path: &Path) -> Result<Box<dyn FileContent + '_>>;

    /// Brings a snapshot, or a part of it, back.
    ///
    /// # Errors
    /// When it could not begin or go on.
    fn restore(&self, request: &RestoreRequest, progress: &dyn Progress) -> Result<RestoreReport>;

    /// Reads every file of a snapshot, or of a part of it, where it lies now, and compares its content with what was saved.
    /// Nothing is written.
    ///
    /// # Errors
    /// When it could not begin or go on, or a path is not in the snapshot.
    fn compare(&self, request: &CompareRequest, progress: &dyn Progress) -> Result<CompareReport>;

    /// Hands the state of one path in every snapshot of the filter to `each`, oldest first, until it breaks. What cannot
    /// be read is told to `progress` as a problem and passed over.
    ///
    /// # Errors
    /// When the snapshots could not be listed.
    fn versions(
        &self,
        path: &Path,
        filter: &SnapshotFilter,
        progress: &dyn Progress,
        each: &mut dyn FnMut(Version) -> ControlFlow<()>,
    ) -> Result<()>;

    /// Drops snapshots by a policy or by name; their data stays until [`Engine::prune`].
    ///
    /// # Errors
    /// When they could not be removed.
    fn forget(&self, request: &ForgetRequest, progress: &dyn Progress) -> Result<ForgetReport>;

    /// Removes data that no snapshot needs.
    ///
    /// # Errors
    /// When the repository is locked or damaged; nothing needed is removed then.
    fn prune(&self, request: &PruneRequest, progress: &dyn Progress) -> Result<PruneReport>;

    /// Looks whether everything can still be restored.
    ///
    /// # Errors
    /// When the check itself could not be made; what it finds is in the report.
    fn check(&self, request: &CheckRequest, progress: &dyn Progress) -> Result<CheckReport>;

    /// Mends what can be mended without the lost data.
    ///
    /// # Errors
    /// When it could not be done; nothing that was good is touched.
    fn repair(&self, request: &RepairRequest, progress: &dyn Progress) -> Result<RepairReport>;

    /// Looks for paths in every snapshot of the filter, oldest first.
    ///
    /// # Errors
    /// When a snapshot could not be read.
    fn find(&self, request: &FindRequest, each: &mut dyn FnMut(Found) -> ControlFlow<()>) -> Result<()>;

    /// Hands over what differs from `first` to `second`, in byte order of the paths.
    ///
    /// # Errors
    /// When a snapshot could not be read.
    fn diff(
        &self,
        first: &SnapshotId,
        second: &SnapshotId,
        under: Option<&PathBuf>,
        each: &mut dyn FnMut(DiffEntry) -> ControlFlow<()>,
    ) -> Result<()>;
}

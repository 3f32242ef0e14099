//! What engines and storages agree on: contracts and plain data, with no input or output of its own.
//!
//! A storage implements [`BlobStore`], and [`FileStore`] where it keeps files; an engine implements [`Engine`] on top of one. Neither knows the other by name:
//! only the crate above both does. Everything a caller must tell the user comes back as a value (a report, an
//! [`Error`] with its [`ErrorKind`] and hint) or as an [`Event`] through [`Progress`]; nothing here prints.

pub mod duration;
mod engine;
mod entry;
mod error;
mod files;
mod progress;
mod read_data;
mod report;
mod request;
pub mod retention;
mod snapshot;
mod store;

pub use duration::Age;
pub use engine::{Description, Engine, FileContent, Kind as EngineKind};
pub use entry::{Entry, EntryKind, Metadata, Timestamp, Xattr};
pub use error::{Error, ErrorKind, Failure, Result};
pub use files::{
    FileCapabilities, FileStat, FileStore, Folder, Listed, NewMetadata, StoredFile, Unanswered, sync_both,
};
pub use progress::{Change, Event, Phase, Problem, Problems, Progress, Silent};
pub use read_data::ReadData;
pub use report::{
    BackupReport, CheckReport, CompareReport, Counts, Finding, ForgetReport, PruneReport, RepairReport, RestoreReport,
    Severity,
};
pub use request::{
    BackupRequest, CheckRequest, CompareRequest, DiffEntry, DiffKind, FindRequest, ForgetRequest, Found, Overwrite,
    PruneRequest, RepairRequest, RestoreRequest, Selection,
};
pub use snapshot::{Snapshot, SnapshotFilter, SnapshotId, SnapshotRef, Version};
pub use store::{
    BlobStore, Body, Capabilities, Cause, Destination, Key, KeyError, ObjectMeta, PutMode, Space, StoreError,
    StoreErrorKind,
};

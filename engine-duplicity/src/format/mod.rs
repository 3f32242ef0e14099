//! The names and texts of the format, from bytes to meaning and back.

pub mod extras;
pub mod manifest;
pub mod names;
pub mod order;
pub mod quote;
pub mod stamp;

pub use extras::Extras;
pub use manifest::{ChangedFile, Difference, Manifest, Notes, PathEnd, VolumeInfo};
pub use names::{Container, FileKind, FileName, Prefixes, SetId};
pub use order::TreePath;
pub use stamp::SetTime;

//! What is at the target already, and what that means for a file.

use std::path::Path;

use engine_api::{Metadata, Overwrite};
use fstree::Stat;

use super::Context;

/// What is to be done for a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Write it as a new file.
    Create,
    /// Compare what is there and write what differs.
    Update,
    /// Its content is right; set the metadata.
    Right,
    /// Leave it as it is.
    Leave,
}

/// Decides on a file of several blobs or one; fails when what is there cannot be looked at.
pub fn decide(context: &Context<'_>, path: &Path, metadata: &Metadata, blobs: usize) -> std::io::Result<Decision> {
    let Some(there) = context.target.stat(path)? else {
        return Ok(Decision::Create);
    };
    Ok(match context.overwrite {
        Overwrite::Never => Decision::Leave,
        Overwrite::IfNewer if there.mtime >= metadata.mtime => Decision::Leave,
        Overwrite::IfNewer | Overwrite::IfChanged if !there.is_file() => Decision::Create,
        Overwrite::IfNewer | Overwrite::IfChanged if looks_right(&there, metadata) => Decision::Right,
        Overwrite::IfNewer | Overwrite::IfChanged if worth_comparing(&there, metadata, blobs) => Decision::Update,
        _ => Decision::Create,
    })
}

fn looks_right(there: &Stat, metadata: &Metadata) -> bool {
    there.size == metadata.size && there.mtime == metadata.mtime
}

/// A file that other names share is never changed in place, and a small one is written faster than compared.
const fn worth_comparing(there: &Stat, metadata: &Metadata, blobs: usize) -> bool {
    there.links == 1 && blobs > 1 && there.size > 0 && metadata.size > 0
}

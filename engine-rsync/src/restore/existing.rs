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

/// A file below this size is written faster than compared.
const WORTH_COMPARING: u64 = 256 << 10;

/// Decides on a file; fails when what is there cannot be looked at.
pub fn decide(context: &Context<'_>, path: &Path, metadata: &Metadata) -> std::io::Result<Decision> {
    let Some(there) = context.target.stat(path)? else {
        return Ok(Decision::Create);
    };
    Ok(match context.overwrite {
        Overwrite::Never => Decision::Leave,
        Overwrite::IfNewer if there.mtime >= metadata.mtime => Decision::Leave,
        Overwrite::IfNewer | Overwrite::IfChanged if !there.is_file() => Decision::Create,
        Overwrite::IfNewer | Overwrite::IfChanged if looks_right(&there, metadata) => Decision::Right,
        Overwrite::IfNewer | Overwrite::IfChanged if worth_comparing(&there, metadata) => Decision::Update,
        _ => Decision::Create,
    })
}

fn looks_right(there: &Stat, metadata: &Metadata) -> bool {
    there.size == metadata.size && there.mtime == metadata.mtime
}

/// A file that other names share is never changed in place.
const fn worth_comparing(there: &Stat, metadata: &Metadata) -> bool {
    there.links == 1 && there.size > 0 && metadata.size >= WORTH_COMPARING
}

//! What is at the target already, and what that means for a file.

use std::path::Path;

use engine_api::{Overwrite, Timestamp};
use fstree::Stat;

use super::Context;

/// What is to be done for a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// Nothing is there: write it.
    Create,
    /// Write it as a new file in the place of what is there.
    Replace,
    /// Compare what is there and write what differs.
    Update,
    /// Its content is right; set the metadata.
    Right,
    /// Leave it as it is.
    Leave,
}

/// Decides on a file whose length may not be known yet; fails when what is there cannot be looked at.
pub(super) fn decide(
    context: &Context<'_>,
    path: &Path,
    mtime: Timestamp,
    size: Option<u64>,
) -> std::io::Result<Decision> {
    let Some(there) = context.target.stat(path)? else {
        return Ok(Decision::Create);
    };
    Ok(match context.overwrite {
        Overwrite::Never => Decision::Leave,
        Overwrite::IfNewer if there.mtime >= mtime => Decision::Leave,
        Overwrite::IfNewer | Overwrite::IfChanged if !there.is_file() => Decision::Replace,
        Overwrite::IfNewer | Overwrite::IfChanged if Some(there.size) == size && there.mtime == mtime => {
            Decision::Right
        }
        Overwrite::IfNewer | Overwrite::IfChanged if worth_comparing(&there) => Decision::Update,
        _ => Decision::Replace,
    })
}

/// A file that other names share is never changed in place, and a small one is written faster than compared.
const fn worth_comparing(there: &Stat) -> bool {
    there.links == 1 && there.size > (64 << 10)
}

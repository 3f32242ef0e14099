//! What is in a folder at the target and not in the set.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::Context;

/// The names in a folder that was there, of which those are removed that the restore does not come by.
pub(super) struct Extra {
    folder: PathBuf,
    /// Sorted by bytes, the next one last.
    names: Vec<OsString>,
    /// Whether another filesystem is mounted there: when the set has nothing of it, it is no business of the restore.
    mounted: bool,
}

impl Extra {
    /// What is there now.
    pub(super) fn of(context: &Context<'_>, folder: &Path) -> Option<Self> {
        match context.target.list(folder) {
            Ok(mut names) => {
                names.reverse();
                Some(Self {
                    folder: folder.to_owned(),
                    names,
                    mounted: context.target.is_mount_point(folder).unwrap_or(true),
                })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                context.counters.failed(folder, "list the folder", &error);
                None
            }
        }
    }

    /// The restore has come to `path`, which is in the folder or deeper: what sorts before it is extra.
    pub(super) fn up_to(&mut self, context: &Context<'_>, path: &Path) {
        let Some(name) = path.strip_prefix(&self.folder).ok().and_then(|rest| rest.iter().next()) else {
            return;
        };
        self.mounted = false;
        while let Some(there) = self.names.pop_if(|there| there.as_bytes() <= name.as_bytes()) {
            if there != name {
                remove(context, &self.folder.join(there));
            }
        }
    }

    /// Nothing more comes.
    pub(super) fn rest(self, context: &Context<'_>) {
        if !self.mounted {
            for name in self.names.into_iter().rev() {
                remove(context, &self.folder.join(name));
            }
        }
    }
}

fn remove(context: &Context<'_>, path: &Path) {
    let removed = if context.dry_run {
        Ok(1)
    } else {
        context.target.remove(path)
    };
    match removed {
        Ok(count) => context.counters.deleted(count),
        Err(error) => context.counters.failed(path, "remove", &error),
    }
}

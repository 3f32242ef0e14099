//! The versions of one path over the snapshots of many repositories.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use engine_api::{Engine, Entry, EntryKind, Metadata, Progress, Snapshot, Version};

use super::{Sources, Unanswered};
use crate::context::Context;
use crate::error::Error;

/// How a version compares with the one before in the same repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Turn {
    /// There was none before.
    New,
    /// It is the same.
    Unchanged,
    /// The content is another.
    Content,
    /// Only owner, mode, times or the like are others.
    Metadata,
    /// It is something else now.
    Type,
    /// It is not there any more.
    Gone,
}

/// A version, and the snapshots that have it.
#[derive(Debug, Clone)]
pub struct Past {
    /// The job's name, or the folder of the repository.
    pub backup: String,
    /// The first snapshot that has it.
    pub snapshot: Snapshot,
    /// The last one of those that follow each other and have it.
    pub last: Snapshot,
    /// How many those are.
    pub snapshots: u64,
    /// What it is; `None` when it is gone.
    pub entry: Option<Entry>,
    /// How it came about.
    pub turn: Turn,
}

/// What is known of a path.
#[derive(Debug)]
pub struct History {
    /// Its versions, oldest first.
    pub versions: Vec<Past>,
    /// The repositories that gave no answer.
    pub unanswered: Vec<Unanswered>,
}

/// Asks for the versions of `path`. With `folded`, snapshots that follow each other and have the same version are one.
///
/// # Errors
/// When nothing has the path and everybody was asked, or the only repository does not answer.
pub fn ask(
    context: &Context,
    sources: Sources,
    path: &Path,
    folded: bool,
    progress: &dyn Progress,
) -> engine_api::Result<History> {
    let path: PathBuf = path.components().collect();
    let names = sources.names();
    let mut versions = Vec::new();
    let unanswered = sources.ask(context, progress, &mut |source, repository, filter| {
        let mut line = Line {
            engine: repository.engine(),
            backup: &source.name,
            path: &path,
            folded,
            before: None,
            versions: &mut versions,
            failure: None,
        };
        let asked = repository.engine().versions(&path, filter, progress, &mut |version| {
            if let Err(error) = line.add(version) {
                line.failure = Some(error);
                return ControlFlow::Break(());
            }
            if progress.cancelled() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        asked?;
        line.failure.map_or(Ok(ControlFlow::Continue(())), Err)
    })?;
    if versions.is_empty() && unanswered.is_empty() && !progress.cancelled() {
        return Err(Error::InNoSnapshot {
            path,
            where_looked: names,
        }
        .into());
    }
    versions.sort_by_key(|past: &Past| past.snapshot.time);
    Ok(History { versions, unanswered })
}

/// The versions in one repository.
struct Line<'l> {
    engine: &'l dyn Engine,
    backup: &'l str,
    path: &'l PathBuf,
    folded: bool,
    before: Option<Version>,
    versions: &'l mut Vec<Past>,
    failure: Option<engine_api::Error>,
}

impl Line<'_> {
    fn add(&mut self, version: Version) -> engine_api::Result<()> {
        let before = self.before.take();
        let turn = match before.as_ref() {
            Some(before) => self.turn(before, &version)?,
            None => version.entry.as_ref().map(|_| Turn::New),
        };
        if let Some(turn) = turn {
            self.tell(&version, turn);
        }
        self.before = Some(version);
        Ok(())
    }

    fn tell(&mut self, version: &Version, turn: Turn) {
        if turn == Turn::Unchanged && self.folded {
            if let Some(last) = self.versions.last_mut() {
                last.last = version.snapshot.clone();
                last.snapshots += 1;
            }
            return;
        }
        self.versions.push(Past {
            backup: self.backup.to_owned(),
            snapshot: version.snapshot.clone(),
            last: version.snapshot.clone(),
            snapshots: 1,
            entry: version.entry.clone(),
            turn,
        });
    }

    /// What became of it; `None` when it is as little there as before.
    fn turn(&self, before: &Version, now: &Version) -> engine_api::Result<Option<Turn>> {
        let (old, new) = match (&before.entry, &now.entry) {
            (None, None) => return Ok(None),
            (None, Some(_)) => return Ok(Some(Turn::New)),
            (Some(_), None) => return Ok(Some(Turn::Gone)),
            (Some(old), Some(new)) => (&old.metadata, &new.metadata),
        };
        if old.kind != new.kind {
            return Ok(Some(Turn::Type));
        }
        let same = match (&before.content, &now.content) {
            (Some(old), Some(new)) => old == new,
            _ if new.kind == EntryKind::Dir => self.same_folder(before, now)?,
            _ => old.size == new.size && old.mtime == new.mtime,
        };
        Ok(Some(match same {
            false => Turn::Content,
            true if same_metadata(old, new) => Turn::Unchanged,
            true => Turn::Metadata,
        }))
    }

    /// Whether nothing below differs; the first difference is enough.
    fn same_folder(&self, before: &Version, now: &Version) -> engine_api::Result<bool> {
        let mut same = true;
        self.engine.diff(
            &before.snapshot.id,
            &now.snapshot.id,
            Some(self.path),
            &mut |difference| {
                same = difference.path == *self.path;
                if same {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            },
        )?;
        Ok(same)
    }
}

fn same_metadata(old: &Metadata, new: &Metadata) -> bool {
    let owner = |metadata: &Metadata| (metadata.uid, metadata.gid, metadata.mode, metadata.rdev);
    owner(old) == owner(new) && old.mtime == new.mtime && old.xattrs == new.xattrs
}

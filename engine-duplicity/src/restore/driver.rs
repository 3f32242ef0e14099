//! The pass over the merged sets.

use std::path::{Path, PathBuf};

use engine_api::{Change, EntryKind, Event, Overwrite};

use super::folders::{Folders, Link};
use super::linked::Linked;
use super::pool::Pool;
use super::select::not_found;
use super::{Context, file};
use crate::error::Result;
use crate::format::{Extras, TreePath};
use crate::merge::{Merge, Merged, State};
use crate::meta::metadata;
use crate::snapshots::Found;
use crate::source::{Notice, SetPlan, Source};

/// Restores everything that is wanted.
pub(super) fn run(context: &Context<'_>, source: Source<'_>, plans: &[SetPlan], found: &Found) -> Result<()> {
    std::thread::scope(|scope| {
        let pool = Pool::start(scope, context);
        let mut driver = Driver {
            context,
            pool: &pool,
            folders: Folders::default(),
            linked: Linked::default(),
            missing: context.wanted.paths().to_vec(),
        };
        let mut merge = Merge::open(source, scope, plans.to_vec(), context.wanted);
        while let Some(merged) = merge.next()? {
            context.go_on()?;
            driver.notices(&mut merge);
            driver.path(&mut merge, merged)?;
        }
        driver.notices(&mut merge);
        driver.folders.finish(context, &pool);
        context.go_on()?;
        match driver.missing.first().filter(|_| !merge.has_doubts()) {
            Some(path) => Err(not_found(path.under(&context.base), found)),
            None => Ok(()),
        }
    })
}

struct Driver<'d, 'c> {
    context: &'d Context<'c>,
    pool: &'d Pool,
    folders: Folders,
    linked: Linked,
    /// Wanted paths that were not met yet.
    missing: Vec<TreePath>,
}

impl Driver<'_, '_> {
    fn notices(&mut self, merge: &mut Merge<'_, '_>) {
        for notice in merge.notices() {
            match notice {
                // What it cost is told path by path; a later set may have saved all of it anew.
                Notice::Gap(why) => self.context.progress.event(Event::Notice(&why)),
                Notice::Doubt(doubt) => {
                    self.folders.spare_extra();
                    let cause = format!(
                        "what is between {} and {} may be missing or of an older state: {}",
                        doubt.from, doubt.to, doubt.why
                    );
                    self.context
                        .counters
                        .failed(&doubt.from.under(&self.context.base), "restore", &cause);
                }
                Notice::Dropped(path, why) => {
                    self.context
                        .counters
                        .failed(&path.under(&self.context.base), "restore", &why);
                }
            }
        }
    }

    fn path(&mut self, merge: &mut Merge<'_, '_>, merged: Merged) -> Result<()> {
        let context = self.context;
        let path = merged.path.under(&context.base);
        let wanted = context.wanted.holds(&merged.path);
        if wanted {
            self.missing.retain(|missing| !merged.path.is_within(missing));
        }
        // The target's own root is not part of a restore.
        if path == Path::new("/") {
            return Ok(());
        }
        self.folders.go_to(context, &path);
        if let Some(why) = merged.doubt.as_ref().filter(|_| wanted) {
            let cause = format!("it may be of an older state: {why}");
            context.counters.failed(&path, "restore", &cause);
        }
        let extras = Extras::read(&merged.header.private);
        match merged.header.kind {
            EntryKind::Dir => {
                let metadata = metadata(&merged.header, &extras, None);
                self.folders.enter(context, path, metadata, wanted);
            }
            _ if !wanted => {}
            EntryKind::Socket => {}
            kind => {
                if let Some(existing) = self.first_name(&merged, &extras, &path) {
                    self.folders.link(Link {
                        existing,
                        new: path,
                        kind,
                    });
                } else if kind == EntryKind::File {
                    file::restore(context, self.pool, merge, &merged, path, &extras)?;
                } else {
                    other(context, &merged, &extras, &path);
                }
            }
        }
        self.folders.settle_if_many(context, self.pool);
        Ok(())
    }

    /// Where the first name of the same file was put, if this is not it.
    fn first_name(&mut self, merged: &Merged, extras: &Extras, path: &Path) -> Option<PathBuf> {
        if matches!(merged.state, State::Lost(_)) {
            return None;
        }
        self.linked.first_name(path, &metadata(&merged.header, extras, None))
    }
}

/// Links, devices and pipes are made at once.
fn other(context: &Context<'_>, merged: &Merged, extras: &Extras, path: &Path) {
    let metadata = metadata(&merged.header, extras, None);
    let there = match context.target.stat(path) {
        Ok(there) => there,
        Err(error) => return context.counters.failed(path, "look at", &error),
    };
    if let Some(there) = &there {
        let newer = context.overwrite == Overwrite::IfNewer && there.mtime >= metadata.mtime;
        if newer || context.overwrite == Overwrite::Never {
            return;
        }
    }
    if !context.dry_run {
        let target = &context.target;
        let made = match metadata.kind {
            EntryKind::Symlink => target.symlink(path, metadata.link_target.as_deref().unwrap_or(Path::new(""))),
            EntryKind::Fifo => target.fifo(path),
            _ => target.device(path, &metadata),
        };
        if let Err(error) = made {
            return context.counters.failed(path, "create", &error);
        }
        context.counters.problems(target.set_metadata(path, &metadata));
    }
    let change = if there.is_some() { Change::Changed } else { Change::New };
    context.counters.finished(path, metadata.kind, change, 0);
}

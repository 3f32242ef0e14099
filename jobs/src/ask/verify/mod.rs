//! A snapshot compared with what is there now.

mod content;
mod difference;
mod extra;
mod metadata;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use engine_api::{DiffKind, Entry, EntryKind, Event, Phase, Problem, Progress, Snapshot};
use fstree::{Names, Target, TargetOptions};

use crate::context::Context;
use crate::error::Error;
use crate::lists;
use crate::open::Repository;
use crate::site::Which;
use content::Told;
use extra::Extra;
use metadata::Rules;

pub use difference::{Difference, Verified};

/// What to compare.
#[derive(Debug, Clone)]
pub struct Verify {
    /// Absolute paths in the snapshot, each with all below it; empty means everything.
    pub paths: Vec<PathBuf>,
    /// The folder under which they are now; `/` is where they came from.
    pub target: PathBuf,
    /// Read and compare the content of files too.
    pub read_data: bool,
}

/// Compares, and hands every difference to `each` until it breaks.
///
/// # Errors
/// When a path is not in the snapshot, or that cannot be read, or there is no such target.
pub fn ask(
    context: &Context,
    repository: &Repository,
    snapshot: &Snapshot,
    verify: &Verify,
    progress: &dyn Progress,
    each: &mut (dyn FnMut(&Difference) -> ControlFlow<()> + Send),
) -> engine_api::Result<Verified> {
    progress.event(Event::Phase {
        phase: Phase::Verifying,
        total: None,
    });
    let options = TargetOptions {
        create: false,
        ..TargetOptions::default()
    };
    let live = Target::open(&verify.target, options)?;
    let mut pass = Pass {
        rules: Rules::of(repository.site.engine, snapshot),
        names: Names::new(),
        extra: Extra::new(excludes(context, repository)?, whole(snapshot, &verify.paths)),
        live,
        progress,
        told: Told::default(),
        verified: Verified::default(),
        each,
    };
    let starts: Vec<Option<&Path>> = match verify.paths.as_slice() {
        [] => vec![None],
        paths => paths.iter().map(|path| Some(path.as_path())).collect(),
    };
    for start in starts {
        let mut flow = ControlFlow::Continue(());
        repository.engine().entries(&snapshot.id, start, &mut |entry| {
            flow = pass.entry(&entry);
            flow
        })?;
        if flow.is_break() || pass.leave(Path::new("")).is_break() {
            return stopped(progress, pass.verified);
        }
    }
    if verify.read_data {
        pass.content(repository, snapshot, verify)?;
    }
    stopped(progress, pass.verified)
}

fn stopped(progress: &dyn Progress, verified: Verified) -> engine_api::Result<Verified> {
    if progress.cancelled() {
        return Err(Error::Stopped.into());
    }
    Ok(verified)
}

/// The folders that were saved with all that was in them.
fn whole(snapshot: &Snapshot, paths: &[PathBuf]) -> Vec<PathBuf> {
    let saved = &snapshot.paths;
    let inside = |path: &&PathBuf| saved.iter().any(|saved| path.starts_with(saved));
    let mut whole: Vec<PathBuf> = paths.iter().filter(inside).cloned().collect();
    if whole.is_empty() {
        whole.clone_from(saved);
    }
    whole
}

/// What the job leaves out is not missed.
fn excludes(context: &Context, repository: &Repository) -> Result<Vec<Vec<u8>>, Error> {
    match repository.site.which() {
        Which::Job(name) => Ok(lists::of_job(context, name, repository.site.folder())
            .map(|selection| selection.excludes)
            // A machine that is restored may have no lists yet.
            .unwrap_or_default()),
        Which::Folder(_) => Ok(Vec::new()),
    }
}

/// The walk through the snapshot.
struct Pass<'p> {
    rules: Rules,
    names: Names,
    extra: Extra,
    live: Target,
    progress: &'p dyn Progress,
    told: Told,
    verified: Verified,
    each: &'p mut (dyn FnMut(&Difference) -> ControlFlow<()> + Send),
}

impl Pass<'_> {
    fn entry(&mut self, entry: &Entry) -> ControlFlow<()> {
        if self.progress.cancelled() {
            return ControlFlow::Break(());
        }
        self.extra(&entry.path)?;
        // Sockets are listed and never restored.
        if entry.metadata.kind == EntryKind::Socket {
            return ControlFlow::Continue(());
        }
        self.verified.compared += 1;
        let saved = &entry.metadata;
        let difference = |sort, properties, size_after| Difference {
            sort,
            path: entry.path.clone(),
            kind: saved.kind,
            properties,
            size_before: Some(saved.size),
            size_after,
        };
        let now = match self.live.metadata(&entry.path) {
            Ok((now, _)) => now,
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
                ) =>
            {
                return self.tell(&difference(DiffKind::Removed, Vec::new(), None));
            }
            Err(error) => {
                self.told.note(&entry.path);
                self.problem(Problem {
                    path: entry.path.clone(),
                    action: "look at",
                    cause: error.to_string(),
                });
                return ControlFlow::Continue(());
            }
        };
        if now.kind != saved.kind {
            return self.tell(&difference(DiffKind::Type, Vec::new(), Some(now.size)));
        }
        let differs = self.rules.compare(saved, &now, &self.names);
        if saved.kind == EntryKind::Dir {
            self.extra.enter(&self.live, &entry.path);
        }
        if differs.is_empty() {
            return ControlFlow::Continue(());
        }
        let sort = if differs.iter().any(|what| metadata::is_content(what)) {
            DiffKind::Content
        } else {
            DiffKind::Metadata
        };
        self.tell(&difference(sort, differs, Some(now.size)))
    }

    /// Tells what is there and comes before `path`.
    fn extra(&mut self, path: &Path) -> ControlFlow<()> {
        while let Some(path) = self.extra.before(path) {
            self.added(path)?;
        }
        ControlFlow::Continue(())
    }

    fn leave(&mut self, path: &Path) -> ControlFlow<()> {
        self.extra(path)
    }

    fn added(&mut self, path: PathBuf) -> ControlFlow<()> {
        let Ok(Some(stat)) = self.live.stat(&path) else {
            return ControlFlow::Continue(());
        };
        let is_folder = stat.kind == EntryKind::Dir;
        if stat.kind == EntryKind::Socket || self.extra.is_left_out(&path, is_folder) {
            return ControlFlow::Continue(());
        }
        self.tell(&Difference {
            sort: DiffKind::Added,
            path,
            kind: stat.kind,
            properties: Vec::new(),
            size_before: None,
            size_after: Some(stat.size),
        })
    }

    fn tell(&mut self, difference: &Difference) -> ControlFlow<()> {
        if matches!(difference.sort, DiffKind::Removed | DiffKind::Type | DiffKind::Content) {
            self.told.note(&difference.path);
        }
        self.verified.count(difference.sort);
        (self.each)(difference)
    }

    fn problem(&mut self, problem: Problem) {
        self.progress.event(Event::Problem(&problem));
        self.verified.problems.push(problem);
    }
}

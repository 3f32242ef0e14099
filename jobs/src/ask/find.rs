//! Names looked for in the snapshots of many repositories.

use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;

use engine_api::{Engine, EntryKind, FindRequest, Found, Progress, SnapshotFilter, SnapshotId};
use fstree::pattern::Matcher;

use super::{Sources, Unanswered};
use crate::context::Context;

/// What to look for, and how much of it to hand over.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// Patterns in `fstree`'s language.
    pub patterns: Vec<Vec<u8>>,
    /// Whether case is ignored.
    pub ignore_case: bool,
    /// Only in the snapshot of each repository that this text names (see [`crate::when`]).
    pub snapshot: Option<String>,
    /// So many hits are passed over first.
    pub skip: u64,
    /// So many are handed over at the most; all when `None`.
    pub limit: Option<u64>,
}

/// How a search ended.
#[derive(Debug, Default)]
pub struct Searched {
    /// Hits that were handed over.
    pub found: u64,
    /// Whether there is at least one more.
    pub more: bool,
    /// The repositories that gave no answer.
    pub unanswered: Vec<Unanswered>,
}

/// Hands every hit to `each` as it is found, with the name of its repository, until it breaks. The filter of a repository
/// is what `filter` makes of its usual one.
///
/// # Errors
/// When a pattern is wrong, or the only repository does not answer.
pub fn ask(
    context: &Context,
    sources: Sources,
    search: &Search,
    filter: &dyn Fn(&SnapshotFilter) -> SnapshotFilter,
    progress: &dyn Progress,
    each: &mut dyn FnMut(&str, &Found) -> ControlFlow<()>,
) -> engine_api::Result<Searched> {
    let matcher = compile(search)?;
    let mut searched = Searched::default();
    let mut seen = 0;
    let unanswered = sources.ask(context, progress, &mut |source, repository, usual| {
        let mut broken = false;
        let mut hit = |found: Found| {
            seen += 1;
            if seen <= search.skip {
                return ControlFlow::Continue(());
            }
            if search.limit.is_some_and(|limit| searched.found >= limit) {
                searched.more = true;
                broken = true;
                return ControlFlow::Break(());
            }
            searched.found += 1;
            let flow = each(&source.name, &found);
            broken |= flow.is_break();
            flow
        };
        let filter = filter(usual);
        match &search.snapshot {
            None => {
                let request = FindRequest {
                    filter,
                    patterns: search.patterns.clone(),
                    ignore_case: search.ignore_case,
                };
                repository.engine().find(&request, &mut hit)?;
            }
            Some(when) => {
                let snapshot = repository.snapshot(context, &filter, Some(when), progress)?;
                in_one(repository.engine(), &snapshot.id, &matcher, &mut hit)?;
            }
        }
        Ok(if broken {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    })?;
    searched.unanswered = unanswered;
    Ok(searched)
}

/// A pattern that is wrong is so for every repository, and is said once.
fn compile(search: &Search) -> Result<Matcher, fstree::Error> {
    if search.ignore_case {
        Matcher::compile_ignoring_case(&search.patterns)
    } else {
        Matcher::compile(&search.patterns)
    }
}

fn in_one(
    engine: &dyn Engine,
    snapshot: &SnapshotId,
    matcher: &Matcher,
    hit: &mut dyn FnMut(Found) -> ControlFlow<()>,
) -> engine_api::Result<()> {
    engine.entries(snapshot, None, &mut |entry| {
        let is_folder = entry.metadata.kind == EntryKind::Dir;
        if !matcher.matches(entry.path.as_os_str().as_bytes(), is_folder) {
            return ControlFlow::Continue(());
        }
        hit(Found {
            snapshot: snapshot.clone(),
            entry,
        })
    })
}

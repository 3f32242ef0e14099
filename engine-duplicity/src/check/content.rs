//! What is in the volumes, read to the last byte.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use engine_api::{EntryKind, Progress};
use sha2::{Digest, Sha256};

use super::findings::Findings;
use crate::DuplicityEngine;
use crate::chain::{Chain, Collection, Set};
use crate::error::Result;
use crate::format::{Extras, SetId, TreePath};
use crate::manifests::Signatures;
use crate::merge::{Content, Merge, State};
use crate::source::{Feed, Item, ItemKind, Notice, Piece, SetPlan, Source, Wanted};

/// Paths that are named of each set at the most.
const NAMED: usize = 20;

/// Reads every set beside its signature file and every chain merged. Gives the paths that the latest chain has lost.
pub(super) fn read(
    engine: &DuplicityEngine,
    collection: &Collection,
    plans: &[SetPlan],
    findings: &Findings,
    progress: &dyn Progress,
) -> Result<BTreeSet<TreePath>> {
    let plans: BTreeMap<SetId, &SetPlan> = plans.iter().map(|plan| (plan.set, plan)).collect();
    let mut lost = BTreeSet::new();
    for chain in &collection.chains {
        let is_latest = collection
            .latest()
            .is_some_and(|latest| latest.start() == chain.start());
        let signatures = Signatures::of(engine, chain.sets.clone());
        let source = Source::of(engine, progress, &signatures);
        let mut hurt = BTreeSet::new();
        for set in &chain.sets {
            if let Some(plan) = plans.get(&set.id) {
                one_set(source, set, plan, findings, &mut hurt)?;
            }
        }
        // Of a chain with a gap nothing can be merged beyond it.
        let whole: Vec<SetPlan> = chain
            .sets
            .iter()
            .map_while(|set| plans.get(&set.id).map(|plan| (*plan).clone()))
            .collect();
        merged(source, chain, whole, findings, &mut hurt)?;
        if is_latest {
            lost = hurt;
        }
    }
    Ok(lost)
}

/// What a set's volumes say beside what its signature file says.
pub(super) fn one_set(
    source: Source<'_>,
    set: &Set,
    plan: &SetPlan,
    findings: &Findings,
    hurt: &mut BTreeSet<TreePath>,
) -> Result<()> {
    let wanted = Wanted::default();
    let mut different = Vec::new();
    std::thread::scope(|scope| {
        let mut feeds = Feed::open_all(source, scope, vec![plan.clone()], &wanted);
        let Some(feed) = feeds.first_mut() else { return Ok(()) };
        let mut failure = None;
        let compared = source.lost.items(set.id, &mut |signed| match beside(feed, &signed) {
            Ok(Beside::Good { whole }) => {
                if whole {
                    // Saved whole by a later set: what an earlier one lost of it is over.
                    hurt.remove(&signed.path);
                }
                ControlFlow::Continue(())
            }
            Ok(Beside::Bad(why)) => {
                different.push((signed.path, why));
                ControlFlow::Continue(())
            }
            Err(error) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
        });
        if let Some(error) = failure {
            return Err(error);
        }
        match compared {
            // That the signature file is damaged or missing was told already.
            Err(error) if !error.is_loss() => return Err(error),
            _ => {}
        }
        while feed.head()?.is_some() {
            feed.take();
        }
        for notice in feed.notices() {
            match notice {
                Notice::Gap(why) => findings.error(set.id.to_string(), &format!("a volume is lost: {why}")),
                Notice::Dropped(path, why) => findings.error(set.id.to_string(), &format!("`{path}`: {why}")),
                Notice::Doubt(_) => {}
            }
        }
        Ok(())
    })?;
    tell(set, &different, findings);
    hurt.extend(different.into_iter().map(|(path, _)| path));
    Ok(())
}

/// How a path in the volumes compares with the signatures.
enum Beside {
    /// It is what it should be; `whole` when no earlier set is needed for it.
    Good { whole: bool },
    /// What is wrong.
    Bad(&'static str),
}

/// Goes to the signed path in the volumes and says what is there.
fn beside(feed: &mut Feed<'_, '_>, signed: &Item) -> Result<Beside> {
    while feed.head()?.is_some_and(|head| head.path < signed.path) {
        feed.take();
    }
    let Some(head) = feed.head()?.filter(|head| head.path == signed.path) else {
        return Ok(Beside::Bad("it is in the signatures and not in the volumes"));
    };
    let gone = |item: &Item| item.kind == ItemKind::Deleted;
    let found = if head.kind == ItemKind::Lost {
        Beside::Bad("its data lay in a volume that is lost")
    } else if gone(head) != gone(signed) || (!gone(signed) && head.header.kind != signed.header.kind) {
        Beside::Bad("the volumes have something else there than the signatures")
    } else if !gone(signed) && differs(head, signed) {
        Beside::Bad("the volumes have an older or newer state of it than the signatures")
    } else {
        Beside::Good {
            whole: head.kind != ItemKind::Diff,
        }
    };
    feed.take();
    Ok(found)
}

fn differs(stored: &Item, signed: &Item) -> bool {
    let of = |item: &Item| (item.header.mode, item.header.mtime.seconds);
    // A link's time is of no use to anybody.
    stored.header.kind != EntryKind::Symlink && of(stored) != of(signed)
}

fn tell(set: &Set, different: &[(TreePath, &'static str)], findings: &Findings) {
    for (path, why) in different.iter().take(NAMED) {
        let message = format!("`{path}`: {why}; the next backup saves it anew if it is still there");
        findings.error(set.id.to_string(), &message);
    }
    if different.len() > NAMED {
        let message = format!("and {} further paths in the same way", different.len() - NAMED);
        findings.error(set.id.to_string(), &message);
    }
}

/// Puts every file of the chain's last state together.
fn merged(
    source: Source<'_>,
    chain: &Chain,
    plans: Vec<SetPlan>,
    findings: &Findings,
    hurt: &mut BTreeSet<TreePath>,
) -> Result<()> {
    let object = chain.end().map(|end| format!("the state of {end}")).unwrap_or_default();
    let wanted = Wanted::default();
    let mut named = 0;
    std::thread::scope(|scope| {
        let mut merge = Merge::open(source, scope, plans, &wanted);
        while let Some(merged) = merge.next()? {
            let why = match &merged.state {
                State::Bare | State::Gone => None,
                State::Lost(why) => Some(why.clone()),
                State::Whole(_) | State::Patched(_) => {
                    let expected = Extras::read(&merged.header.private).sha256;
                    drain(merge.content(&merged)?, expected)?
                }
            };
            if let Some(why) = why {
                named += 1;
                if named <= NAMED {
                    findings.error(object.clone(), &format!("`{}` cannot be restored: {why}", merged.path));
                }
                hurt.insert(merged.path);
            }
        }
        if named > NAMED {
            findings.error(object.clone(), &format!("and {} further files cannot", named - NAMED));
        }
        Ok(())
    })
}

/// Reads a file's content to its end and says what is wrong with it.
fn drain(mut content: Content<'_, '_, '_>, expected: Option<[u8; 32]>) -> Result<Option<String>> {
    let mut hasher = matches!(content, Content::Patched(_)).then(Sha256::new);
    loop {
        match content.piece()? {
            Piece::Data(data) => {
                if let Some(hasher) = &mut hasher {
                    hasher.update(&data);
                }
            }
            Piece::Broken(why) => return Ok(Some(why)),
            Piece::End => break,
        }
    }
    let tail = content.tail().and_then(|tail| Extras::read(tail).sha256);
    let wrong = match (hasher, tail.or(expected)) {
        (Some(hasher), Some(expected)) => hasher.finalize().as_slice() != expected,
        _ => false,
    };
    Ok(wrong.then(|| "what its deltas make is not what was saved".to_owned()))
}

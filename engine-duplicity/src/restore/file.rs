//! A file's content on its way to the target.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use engine_api::{Change, EntryKind, Metadata, Timestamp};
use sha2::{Digest, Sha256};

use super::Context;
use super::existing::{Decision, decide};
use super::pool::{Job, Open, Pool};
use crate::error::Result;
use crate::format::Extras;
use crate::merge::{Content, Merge, Merged, State};
use crate::meta::metadata;
use crate::source::Piece;

/// Brings the file that the merge has come to.
pub(super) fn restore(
    context: &Context<'_>,
    pool: &Pool,
    merge: &mut Merge<'_, '_>,
    merged: &Merged,
    path: PathBuf,
    extras: &Extras,
) -> Result<()> {
    let metadata = metadata(&merged.header, extras, None);
    if let State::Lost(why) = &merged.state {
        context.counters.failed(&path, "restore", why);
        return Ok(());
    }
    let known = extras.size;
    let decision = match decide(context, &path, metadata.mtime, known) {
        Ok(decision) => decision,
        Err(error) => {
            context.counters.failed(&path, "look at", &error);
            return Ok(());
        }
    };
    let size = known.unwrap_or(0);
    match decision {
        Decision::Leave | Decision::Right => {
            context.counters.bytes(0, size);
            context
                .counters
                .finished(&path, EntryKind::File, Change::Unchanged, size);
            if decision == Decision::Right && !context.dry_run {
                pool.send(Job::Right(path, Box::new(metadata)));
            }
            Ok(())
        }
        Decision::Create | Decision::Replace | Decision::Update if context.dry_run => {
            context.counters.bytes(size, 0);
            context.counters.finished(&path, EntryKind::File, Change::Changed, size);
            Ok(())
        }
        Decision::Create | Decision::Replace | Decision::Update => {
            let content = merge.content(merged)?;
            let writing = Writing {
                context,
                pool,
                path,
                metadata,
                expected: extras.sha256,
                hasher: None,
            };
            writing.run(content, decision)
        }
    }
}

struct Writing<'w, 'c> {
    context: &'w Context<'c>,
    pool: &'w Pool,
    path: PathBuf,
    metadata: Metadata,
    expected: Option<[u8; 32]>,
    /// Only what deltas make is hashed: everything else was hashed with its volume.
    hasher: Option<Sha256>,
}

impl Writing<'_, '_> {
    fn run(mut self, mut content: Content<'_, '_, '_>, decision: Decision) -> Result<()> {
        if matches!(content, Content::Patched(_)) {
            self.hasher = Some(Sha256::new());
        }
        let first = match content.piece()? {
            Piece::Data(first) => first,
            Piece::End => Vec::new(),
            Piece::Broken(why) => {
                self.context.counters.failed(&self.path, "restore", &why);
                return Ok(());
            }
        };
        self.hash(&first);
        let second = if first.is_empty() { Piece::End } else { content.piece()? };
        match second {
            Piece::End if decision != Decision::Update => {
                self.check(&content);
                self.metadata.size = first.len() as u64;
                if decision == Decision::Replace && self.is_there() {
                    self.context.counters.bytes(0, self.metadata.size);
                    let (context, size) = (self.context, self.metadata.size);
                    context
                        .counters
                        .finished(&self.path, EntryKind::File, Change::Unchanged, size);
                    self.pool.send(Job::Right(self.path, Box::new(self.metadata)));
                } else {
                    self.pool.send(Job::Whole(self.path, Box::new(self.metadata), first));
                }
                Ok(())
            }
            second => self.pieces(content, first, second, decision == Decision::Update),
        }
    }

    fn pieces(mut self, mut content: Content<'_, '_, '_>, first: Vec<u8>, second: Piece, update: bool) -> Result<()> {
        let context = self.context;
        let size = content.size().unwrap_or(self.metadata.size);
        let made = if update {
            context.target.update_file(&self.path, size)
        } else {
            context.target.create_file(&self.path, size)
        };
        let file = match made {
            Ok(file) => file,
            Err(error) => {
                context.counters.failed(&self.path, "create", &error);
                return Ok(());
            }
        };
        let open = Arc::new(Open {
            path: self.path.clone(),
            file,
            end: OnceLock::new(),
            incomplete: AtomicBool::new(false),
        });
        let mut at = first.len() as u64;
        self.pool.send(Job::Piece(Arc::clone(&open), 0, first));
        let mut next = second;
        loop {
            match next {
                Piece::Data(data) => {
                    context.go_on()?;
                    self.hash(&data);
                    let begin = at;
                    at += data.len() as u64;
                    self.pool.send(Job::Piece(Arc::clone(&open), begin, data));
                }
                Piece::End => {
                    self.check(&content);
                    break;
                }
                Piece::Broken(why) => {
                    let cause = format!("only {at} bytes are left: {why}");
                    context.counters.failed(&self.path, "restore all of", &cause);
                    self.metadata.mtime = Timestamp::now();
                    break;
                }
            }
            next = content.piece()?;
        }
        self.metadata.size = at;
        // It is set once.
        let _ = open.end.set(self.metadata);
        Open::let_go(context, open);
        Ok(())
    }

    /// Whether what is at the target looks right, now that the length is known.
    fn is_there(&self) -> bool {
        let decision = decide(self.context, &self.path, self.metadata.mtime, Some(self.metadata.size));
        decision.is_ok_and(|decision| decision == Decision::Right)
    }

    fn hash(&mut self, data: &[u8]) {
        if let Some(hasher) = &mut self.hasher {
            hasher.update(data);
        }
    }

    /// What the deltas made must be what was saved, where that was noted.
    fn check(&mut self, content: &Content<'_, '_, '_>) {
        let tail = content.tail().and_then(|tail| Extras::read(tail).sha256);
        let (Some(hasher), Some(expected)) = (self.hasher.take(), tail.or(self.expected)) else {
            return;
        };
        if hasher.finalize().as_slice() != expected {
            let cause = "its content is not what was saved: a delta or what it belongs to is not the right one";
            self.context.counters.failed(&self.path, "restore", &cause);
            self.metadata.mtime = Timestamp::now();
        }
    }
}

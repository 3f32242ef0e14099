//! The chain's state, path by path, on its way into the new set: what the volumes bring and what the signature files say,
//! side by side.

use crossbeam_channel::{Sender, bounded};
use engine_api::{Change, EntryKind, Event};
use rdiff::{Signature, SignatureBuilder};
use sha2::{Digest, Sha256};

use super::super::Context;
use super::super::entry::Entry;
use super::super::message::{Pending, Piece};
use crate::error::{Error, Result};
use crate::format::{Extras, TreePath};
use crate::merge::{self, Content, Merge, Merged};
use crate::sigtar::{Old, State};
use crate::source::{self, Notice, SetPlan, Source, Wanted};
use crate::tar::Header;

/// Room that an entry takes in memory beside its content.
const OVERHEAD: u64 = 4 << 10;
/// Content beyond this does not wait in memory.
const MOST_WAITING: u64 = 1 << 20;
/// Pieces of one file that wait to be used.
const PIECES: usize = 4;

/// Follows both to their ends.
pub(super) struct Stream<'a, 'c> {
    context: &'a Context<'c>,
    signed: State<'static>,
    pending: Sender<Pending>,
    /// What was said of the first volume that is lost.
    gap: Option<String>,
}

impl<'a, 'c> Stream<'a, 'c> {
    pub(super) const fn new(context: &'a Context<'c>, signed: State<'static>, pending: Sender<Pending>) -> Self {
        Self {
            context,
            signed,
            pending,
            gap: None,
        }
    }

    /// Hands everything over, or fails at the first path that the chain does not hold whole.
    pub(super) fn run(mut self, source: Source<'_>, volumes: Vec<SetPlan>) -> Result<()> {
        let wanted = Wanted::default();
        std::thread::scope(|scope| {
            let mut merge = Merge::open(source, scope, volumes, &wanted);
            loop {
                let merged = merge.next()?;
                source.go_on()?;
                self.context.failed()?;
                self.notices(merge.notices())?;
                let Some(merged) = merged else { break };
                let old = self.signed(&merged)?;
                self.path(&mut merge, merged, &old)?;
            }
            match self.signed.next()? {
                Some(old) => Err(self.damaged(&old.path, "the signatures have it and the volumes have not")),
                None => Ok(()),
            }
        })
    }

    fn notices(&mut self, notices: Vec<Notice>) -> Result<()> {
        for notice in notices {
            match notice {
                // A later set may have saved anew all that it held.
                Notice::Gap(why) => {
                    self.context.progress.event(Event::Notice(&why));
                    self.gap.get_or_insert(why);
                }
                Notice::Doubt(doubt) => return Err(self.damaged(&doubt.from, &doubt.why)),
                Notice::Dropped(path, why) => return Err(self.damaged(&path, why)),
            }
        }
        Ok(())
    }

    fn damaged(&self, path: &TreePath, why: &str) -> Error {
        let path = path.under(self.context.base).display().to_string();
        match self.gap.as_ref().filter(|gap| *gap != why) {
            Some(gap) => Error::damaged(path, format!("{why} ({gap})")),
            None => Error::damaged(path, why),
        }
    }

    /// What the signature files say of the path, which must be the same as what the volumes do.
    fn signed(&mut self, merged: &Merged) -> Result<Old> {
        let path = &merged.path;
        match self.signed.next()? {
            Some(old) if old.path < *path => {
                Err(self.damaged(&old.path, "the signatures have it and the volumes have not"))
            }
            Some(old) if old.path == *path => match &merged.state {
                merge::State::Lost(why) => Err(self.damaged(path, why)),
                _ if merged.doubt.is_some() => Err(self.damaged(path, merged.doubt.as_deref().unwrap_or_default())),
                _ if differs(&merged.header, &old.header) => {
                    Err(self.damaged(path, "the volumes have another state of it than the signatures"))
                }
                _ => Ok(old),
            },
            _ => Err(self.damaged(path, "the volumes have it and the signatures have not")),
        }
    }

    fn path(&mut self, merge: &mut Merge<'_, '_>, merged: Merged, old: &Old) -> Result<()> {
        let (kind, is_done) = (old.header.kind, self.context.is_done(&old.path));
        let entry = self.entry(&old.header);
        if kind == EntryKind::File && !is_done {
            return self.file(merge, merged, old, entry);
        }
        let absolute = old.path.under(self.context.base);
        let size = Extras::read(&old.header.private).size.unwrap_or(0);
        let counters = &self.context.counters;
        counters.finished(&absolute, kind, Change::Unchanged, size);
        if is_done {
            return Ok(());
        }
        self.send(Pending::Bare {
            path: merged.path,
            entry: Box::new(entry),
        })
    }

    /// The entry as it was; what duplicity does not know is in the signature files, too.
    fn entry(&self, header: &Header) -> Entry {
        let mut header = header.clone();
        let extras = Extras::read(&header.private);
        header.name.clear();
        header.private.clear();
        (header.size, header.mtime.nanos) = (0, 0);
        Entry {
            header,
            extras: if self.context.settings.extras {
                extras
            } else {
                Extras::default()
            },
        }
    }

    fn send(&self, pending: Pending) -> Result<()> {
        self.context.hand(&self.pending, pending)
    }

    fn file(&mut self, merge: &mut Merge<'_, '_>, merged: Merged, old: &Old, mut entry: Entry) -> Result<()> {
        let absolute = old.path.under(self.context.base);
        self.context.progress.event(Event::Started(&absolute));
        let signature = self.signed.signature(old, u64::MAX)?;
        let mut proof = match Proof::of(signature, old, &merged) {
            Ok(proof) => proof,
            Err(why) => return Err(self.damaged(&old.path, &why)),
        };
        let given_up = || self.context.has_failed();
        let room = proof.most_len().min(MOST_WAITING) + OVERHEAD;
        let permit = self.context.budget.take(room, &given_up);
        let (pieces, receiver) = bounded(PIECES);
        self.send(Pending::File {
            path: merged.path.clone(),
            change: Change::Unchanged,
            pieces: receiver,
            permit,
        })?;
        let send = |piece| self.context.hand(&pieces, piece);
        send(Piece::Begin {
            entry: Box::new(entry.clone()),
            diff: false,
        })?;
        let mut content = merge.content(&merged)?;
        while let Some(data) = self.piece(&mut content, &old.path)? {
            proof.push(&data);
            send(Piece::Data(data))?;
        }
        let tail = content.tail().map(Extras::read).unwrap_or_default();
        match proof.end(&tail) {
            Ok(proved) => {
                if self.context.settings.extras {
                    (entry.extras.size, entry.extras.sha256) = (Some(proved.size), Some(proved.sha256));
                }
                send(Piece::End {
                    entry: Box::new(entry),
                    signature: proved.signature,
                })
            }
            Err(why) => Err(self.damaged(&old.path, why)),
        }
    }

    /// The next piece of a file's content; `None` at its end.
    fn piece(&self, content: &mut Content<'_, '_, '_>, path: &TreePath) -> Result<Option<Vec<u8>>> {
        if self.context.progress.cancelled() {
            return Err(Error::Interrupted);
        }
        match content.piece()? {
            source::Piece::Data(data) => {
                self.context.progress.event(Event::Bytes(data.len() as u64));
                Ok(Some(data))
            }
            source::Piece::Broken(why) => Err(self.damaged(path, &why)),
            source::Piece::End => Ok(None),
        }
    }
}

/// Whether the volumes and the signatures tell of two states of a path.
fn differs(stored: &Header, signed: &Header) -> bool {
    let of = |header: &Header| (header.kind, header.mode, header.uid, header.gid, header.device);
    // A link's time is of no use to anybody.
    let same_time = stored.kind == EntryKind::Symlink || stored.mtime.seconds == signed.mtime.seconds;
    of(stored) != of(signed) || stored.link != signed.link || !same_time
}

/// What a file's content must be, and what it is up to now.
struct Proof {
    signature: Signature,
    built: SignatureBuilder,
    hash: Sha256,
    size: u64,
    /// What the signature files, and the beginning of what is stored, say of the whole.
    said: [Extras; 2],
}

/// What is known of content that was read to its end.
struct Proved {
    signature: Vec<u8>,
    size: u64,
    sha256: [u8; 32],
}

impl Proof {
    fn of(signature: Vec<u8>, old: &Old, merged: &Merged) -> Result<Self, String> {
        let signature = Signature::parse(signature).map_err(|error| format!("its signature is broken: {error}"))?;
        Ok(Self {
            built: SignatureBuilder::new(signature.layout()),
            signature,
            hash: Sha256::new(),
            size: 0,
            said: [&old.header, &merged.header].map(|header| Extras::read(&header.private)),
        })
    }

    /// How long the content may be, by its signature.
    fn most_len(&self) -> u64 {
        self.signature.blocks() as u64 * u64::from(self.signature.layout().block_len())
    }

    fn push(&mut self, data: &[u8]) {
        self.built.push(data);
        self.hash.update(data);
        self.size += data.len() as u64;
    }

    /// Compares it with all that was said of it; `tail` stands at the end of what is stored.
    fn end(self, tail: &Extras) -> Result<Proved, &'static str> {
        let sha256: [u8; 32] = self.hash.finalize().into();
        for said in self.said.iter().chain([tail]) {
            let size = said.size.is_none_or(|size| size == self.size);
            if !size || said.sha256.is_some_and(|digest| digest != sha256) {
                return Err("what the volumes bring is not what was saved");
            }
        }
        let signature = self.built.finish();
        if signature != self.signature.as_bytes() {
            return Err("what the volumes bring is not what was signed");
        }
        Ok(Proved {
            signature,
            size: self.size,
            sha256,
        })
    }
}

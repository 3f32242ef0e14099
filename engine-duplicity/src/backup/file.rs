//! Reading one file: its content or its delta, its signature and its hash, in one pass.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use crossbeam_channel::Sender;
use engine_api::{Event, Problem};
use fstree::Found;
use rdiff::{DeltaBuilder, Index, Kind, Layout, Signature, SignatureBuilder};

use super::Context;
use super::entry::Entry;
use super::hashing::Hashing;
use super::message::Piece;
use crate::error::{Error, Result};
use crate::format::extras::Extras;
use crate::tar::Header;

/// Bytes that are read at once.
const PIECE: usize = 256 << 10;
/// Content up to here is sent on when it is known to be whole.
const HELD_CONTENT: usize = PIECE;
/// The same for deltas, which are worth more: as long as nothing is sent on, the old state can be kept.
const HELD_DELTA: usize = 8 << 20;

/// A file to read.
pub struct FileTask {
    pub found: Found,
    pub before: Option<Before>,
    pub pieces: Sender<Piece>,
}

/// The file as it was.
pub struct Before {
    pub header: Header,
    pub extras: Extras,
    /// What the delta is made to; the whole content is saved when it is `None`.
    pub signature: Option<Signature>,
    /// Whether nothing is saved when the content proves to be the same.
    pub only_if_changed: bool,
}

/// Reads the file and sends what comes of it.
///
/// # Errors
/// When nobody listens any more, or the user wants to stop. A file that cannot be read is a problem.
pub fn read(task: FileTask, context: &Context<'_>) -> Result<()> {
    let pieces = task.pieces.clone();
    match Reading::begin(task, context) {
        Ok(reading) => reading.run(),
        Err(problem) => {
            context.counters.problem(problem);
            context.hand(&pieces, Piece::Nothing(None))
        }
    }
}

struct Reading<'a, 'c> {
    context: &'a Context<'c>,
    found: Found,
    file: File,
    entry: Box<Entry>,
    size: u64,
    layout: Layout,
    before: Option<Before>,
    out: Out<'a, 'c>,
}

impl<'a, 'c> Reading<'a, 'c> {
    fn begin(task: FileTask, context: &'a Context<'c>) -> Result<Self, Problem> {
        let (file, stat) = task.found.open()?;
        let (metadata, problems) = task.found.metadata_of(&file, &stat, &context.names);
        problems
            .into_iter()
            .for_each(|problem| context.counters.problem(problem));
        let settings = context.settings;
        let block_len = settings.blocks.block_len(stat.size);
        let layout = if settings.blake2_signatures {
            Layout::new(Kind::RollsumBlake2, block_len, 32)
        } else {
            Layout::duplicity(block_len)
        };
        let layout = layout.map_err(|error| problem(&task.found, "make the signature of", &error.to_string()))?;
        let diff = task.before.as_ref().is_some_and(|before| before.signature.is_some());
        Ok(Self {
            context,
            found: task.found,
            file,
            entry: Box::new(Entry::new(metadata, settings.extras)),
            size: stat.size,
            layout,
            out: Out::new(context, task.pieces, diff),
            before: task.before,
        })
    }

    fn run(mut self) -> Result<()> {
        self.context.progress.event(Event::Started(self.found.path()));
        let old = self.before.as_mut().and_then(|before| before.signature.take());
        let blocks = old
            .as_ref()
            .map(|old| (old.blocks() as u64, u64::from(old.layout().block_len())));
        let index = old.map(Index::new);
        let mut making = Making::begin(index.as_ref(), self.layout);
        // Of content that does not wait here, whoever takes its parts makes the hash of all.
        let hashed = index.is_some() || self.size <= HELD_CONTENT as u64;
        let mut hash = hashed.then(|| Hashing::begin(self.size));
        let mut total = 0;
        let ended = loop {
            if self.context.progress.cancelled() {
                return Err(Error::Interrupted);
            }
            let room = usize::try_from(self.size - total).unwrap_or(PIECE).min(PIECE);
            let mut piece = vec![0; room];
            let read = match fill(&mut self.file, &mut piece) {
                Ok(0) => break Ok(()),
                Ok(read) => read,
                Err(error) => break Err(error),
            };
            piece.truncate(read);
            total += read as u64;
            self.context.progress.event(Event::Bytes(read as u64));
            let piece = Arc::new(piece);
            if let Some(hash) = &mut hash {
                hash.push(&piece);
            }
            let data = making.push(piece)?;
            self.out.data(data, &self.entry)?;
        };
        let (rest, signature) = making.finish()?;
        self.out.data(rest, &self.entry)?;
        if self.context.settings.extras {
            self.entry.extras.size = Some(total);
            self.entry.extras.sha256 = hash.and_then(Hashing::finish);
        }
        let same_blocks = blocks.is_some_and(|(count, len)| total.div_ceil(len) == count);
        self.end(ended, total, signature, same_blocks)
    }

    fn end(self, ended: io::Result<()>, total: u64, signature: Vec<u8>, same_blocks: bool) -> Result<()> {
        if let Err(error) = ended {
            let part = if self.out.begun {
                "; what was read of it before is saved"
            } else {
                ""
            };
            let cause = format!("{error}{part}");
            self.context.counters.problem(problem(&self.found, "read", &cause));
            if !self.out.begun {
                return self.out.send(Piece::Nothing(None));
            }
        } else if self.has_changed_meanwhile(total) {
            let text = format!("{}: changed while it was read", self.found.path().display());
            self.context.progress.event(Event::Notice(&text));
        }
        if !self.out.begun && self.is_same(same_blocks) {
            return self.out.send(Piece::Nothing(Some(total)));
        }
        self.out.end(self.entry, signature)
    }

    fn has_changed_meanwhile(&self, total: u64) -> bool {
        let now = rustix::fs::fstat(&self.file).map(fstree::Stat::from);
        let ctime = self.entry.extras.ctime;
        total != self.size || now.is_ok_and(|now| now.size != self.size || ctime.is_some_and(|was| was != now.ctime))
    }

    /// Whether there is no need to save it.
    fn is_same(&self, same_blocks: bool) -> bool {
        let Some(before) = self.before.as_ref().filter(|before| before.only_if_changed) else {
            return false;
        };
        let (was, is) = (&before.extras, &self.entry.extras);
        let content = match (was.sha256, is.sha256) {
            (Some(was), Some(is)) => was == is,
            _ => same_blocks && self.out.copies_all(),
        };
        content && super::entry::is_unchanged(&before.header, was, &self.entry, self.context.settings.extras)
    }
}

/// What is made of the content.
enum Making<'i> {
    /// It is taken as it is.
    Content(SignatureBuilder),
    /// How it differs from the old one.
    Delta(DeltaBuilder<'i, Vec<u8>>),
}

impl<'i> Making<'i> {
    fn begin(old: Option<&'i Index>, layout: Layout) -> Self {
        match old {
            Some(old) => Self::Delta(DeltaBuilder::new(old, Vec::new()).with_signature(layout)),
            None => Self::Content(SignatureBuilder::new(layout)),
        }
    }

    /// Takes the next piece of the content; gives what is stored for it now.
    fn push(&mut self, piece: Arc<Vec<u8>>) -> Result<Vec<u8>> {
        match self {
            Self::Content(signature) => {
                signature.push(&piece);
                Ok(Arc::unwrap_or_clone(piece))
            }
            Self::Delta(delta) => {
                delta.push(&piece).map_err(impossible)?;
                Ok(std::mem::take(delta.sink_mut()))
            }
        }
    }

    /// The rest of what is stored, and the signature.
    fn finish(self) -> Result<(Vec<u8>, Vec<u8>)> {
        match self {
            Self::Content(signature) => Ok((Vec::new(), signature.finish())),
            Self::Delta(delta) => delta.finish_both().map_err(impossible),
        }
    }
}

/// Reads until the buffer is full or the file ends. A read that fails is tried a second time.
fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let (mut filled, mut failed) = (0, false);
    while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
        match file.read(room) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) if !failed => failed = true,
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn problem(found: &Found, action: &'static str, cause: &str) -> Problem {
    Problem {
        path: found.path().to_owned(),
        action,
        cause: cause.to_owned(),
    }
}

/// The sink is memory, which does not fail.
fn impossible(error: rdiff::Error) -> Error {
    Error::damaged("a delta", error.to_string())
}

/// Holds back what comes of a file as long as it may still be dropped.
struct Out<'a, 'c> {
    context: &'a Context<'c>,
    pieces: Sender<Piece>,
    diff: bool,
    held: Vec<u8>,
    begun: bool,
}

impl<'a, 'c> Out<'a, 'c> {
    const fn new(context: &'a Context<'c>, pieces: Sender<Piece>, diff: bool) -> Self {
        Self {
            context,
            pieces,
            diff,
            held: Vec::new(),
            begun: false,
        }
    }

    fn send(&self, piece: Piece) -> Result<()> {
        self.context.hand(&self.pieces, piece)
    }

    fn data(&mut self, data: Vec<u8>, entry: &Entry) -> Result<()> {
        if data.is_empty() {
            return Ok(());
        }
        if self.begun {
            return self.send(Piece::Data(data));
        }
        let most = if self.diff { HELD_DELTA } else { HELD_CONTENT };
        if self.held.len() + data.len() <= most {
            if self.held.is_empty() {
                self.held = data;
            } else {
                self.held.extend_from_slice(&data);
            }
            return Ok(());
        }
        self.begin(Box::new(entry.clone()))?;
        self.send(Piece::Data(data))
    }

    fn begin(&mut self, entry: Box<Entry>) -> Result<()> {
        self.begun = true;
        self.send(Piece::Begin { entry, diff: self.diff })?;
        let held = std::mem::take(&mut self.held);
        if held.is_empty() {
            return Ok(());
        }
        self.send(Piece::Data(held))
    }

    fn end(mut self, entry: Box<Entry>, signature: Vec<u8>) -> Result<()> {
        if !self.begun {
            self.begin(entry.clone())?;
        }
        self.send(Piece::End { entry, signature })
    }

    /// Whether the delta is one copy from the beginning, which makes the same file again, or of an empty one nothing.
    fn copies_all(&self) -> bool {
        let Some((_, commands)) = self.held.split_first_chunk::<4>().filter(|_| self.diff) else {
            return false;
        };
        match commands {
            [0] => true,
            [opcode @ 0x45..=0x48, 0, rest @ ..] => rest.len() == (1 << (opcode - 0x45)) + 1,
            _ => false,
        }
    }
}

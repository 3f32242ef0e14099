//! A signature file made of the volumes.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use engine_api::{Body, EntryKind, Key, Progress, PutMode};
use flate2::Compression;
use flate2::write::GzEncoder;
use rdiff::{Kind, Layout, ReadAt, SignatureBuilder, Spool};

use crate::DuplicityEngine;
use crate::chain::Set;
use crate::container::Seal;
use crate::error::{Error, Result};
use crate::format::{Container, Extras, FileKind, FileName};
use crate::manifests::{self, Signatures};
use crate::merge::{Content, Merge, Merged, State};
use crate::source::{Piece, Source, Wanted};
use crate::tar::{Header, end_of_stream, pad, write_header};

/// Bytes of a file that are kept in memory while it is signed.
const MEMORY: usize = 8 << 20;

/// Makes and stores the signatures of the last of the sets, and says how many files are left out because they are lost.
pub(super) fn make(engine: &DuplicityEngine, sets: &[Set], progress: &dyn Progress) -> Result<u64> {
    let Some(set) = sets.last() else { return Ok(0) };
    let wanted = Wanted::default();
    let mut plans = Vec::new();
    for set in sets {
        plans.push(manifests::plan(set, manifests::load(engine, set)?, &wanted)?);
    }
    let last = plans.len().saturating_sub(1);
    let signatures = Signatures::of(engine, sets.to_vec());
    let source = Source::of(engine, progress, &signatures);
    let container = engine.container();
    let file = tempfile::tempfile_in(engine.temp()).map_err(failed(engine))?;
    let lost = {
        let mut out = Output::new(engine, container, &file)?;
        let lost = std::thread::scope(|scope| {
            let mut merge = Merge::open(source, scope, plans, &wanted).with_gone();
            let mut lost = 0;
            while let Some(merged) = merge.next()? {
                if merged.newest == last && !entry(engine, &mut merge, merged, &mut out)? {
                    lost += 1;
                }
            }
            if merge.has_doubts() {
                let why = "a volume is lost, and without the signatures nobody knows what it held";
                return Err(Error::damaged(set.id.to_string(), why));
            }
            Ok(lost)
        })?;
        out.finish()?;
        lost
    };
    let name = FileName::new(FileKind::Signatures, set.id, container).write(&engine.settings().prefixes);
    let new = Key::new(name).map_err(|error| Error::Usage(error.to_string()))?;
    let len = file.metadata().map_err(failed(engine))?.len();
    engine
        .blobs()
        .put(&new, Body::File { file: &file, len }, PutMode::Replace)?;
    if let Some(old) = set.signatures.as_ref().filter(|old| old.key != new) {
        engine.blobs().remove(&old.key)?;
    }
    Ok(lost)
}

/// Adds what the set says of a path; false when its content is lost.
fn entry(engine: &DuplicityEngine, merge: &mut Merge<'_, '_>, merged: Merged, out: &mut Output<'_>) -> Result<bool> {
    let path = merged.path.as_bytes();
    let name = |prefix: &[u8]| [prefix, path].concat();
    match merged.state {
        State::Gone => out.entry(
            Header {
                name: name(b"deleted/"),
                ..merged.header
            },
            &[],
        )?,
        State::Bare => {
            let mut name = name(b"snapshot/");
            if merged.header.kind == EntryKind::Dir && !path.is_empty() {
                name.push(b'/');
            }
            out.entry(Header { name, ..merged.header }, &[])?;
        }
        State::Lost(_) => return Ok(false),
        State::Whole(_) | State::Patched(_) => {
            let Some((signature, tail)) = sign(engine, merge.content(&merged)?)? else {
                return Ok(false);
            };
            let mut header = Header {
                name: name(b"signature/"),
                size: signature.len() as u64,
                ..merged.header
            };
            if !tail.is_empty() {
                header.private = Extras::read(&tail).records();
            }
            out.entry(header, &signature)?;
        }
    }
    Ok(true)
}

type Signed = (Vec<u8>, Vec<crate::format::extras::Record>);

/// The signature of the content, and the records at its end; `None` when it is lost.
fn sign(engine: &DuplicityEngine, mut content: Content<'_, '_, '_>) -> Result<Option<Signed>> {
    let mut spool = Spool::new(MEMORY, engine.temp().to_owned());
    loop {
        match content.piece()? {
            Piece::Data(data) => spool.write_all(&data).map_err(failed(engine))?,
            Piece::Broken(_) => return Ok(None),
            Piece::End => break,
        }
    }
    let size = spool.size().map_err(failed(engine))?;
    let settings = engine.settings();
    let block_len = settings.blocks.block_len(size);
    let layout = if settings.blake2_signatures {
        Layout::new(Kind::RollsumBlake2, block_len, 32)
    } else {
        Layout::duplicity(block_len)
    };
    let layout = layout.map_err(|error| Error::Usage(error.to_string()))?;
    let mut builder = SignatureBuilder::new(layout);
    let mut piece = vec![0; 256 << 10];
    let mut at = 0;
    loop {
        let read = spool.read_at(&mut piece, at).map_err(failed(engine))?;
        if read == 0 {
            break;
        }
        builder.push(piece.get(..read).unwrap_or_default());
        at += read as u64;
    }
    let tail = content.tail().unwrap_or_default().to_vec();
    Ok(Some((builder.finish(), tail)))
}

fn failed(engine: &DuplicityEngine) -> impl FnOnce(io::Error) -> Error {
    Error::local("use a temporary file in", engine.temp())
}

/// A tar stream on its way into its container.
struct Output<'e> {
    engine: &'e DuplicityEngine,
    to: Wrap<'e>,
    len: u64,
}

enum Wrap<'e> {
    Plain(BufWriter<File>),
    Gzip(Box<GzEncoder<BufWriter<File>>>),
    Sealed(Box<dyn Seal + 'e>),
}

impl<'e> Output<'e> {
    fn new(engine: &'e DuplicityEngine, container: Container, file: &File) -> Result<Self> {
        let plain = BufWriter::new(file.try_clone().map_err(failed(engine))?);
        let cipher = engine.settings().encryption.as_deref();
        let to = match (container, cipher) {
            (Container::OpenPgp, Some(cipher)) => Wrap::Sealed(cipher.seal(Box::new(plain)).map_err(failed(engine))?),
            (Container::Gzip, _) => Wrap::Gzip(Box::new(GzEncoder::new(plain, Compression::default()))),
            _ => Wrap::Plain(plain),
        };
        Ok(Self { engine, to, len: 0 })
    }

    fn entry(&mut self, header: Header, data: &[u8]) -> Result<()> {
        let mut out = Vec::with_capacity(data.len() + 2048);
        write_header(&mut out, &header);
        out.extend_from_slice(data);
        pad(&mut out, data.len() as u64);
        self.write(&out)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let to: &mut dyn Write = match &mut self.to {
            Wrap::Plain(to) => to,
            Wrap::Gzip(to) => to,
            Wrap::Sealed(to) => to,
        };
        to.write_all(bytes).map_err(failed(self.engine))?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        self.write(&end_of_stream(self.len))?;
        let done = match self.to {
            Wrap::Plain(mut to) => to.flush(),
            Wrap::Gzip(to) => to.finish().and_then(|mut to| to.flush()),
            Wrap::Sealed(to) => to.finish(),
        };
        done.map_err(failed(self.engine))
    }
}

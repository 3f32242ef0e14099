//! The thread that fills volumes, and the one that stores them while the next is filled.

use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender};
use engine_api::{Body, Key, PutMode};
use sha1::{Digest, Sha1};

use super::Context;
use super::journal::Journal;
use super::segment::{Mark, Packed, Packer};
use crate::container::Seal;
use crate::error::{Error, Result};
use crate::format::{Container, FileKind, FileName, PathEnd, TreePath, VolumeInfo};
use crate::tar::end_of_stream;

/// Room for what ends a volume.
const RESERVE: u64 = 64;
/// The same for an encrypted one, whose program packets are not counted.
const SEALED_RESERVE: u64 = 16 << 10;

/// A volume that is complete in a temporary file.
pub struct Volume {
    pub number: u32,
    pub info: VolumeInfo,
    pub file: File,
    pub len: u64,
    pub mark: Mark,
}

/// Fills volumes from packed segments and hands them on; the first has number `first`.
pub fn fill(
    context: &Context<'_>,
    in_order: &Receiver<Receiver<Packed>>,
    full: &Sender<Volume>,
    first: u32,
) -> Result<()> {
    let mut number = first;
    let mut filling: Option<Filling<'_>> = None;
    let limit = context.settings.volume_size;
    for segment in in_order {
        let packed = segment.recv().map_err(|_| Error::Interrupted)?;
        context.failed()?;
        if let Some(done) =
            filling.take_if(|filling| filling.len() + packed.bytes.len() as u64 + filling.reserve() > limit)
        {
            context.hand(full, done.finish(number)?)?;
            number += 1;
        }
        let volume = match &mut filling {
            Some(volume) => volume,
            None => filling.insert(Filling::new(context)?),
        };
        volume.add(packed)?;
    }
    context.failed()?;
    // A set has a volume even if nothing has changed.
    let last = match filling {
        None if number == 1 => Some(Filling::new(context)?),
        other => other,
    };
    match last {
        Some(last) => context.hand(full, last.finish(number)?),
        None => Ok(()),
    }
}

/// A volume that is being filled.
struct Filling<'a> {
    sink: Shared,
    seal: Option<Box<dyn Seal + 'a>>,
    gzip: bool,
    plain_len: u64,
    start: Option<PathEnd>,
    end: Option<PathEnd>,
    mark: Mark,
}

impl<'a> Filling<'a> {
    fn new(context: &'a Context<'_>) -> Result<Self> {
        let file = tempfile::tempfile_in(context.temp).map_err(Error::local("make a file in", context.temp))?;
        let sink = Shared::new(file);
        let cipher = context.settings.encryption.as_ref();
        let seal = cipher
            .map(|cipher| cipher.seal(Box::new(sink.clone())))
            .transpose()
            .map_err(Error::local("encrypt to", context.temp))?;
        Ok(Self {
            sink,
            seal,
            gzip: context.container == Container::Gzip,
            plain_len: 0,
            start: None,
            end: None,
            mark: Mark::default(),
        })
    }

    fn len(&self) -> u64 {
        self.sink.len() + self.seal.as_ref().map_or(0, |seal| seal.held())
    }

    const fn reserve(&self) -> u64 {
        if self.seal.is_some() { SEALED_RESERVE } else { RESERVE }
    }

    fn add(&mut self, packed: Packed) -> Result<()> {
        self.write(&packed.bytes)?;
        self.plain_len += packed.plain_len;
        if self.start.is_none() {
            self.start = packed.start;
        }
        self.end = packed.end;
        self.mark = packed.mark;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = match &mut self.seal {
            Some(seal) => seal.write_all(bytes),
            None => self.sink.write_all(bytes),
        };
        written.map_err(Error::local("write", "a temporary file"))
    }

    fn finish(mut self, number: u32) -> Result<Volume> {
        let end = Packer::new(self.gzip).pack(end_of_stream(self.plain_len))?;
        self.write(&end)?;
        if let Some(seal) = self.seal.take() {
            seal.finish().map_err(Error::local("encrypt to", "a temporary file"))?;
        }
        let root = || PathEnd {
            path: TreePath::root(),
            part: None,
        };
        let (file, len, hash) = self.sink.finish()?;
        Ok(Volume {
            number,
            info: VolumeInfo {
                start: self.start.unwrap_or_else(root),
                end: self.end.unwrap_or_else(root),
                hashes: vec![("SHA1".to_owned(), hash.to_vec())],
            },
            file,
            len,
            mark: self.mark,
        })
    }
}

/// A file that several hold, with its length and hash.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<Sink>>);

struct Sink {
    file: File,
    len: u64,
    hash: Sha1,
}

impl Shared {
    /// On an empty file.
    pub fn new(file: File) -> Self {
        let sink = Sink {
            file,
            len: 0,
            hash: Sha1::new(),
        };
        Self(Arc::new(Mutex::new(sink)))
    }

    fn len(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len
    }

    /// The file, its length and its SHA-1; nobody else may hold it any more.
    pub fn finish(self) -> Result<(File, u64, [u8; 20])> {
        let unshared = Arc::try_unwrap(self.0).map_err(|_| Error::damaged("a volume", "its cipher still writes"))?;
        let sink = unshared.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok((sink.file, sink.len, sink.hash.finalize().into()))
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut sink = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sink.file.write_all(bytes)?;
        sink.hash.update(bytes);
        sink.len += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Stores the volumes that come, and notes each in the journal when it is stored.
pub fn store(context: &Context<'_>, full: &Receiver<Volume>, mut journal: Journal) -> Result<Journal> {
    for volume in full {
        if !context.dry_run {
            let name = FileName::new(FileKind::Volume(volume.number), context.set, context.container);
            let key = context.key(&name)?;
            put(context, &key, &volume.file, volume.len)?;
        }
        context.counters.stored(volume.len);
        journal.stored(volume.number, volume.info, volume.len, &volume.mark)?;
    }
    context.failed()?;
    Ok(journal)
}

/// Stores a file under a name that must be free.
pub fn put(context: &Context<'_>, key: &Key, file: &File, len: u64) -> Result<()> {
    Ok(context.blobs.put(key, Body::File { file, len }, PutMode::Create)?)
}

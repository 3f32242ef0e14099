//! Reads a manifest: from its start, or from any path.

use std::cmp::Ordering;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use zstd::bulk::Decompressor;

use super::bytes::Take;
use super::index::{self, Block};
use super::order::{is_below, path_order};
use super::record::{self, Before};
use super::tail::{self, Tail};
use super::{About, MAGIC, MOST_HEAD, MOST_INDEX, ManifestError, Record, Totals, head};

/// Bytes that can be read from any position, by several readers at once.
pub trait Source: Send + Sync {
    /// Length in bytes.
    ///
    /// # Errors
    /// When it cannot be found out.
    fn len(&self) -> io::Result<u64>;

    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    /// When there are not so many bytes, or they cannot be read.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

impl Source for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(buffer, offset)
    }
}

impl Source for Vec<u8> {
    fn len(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = self.get(start..).and_then(|bytes| bytes.get(..buffer.len()));
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// A manifest that can be read. Cheap to clone.
#[derive(Clone)]
pub struct Manifest(Arc<Inner>);

struct Inner {
    source: Box<dyn Source>,
    about: About,
    totals: Totals,
    blocks: Vec<Block>,
}

impl Manifest {
    /// Reads the head, the tail and the index, and proves them; the blocks are proven when they are read.
    ///
    /// # Errors
    /// When it cannot be read, is damaged or of a later version.
    pub fn open(source: Box<dyn Source>) -> Result<Self, ManifestError> {
        let len = source.len()?;
        let head = read_head(source.as_ref(), len)?;
        let tail_at = len.checked_sub(tail::LEN as u64);
        let tail_at = tail_at.filter(|at| *at >= head.len() as u64);
        let tail_at = tail_at.ok_or(ManifestError::Damaged("its end is missing"))?;
        let mut bytes = [0; tail::LEN];
        source.read_at(tail_at, &mut bytes)?;
        let tail = Tail::decode(&bytes)?;
        if !Tail::proves(&bytes, &head) {
            return Err(ManifestError::Damaged("its head or its end changed"));
        }
        let fields = head.get(MAGIC.len() + 4..).unwrap_or_default();
        let about = head::decode(fields)?;
        let blocks = read_index(source.as_ref(), &tail, head.len() as u64, tail_at)?;
        Ok(Self(Arc::new(Inner {
            source,
            about,
            totals: tail.totals,
            blocks,
        })))
    }

    /// What it says of the snapshot.
    #[must_use]
    pub fn about(&self) -> &About {
        &self.0.about
    }

    /// Its sums.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.0.totals
    }

    /// All records, in walk order.
    #[must_use]
    pub fn records(&self) -> Records {
        self.below(b"")
    }

    /// The record of `path` and all below it, in walk order; reads only the blocks they are in.
    #[must_use]
    pub fn below(&self, path: &[u8]) -> Records {
        let after = |block: &Block| path_order(&block.first, path).is_le();
        let block = self.0.blocks.partition_point(after).saturating_sub(1);
        Records {
            manifest: self.clone(),
            under: path.to_vec(),
            block,
            plain: Vec::new(),
            position: 0,
            left: 0,
            before: Before::default(),
            last: None,
            done: false,
        }
    }

    /// The record of exactly this path.
    ///
    /// # Errors
    /// When its block is damaged or cannot be read.
    pub fn find(&self, path: &[u8]) -> Result<Option<Record>, ManifestError> {
        let first = self.below(path).next().transpose()?;
        Ok(first.filter(|record| record.path == path))
    }

    /// Reads every block and compares it with its digest.
    ///
    /// # Errors
    /// At the first that is damaged or cannot be read.
    pub fn prove(&self) -> Result<(), ManifestError> {
        let mut stored = Vec::new();
        self.0
            .blocks
            .iter()
            .try_for_each(|block| self.read_block(block, &mut stored))
    }

    fn read_block(&self, block: &Block, stored: &mut Vec<u8>) -> Result<(), ManifestError> {
        stored.resize(block.stored, 0);
        self.0.source.read_at(block.offset, stored)?;
        if *blake3::hash(stored).as_bytes() != block.digest {
            return Err(ManifestError::Damaged("a block of it changed"));
        }
        Ok(())
    }

    fn block(&self, number: usize) -> Result<Option<(Vec<u8>, u64)>, ManifestError> {
        let Some(block) = self.0.blocks.get(number) else {
            return Ok(None);
        };
        let mut stored = Vec::new();
        self.read_block(block, &mut stored)?;
        let plain = expand(&stored, block.plain)?;
        Ok(Some((plain, block.records)))
    }
}

impl std::fmt::Debug for Manifest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Manifest").field(&self.0.about).finish()
    }
}

/// The records of a manifest, one after the other. After an error there are no more.
#[derive(Debug)]
pub struct Records {
    manifest: Manifest,
    under: Vec<u8>,
    /// The next block.
    block: usize,
    plain: Vec<u8>,
    position: usize,
    /// Records left of the current block.
    left: u64,
    before: Before,
    last: Option<Vec<u8>>,
    done: bool,
}

impl Records {
    fn step(&mut self) -> Result<Option<Record>, ManifestError> {
        loop {
            while self.left == 0 {
                if self.position < self.plain.len() {
                    return Err(ManifestError::Damaged("a block of it is longer than its records"));
                }
                let Some((plain, records)) = self.manifest.block(self.block)? else {
                    return Ok(None);
                };
                self.block += 1;
                self.before.clear();
                (self.plain, self.position, self.left) = (plain, 0, records);
            }
            let mut take = Take(self.plain.get(self.position..).unwrap_or_default());
            let record = record::decode(&mut take, &mut self.before)?;
            self.position = self.plain.len() - take.0.len();
            self.left -= 1;
            self.check_order(&record)?;
            if is_below(&record.path, &self.under) {
                return Ok(Some(record));
            }
            if path_order(&record.path, &self.under) == Ordering::Greater {
                return Ok(None);
            }
        }
    }

    /// What reads two manifests side by side relies on it.
    fn check_order(&mut self, record: &Record) -> Result<(), ManifestError> {
        let ordered = |last: &Vec<u8>| path_order(last, &record.path).is_lt();
        if !self.last.as_ref().is_none_or(ordered) {
            return Err(ManifestError::Damaged("its entries are not in order"));
        }
        self.last.get_or_insert_default().clone_from(&record.path);
        Ok(())
    }
}

impl Iterator for Records {
    type Item = Result<Record, ManifestError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let step = self.step().transpose();
        self.done = !matches!(step, Some(Ok(_)));
        step
    }
}

fn read_head(source: &dyn Source, len: u64) -> Result<Vec<u8>, ManifestError> {
    let mut start = [0; MAGIC.len() + 4];
    if len < start.len() as u64 {
        return Err(ManifestError::Foreign);
    }
    source.read_at(0, &mut start)?;
    let mut take = Take(&start);
    let magic = take.bytes(MAGIC.len())?;
    if magic != MAGIC {
        let name = MAGIC.get(..MAGIC.len() - 2).unwrap_or_default();
        return Err(if magic.starts_with(name) {
            ManifestError::Version
        } else {
            ManifestError::Foreign
        });
    }
    let fields = u32::from_le_bytes(take.array()?) as usize;
    if fields > MOST_HEAD || len < (start.len() + fields) as u64 {
        return Err(ManifestError::Damaged("its head is cut off"));
    }
    let mut head = vec![0; start.len() + fields];
    source.read_at(0, &mut head)?;
    Ok(head)
}

fn read_index(source: &dyn Source, tail: &Tail, start: u64, end: u64) -> Result<Vec<Block>, ManifestError> {
    let wrong = || ManifestError::Damaged("its index is none");
    let small = |value: u64| usize::try_from(value).ok().filter(|value| *value <= MOST_INDEX);
    let stored = small(tail.index_stored).ok_or_else(wrong)?;
    let plain = small(tail.index_plain).ok_or_else(wrong)?;
    if tail.index_offset < start || tail.index_offset.checked_add(tail.index_stored) != Some(end) {
        return Err(wrong());
    }
    let mut bytes = vec![0; stored];
    source.read_at(tail.index_offset, &mut bytes)?;
    if *blake3::hash(&bytes).as_bytes() != tail.index_digest {
        return Err(ManifestError::Damaged("its index changed"));
    }
    index::decode(&expand(&bytes, plain)?, start, tail.index_offset)
}

fn expand(stored: &[u8], plain: usize) -> Result<Vec<u8>, ManifestError> {
    let expanded = Decompressor::new()?.decompress(stored, plain);
    match expanded {
        Ok(bytes) if bytes.len() == plain => Ok(bytes),
        _ => Err(ManifestError::Damaged("a block of it cannot be expanded")),
    }
}

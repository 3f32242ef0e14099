//! Writes a manifest, record by record.

use std::io::{self, Write};

use engine_api::EntryKind;
use zstd::bulk::Compressor;

use super::index::{self, Block};
use super::order::path_order;
use super::record::{self, Before};
use super::tail::Tail;
use super::{About, BLOCK, MAGIC, MOST_HEAD, MOST_INDEX, MOST_RECORD, ManifestError, Record, Totals, head};

/// Fast, and nearly as small as the higher ones: most of a record is digest.
const LEVEL: i32 = 1;

/// Writes the records of a snapshot, in walk order; holds one block of them and the index in memory.
///
/// What it has written is a manifest only when [`Writer::finish`] has returned; making it durable and giving it its name is
/// the caller's.
pub struct Writer<W> {
    sink: W,
    compressor: Compressor<'static>,
    head: Vec<u8>,
    /// Bytes written so far.
    offset: u64,
    plain: Vec<u8>,
    first: Vec<u8>,
    records: u64,
    before: Before,
    blocks: Vec<Block>,
    totals: Totals,
}

impl<W: Write> Writer<W> {
    /// Begins a manifest.
    ///
    /// # Errors
    /// When it could not be written, or `about` is longer than a manifest takes.
    pub fn new(mut sink: W, about: &About) -> Result<Self, ManifestError> {
        let fields = head::encode(about);
        let len = u32::try_from(fields.len()).ok().filter(|_| fields.len() <= MOST_HEAD);
        let len = len.ok_or_else(|| ManifestError::TooLarge { path: "/".to_owned() })?;
        let mut head = MAGIC.to_vec();
        head.extend_from_slice(&len.to_le_bytes());
        head.extend_from_slice(&fields);
        sink.write_all(&head)?;
        Ok(Self {
            sink,
            compressor: Compressor::new(LEVEL)?,
            offset: head.len() as u64,
            head,
            plain: Vec::new(),
            first: Vec::new(),
            records: 0,
            before: Before::default(),
            blocks: Vec::new(),
            totals: Totals::default(),
        })
    }

    /// Adds the next record.
    ///
    /// # Errors
    /// When it is not in order (then the manifest is as before), is too long, or could not be written.
    pub fn push(&mut self, record: &Record) -> Result<(), ManifestError> {
        let name = || String::from_utf8_lossy(&record.path).into_owned();
        let begun = self.totals.entries > 0;
        if begun && path_order(&self.before.path, &record.path).is_ge() {
            return Err(ManifestError::Order { path: name() });
        }
        if self.plain.len() >= BLOCK {
            self.close_block()?;
        }
        if self.plain.is_empty() {
            self.before.clear();
            self.first.clone_from(&record.path);
        }
        let start = self.plain.len();
        record::encode(&mut self.plain, record, &mut self.before);
        if self.plain.len() - start > MOST_RECORD {
            return Err(ManifestError::TooLarge { path: name() });
        }
        self.records += 1;
        self.totals.entries += 1;
        if record.metadata.kind == EntryKind::File {
            self.totals.files += 1;
            self.totals.bytes = self.totals.bytes.saturating_add(record.metadata.size);
        }
        Ok(())
    }

    /// Writes the rest and hands the sink back with the sums; `bytes_added` is what the backup copied.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn finish(mut self, bytes_added: u64) -> Result<(W, Totals), ManifestError> {
        self.close_block()?;
        let index = index::encode(&self.blocks);
        let stored = self.compressor.compress(&index)?;
        if index.len().max(stored.len()) > MOST_INDEX {
            return Err(ManifestError::TooLarge { path: "/".to_owned() });
        }
        self.totals.bytes_added = bytes_added;
        let tail = Tail {
            index_offset: self.offset,
            index_stored: stored.len() as u64,
            index_plain: index.len() as u64,
            totals: self.totals,
            index_digest: *blake3::hash(&stored).as_bytes(),
        };
        self.sink.write_all(&stored)?;
        self.sink.write_all(&tail.encode(&self.head))?;
        self.sink.flush()?;
        Ok((self.sink, self.totals))
    }

    fn close_block(&mut self) -> io::Result<()> {
        if self.plain.is_empty() {
            return Ok(());
        }
        let stored = self.compressor.compress(&self.plain)?;
        self.sink.write_all(&stored)?;
        self.blocks.push(Block {
            first: std::mem::take(&mut self.first),
            offset: self.offset,
            stored: stored.len(),
            plain: self.plain.len(),
            records: std::mem::take(&mut self.records),
            digest: *blake3::hash(&stored).as_bytes(),
        });
        self.offset += stored.len() as u64;
        self.plain.clear();
        Ok(())
    }
}

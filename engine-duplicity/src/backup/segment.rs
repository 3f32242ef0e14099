//! Segments: runs of whole tar entries, packed on their own, of which volumes are made.

use libdeflater::{CompressionLvl, Compressor};

use super::spool::Position;
use crate::error::{Error, Result};
use crate::format::{PathEnd, TreePath};
use crate::members;

/// Where a file was cut by the end of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// Which file.
    pub path: TreePath,
    /// How many of its parts are before the cut.
    pub parts: u64,
    /// SHA-256 of the data in those.
    pub hash: [u8; 32],
}

/// What is complete at the end of a segment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mark {
    /// The last path that is there with all that belongs to it.
    pub complete: Option<TreePath>,
    /// The file that is cut.
    pub cut: Option<Cut>,
    /// How far the signature file and the list of files are.
    pub spools: Position,
}

/// A run of whole tar entries.
#[derive(Debug, Default)]
pub struct Segment {
    /// Their bytes.
    pub bytes: Vec<u8>,
    /// The first entry.
    pub start: Option<PathEnd>,
    /// The last one.
    pub end: Option<PathEnd>,
    /// What is complete behind them.
    pub mark: Mark,
}

/// A segment as it is stored.
pub struct Packed {
    /// Its bytes in the volume, or before the encryption.
    pub bytes: Vec<u8>,
    /// How long it was.
    pub plain_len: u64,
    /// The first entry.
    pub start: Option<PathEnd>,
    /// The last one.
    pub end: Option<PathEnd>,
    /// What is complete behind it.
    pub mark: Mark,
}

impl Segment {
    /// Makes it what is stored.
    pub fn pack(self, packer: &mut Packer) -> Result<Packed> {
        let plain_len = self.bytes.len() as u64;
        Ok(Packed {
            bytes: packer.pack(self.bytes)?,
            plain_len,
            start: self.start,
            end: self.end,
            mark: self.mark,
        })
    }
}

/// How much is looked at, and at how many places, to tell whether a segment can be compressed.
const SAMPLE: usize = 4 << 10;
const SAMPLES: usize = 6;

/// Compresses, each piece to a gzip member of its own, which together are a gzip file.
pub struct Packer(Option<Levels>);

struct Levels {
    /// A little smaller than gzip's own default level, in a third of its time.
    thorough: Compressor,
    /// For samples.
    quick: Compressor,
    /// Not at all, but in the same form.
    stored: Compressor,
    sample: Vec<u8>,
}

impl Packer {
    /// One that compresses, or one that does nothing.
    pub fn new(compress: bool) -> Self {
        let level = |level| Compressor::new(CompressionLvl::new(level).unwrap_or_default());
        Self(compress.then(|| Levels {
            thorough: level(5),
            quick: level(1),
            stored: level(0),
            sample: Vec::new(),
        }))
    }

    /// The packed form of `bytes`.
    pub fn pack(&mut self, bytes: Vec<u8>) -> Result<Vec<u8>> {
        let Some(levels) = &mut self.0 else {
            return Ok(bytes);
        };
        let compressor = if levels.gains(&bytes) {
            &mut levels.thorough
        } else {
            &mut levels.stored
        };
        let packed = members::compress(compressor, &bytes);
        let mut out = packed.ok_or_else(|| Error::damaged("a volume", "it cannot be compressed"))?;
        out.shrink_to_fit();
        Ok(out)
    }
}

impl Levels {
    /// Whether it is worth the time: films, archives and keys do not get smaller.
    fn gains(&mut self, bytes: &[u8]) -> bool {
        if bytes.len() < SAMPLE * SAMPLES {
            return true;
        }
        let step = (bytes.len() - SAMPLE) / (SAMPLES - 1);
        (0..SAMPLES).any(|sample| {
            let at = sample * step;
            let sample = bytes.get(at..at + SAMPLE).unwrap_or_default();
            self.sample.resize(self.quick.deflate_compress_bound(sample.len()), 0);
            let len = self.quick.deflate_compress(sample, &mut self.sample);
            len.is_ok_and(|len| len + len / 32 < sample.len())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn members_together_are_one_file() {
        let mut packer = Packer::new(true);
        let (text, zeros) = (b"some text ".repeat(9000), vec![0; 10240]);
        let stored = [packer.pack(text.clone()).unwrap(), packer.pack(zeros.clone()).unwrap()].concat();
        let mut read = Vec::new();
        flate2::read::MultiGzDecoder::new(stored.as_slice())
            .read_to_end(&mut read)
            .unwrap();
        assert_eq!(read, [text, zeros].concat());
        assert_eq!(Packer::new(false).pack(vec![1, 2]).unwrap(), [1, 2]);
    }

    #[test]
    fn noise_grows_by_next_to_nothing() {
        let noise = fstree::testing::Dice::new(1).bytes(1 << 20);
        let len = Packer::new(true).pack(noise.clone()).unwrap().len();
        assert!((noise.len()..noise.len() + 200).contains(&len), "{len}");
    }
}

//! Blobs between plain and sealed: compressed where the format and the settings allow it and it makes them smaller.

use zstd::bulk::{Compressor, Decompressor};
use zstd::stream::raw::{InBuffer, Operation, OutBuffer};

use super::{Compression, Repository};
use crate::crypto::SealingKey;
use crate::error::{Error, Result};
use crate::format::BlobKind;

/// zstd's levels for the settings. On mails and documents 2 gives what restic's default gives, at two thirds of the time
/// of 3 (see docs/benchmarks.md).
const LEVEL_AUTO: i32 = 2;
const LEVEL_MAX: i32 = 12;
/// Capacity up to which a buffer is used again: the few blobs that are far longer should not cost memory for good.
const USUAL: usize = 3 << 20;
/// Bytes that are decompressed at once to be compared.
const PIECE: usize = 128 << 10;
/// The largest blob that is opened: far above any that programs write; a bomb must not fill the memory.
const MOST_BYTES: usize = 1 << 30;

/// Seals blobs; one for each thread, its buffers are used again.
pub struct Sealer {
    key: SealingKey,
    /// `None` in format version 1.
    compressor: Option<Compressor<'static>>,
    data_too: bool,
    compressed: Vec<u8>,
    proof: Proof,
}

impl Sealer {
    /// A sealer for the repository.
    pub fn new(repository: &Repository) -> Result<Self> {
        let settings = repository.settings();
        let level = if settings.compression == Compression::Max {
            LEVEL_MAX
        } else {
            LEVEL_AUTO
        };
        let compressor = (repository.config().version >= 2)
            .then(|| Compressor::new(level))
            .transpose();
        Ok(Self {
            key: repository.key.clone(),
            compressor: compressor.map_err(|error| no_zstd(&error))?,
            data_too: settings.compression != Compression::Off,
            compressed: Vec::new(),
            proof: Proof::new()?,
        })
    }

    /// Puts the sealed form of `plain` into `sealed`, in place of what is there; returns the plain length when it is
    /// compressed. The result is opened again and compared before anybody relies on it: memory fails, too.
    pub fn seal(&mut self, kind: BlobKind, plain: &[u8], sealed: &mut Vec<u8>) -> Result<Option<u32>> {
        if sealed.capacity() > USUAL {
            *sealed = Vec::new();
        }
        sealed.clear();
        let uncompressed = self.compress(kind, plain);
        let payload = if uncompressed.is_some() {
            &self.compressed
        } else {
            plain
        };
        self.key.seal_into(payload, sealed)?;
        let sound = self.key.holds(sealed, payload) && (uncompressed.is_none() || self.proof.expands(payload, plain));
        if sound {
            return Ok(uncompressed);
        }
        Err(Error::damaged(
            "a blob to be stored",
            "it changed while it was sealed, which points to faulty memory",
        ))
    }

    fn compress(&mut self, kind: BlobKind, plain: &[u8]) -> Option<u32> {
        let compressor = self
            .compressor
            .as_mut()
            .filter(|_| self.data_too || kind == BlobKind::Tree)?;
        let length = u32::try_from(plain.len()).ok()?;
        self.compressed.clear();
        self.compressed
            .reserve_exact(zstd::zstd_safe::compress_bound(plain.len()));
        let written = compressor.compress_to_buffer(plain, &mut self.compressed).ok()?;
        // What does not shrink is stored plain. Listings are compressed always: one that is not makes restic write its
        // pack anew in every prune.
        (written < plain.len() || kind == BlobKind::Tree).then_some(length)
    }
}

/// Decompresses piece by piece, to compare with what was compressed without room for all of it.
struct Proof {
    decoder: zstd::stream::raw::Decoder<'static>,
    piece: Vec<u8>,
}

impl Proof {
    fn new() -> Result<Self> {
        let decoder = zstd::stream::raw::Decoder::new().map_err(|error| no_zstd(&error))?;
        Ok(Self {
            decoder,
            piece: vec![0; PIECE],
        })
    }

    /// Whether `compressed` gives exactly `plain`.
    fn expands(&mut self, compressed: &[u8], plain: &[u8]) -> bool {
        if self.decoder.reinit().is_err() {
            return false;
        }
        let mut input = InBuffer::around(compressed);
        let mut rest = plain;
        loop {
            let mut output = OutBuffer::around(self.piece.as_mut_slice());
            let Ok(hint) = self.decoder.run(&mut input, &mut output) else {
                return false;
            };
            let piece = output.as_slice();
            let Some(after) = rest.strip_prefix(piece) else {
                return false;
            };
            rest = after;
            if hint == 0 || (piece.is_empty() && input.pos == compressed.len()) {
                return hint == 0 && rest.is_empty();
            }
        }
    }
}

/// Opens blobs; one for each thread, its buffers are used again.
pub struct Opener {
    key: SealingKey,
    decompressor: Decompressor<'static>,
}

impl Opener {
    /// An opener for the repository.
    pub fn new(repository: &Repository) -> Result<Self> {
        let decompressor = Decompressor::new().map_err(|error| no_zstd(&error))?;
        Ok(Self {
            key: repository.key.clone(),
            decompressor,
        })
    }

    /// Opens `sealed` where it lies; the plain content is returned from there, or from `out` when it was compressed.
    /// Fails with what is wrong with it.
    pub fn open<'a>(
        &mut self,
        sealed: &'a mut [u8],
        uncompressed: Option<u32>,
        out: &'a mut Vec<u8>,
    ) -> Result<&'a [u8], String> {
        let payload = self
            .key
            .open_in_place(sealed)
            .map_err(|_| "its authentication code does not fit")?;
        let Some(length) = uncompressed else { return Ok(payload) };
        let length = length as usize;
        if length > MOST_BYTES {
            return Err(format!("it claims {length} bytes, more than any blob has"));
        }
        out.resize(length, 0);
        match self.decompressor.decompress_to_buffer(payload, out.as_mut_slice()) {
            Ok(written) if written == length => Ok(out),
            Ok(written) => Err(format!("it has {written} bytes instead of {length}")),
            Err(error) => Err(format!("cannot decompress it: {error}")),
        }
    }
}

fn no_zstd(error: &std::io::Error) -> Error {
    Error::Usage(format!("cannot set up zstd: {error}"))
}

//! Blobs between plain and sealed: compressed where the format and the settings allow it and it makes them smaller.

use zstd::bulk::{Compressor, Decompressor};

use super::{Compression, Repository};
use crate::crypto::SealingKey;
use crate::error::{Error, Result};
use crate::format::BlobKind;

/// zstd's levels for the settings; 3 compares with restic's default in size.
const LEVEL_AUTO: i32 = 3;
const LEVEL_MAX: i32 = 12;
/// The largest blob that is opened: far above any that programs write; a bomb must not fill the memory.
const MOST_BYTES: usize = 1 << 30;

/// Seals blobs; one for each thread, its buffers are used again.
pub struct Sealer {
    key: SealingKey,
    /// `None` in format version 1.
    compressor: Option<Compressor<'static>>,
    data_too: bool,
    opener: Opener,
    compressed: Vec<u8>,
    check: (Vec<u8>, Vec<u8>),
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
            opener: Opener::new(repository)?,
            compressed: Vec::new(),
            check: Default::default(),
        })
    }

    /// Puts the sealed form of `plain` into `sealed`, in place of what is there; returns the plain length when it is
    /// compressed. The result is opened again and compared before anybody relies on it: memory fails, too.
    pub fn seal(&mut self, kind: BlobKind, plain: &[u8], sealed: &mut Vec<u8>) -> Result<Option<u32>> {
        sealed.clear();
        let uncompressed = self.compress(kind, plain);
        let payload = if uncompressed.is_some() {
            &self.compressed
        } else {
            plain
        };
        self.key.seal_into(payload, sealed)?;
        let (copy, opened) = &mut self.check;
        copy.clear();
        copy.extend_from_slice(sealed);
        let opened = self.opener.open(copy, uncompressed, opened);
        if opened.is_ok_and(|opened| opened == plain) {
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
        // Without room for a result as long as the input, what does not shrink ends early and is stored plain. Listings
        // are compressed always: one that is not makes restic write its pack anew in every prune.
        let room = match kind {
            BlobKind::Tree => zstd::zstd_safe::compress_bound(plain.len()),
            BlobKind::Data => plain.len().checked_sub(1)?,
        };
        self.compressed.clear();
        self.compressed.reserve(room);
        let written = compress_into(compressor, plain, &mut self.compressed, room)?;
        (written > 0).then_some(length)
    }
}

fn compress_into(compressor: &mut Compressor<'_>, plain: &[u8], out: &mut Vec<u8>, room: usize) -> Option<usize> {
    out.resize(room, 0);
    let written = compressor.compress_to_buffer(plain, out.as_mut_slice()).ok()?;
    out.truncate(written);
    Some(written)
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

//! Gzip members that say how long they are.
//!
//! Holdfast's gzip files are made of members that were compressed on their own. In a field of the header that every
//! reader passes over, each has its compressed length: so it can be taken whole and given to the decompressor that is
//! fastest with whole buffers, and several can be unpacked at the same time. What has no such field is read as the stream
//! that it is.

mod reader;
#[cfg(test)]
mod tests;
mod unpack;

use libdeflater::Compressor;

pub use reader::Members;
pub use unpack::Unpackers;

/// Bytes of a member's content at the most; what is longer is an ordinary member.
const MOST: usize = 4 << 20;
/// What stands before the compressed length: deflate, an extra field of eight bytes, no time, an unknown system; the
/// field's name and its own length.
const BEGIN: [u8; 16] = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 8, 0, b'H', b'F', 4, 0];
const HEADER: usize = BEGIN.len() + 4;
/// Checksum and length of the content.
const TRAILER: usize = 8;

/// `bytes` as a member; `None` when the compressor fails.
pub fn compress(with: &mut Compressor, bytes: &[u8]) -> Option<Vec<u8>> {
    let (Ok(plain_len), false) = (u32::try_from(bytes.len()), bytes.len() > MOST) else {
        let mut out = vec![0; with.gzip_compress_bound(bytes.len())];
        let len = with.gzip_compress(bytes, &mut out).ok()?;
        out.truncate(len);
        return Some(out);
    };
    let mut out = vec![0; HEADER + with.deflate_compress_bound(bytes.len()) + TRAILER];
    let len = with.deflate_compress(bytes, out.get_mut(HEADER..)?).ok()?;
    out.truncate(HEADER + len);
    let (begin, rest) = out.split_first_chunk_mut::<{ BEGIN.len() }>()?;
    *begin = BEGIN;
    *rest.first_chunk_mut()? = u32::try_from(len).ok()?.to_le_bytes();
    out.extend_from_slice(&libdeflater::crc32(bytes).to_le_bytes());
    out.extend_from_slice(&plain_len.to_le_bytes());
    Some(out)
}

/// The compressed length that the header of a member says, where it says one.
fn packed_len(header: &[u8]) -> Option<usize> {
    let len = u32::from_le_bytes(*header.strip_prefix(&BEGIN)?.first_chunk()?) as usize;
    // Nothing that is compressed is longer than what cannot be.
    (len <= MOST + MOST / 16).then_some(len)
}

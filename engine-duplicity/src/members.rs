//! Gzip members that say how long they are.
//!
//! Holdfast's gzip files are made of members that were compressed on their own. In a field of the header that every
//! reader passes over, each has its compressed length: so it can be taken whole and given to the decompressor that is
//! fastest with whole buffers. What has no such field is read as the stream that it is.

use std::io::{self, BufRead, Chain, Cursor, Read};

use flate2::bufread::MultiGzDecoder;
use libdeflater::{Compressor, Decompressor};

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

/// Reads gzip files of any kind, and takes members that say how long they are whole.
///
/// It holds up to 4 MiB of content, for Holdfast's own files a little more than one.
pub struct Members<R> {
    from: From<R>,
    decompressor: Decompressor,
    packed: Vec<u8>,
    plain: Vec<u8>,
    used: usize,
}

enum From<R> {
    /// At the beginning of a member.
    Members(R),
    /// From here on as a stream.
    Stream(Box<MultiGzDecoder<Chain<Cursor<Vec<u8>>, R>>>),
    End,
}

impl<R: BufRead> Members<R> {
    /// At the beginning of a file.
    pub fn new(from: R) -> Self {
        Self {
            from: From::Members(from),
            decompressor: Decompressor::new(),
            packed: Vec::new(),
            plain: Vec::new(),
            used: 0,
        }
    }

    fn next_member(&mut self, mut from: R) -> io::Result<From<R>> {
        let mut header = Vec::with_capacity(HEADER);
        Read::by_ref(&mut from).take(HEADER as u64).read_to_end(&mut header)?;
        if header.is_empty() {
            return Ok(From::End);
        }
        let Some(len) = packed_len(&header) else {
            let stream = Cursor::new(header).chain(from);
            return Ok(From::Stream(Box::new(MultiGzDecoder::new(stream))));
        };
        self.packed.clear();
        let whole = len as usize + TRAILER;
        self.packed.reserve(whole);
        let read = Read::by_ref(&mut from)
            .take(whole as u64)
            .read_to_end(&mut self.packed)?;
        if read < whole {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.unpack().ok_or_else(broken)?;
        Ok(From::Members(from))
    }

    /// Makes the content; `None` when it is not what the member's end says.
    fn unpack(&mut self) -> Option<()> {
        let (packed, trailer) = self.packed.split_last_chunk::<TRAILER>()?;
        let [crc, len] = trailer.as_chunks::<4>().0 else {
            return None;
        };
        let len = usize::try_from(u32::from_le_bytes(*len))
            .ok()
            .filter(|len| *len <= MOST)?;
        self.plain.resize(len, 0);
        // Nothing of it is handed out before its checksum has proved right.
        self.used = len;
        let made = self.decompressor.deflate_decompress(packed, &mut self.plain).ok()?;
        if made != len || libdeflater::crc32(&self.plain) != u32::from_le_bytes(*crc) {
            return None;
        }
        self.used = 0;
        Some(())
    }
}

/// The compressed length that the header of a member says, where it says one.
fn packed_len(header: &[u8]) -> Option<u32> {
    let len = u32::from_le_bytes(*header.strip_prefix(&BEGIN)?.first_chunk()?);
    // Nothing that is compressed is longer than what cannot be.
    (len as usize <= MOST + MOST / 16).then_some(len)
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a gzip member is broken")
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.plain.get(self.used..).unwrap_or_default();
            if !ready.is_empty() || buffer.is_empty() {
                let read = ready.read(buffer)?;
                self.used += read;
                return Ok(read);
            }
            self.from = match std::mem::replace(&mut self.from, From::End) {
                From::Members(from) => self.next_member(from)?,
                From::Stream(mut stream) => {
                    let read = stream.read(buffer);
                    self.from = From::Stream(stream);
                    return read;
                }
                From::End => return Ok(0),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use fstree::testing::Dice;
    use libdeflater::CompressionLvl;

    use super::*;

    fn member(bytes: &[u8]) -> Vec<u8> {
        compress(&mut Compressor::new(CompressionLvl::default()), bytes).unwrap()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        io::Write::write_all(&mut encoder, bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn read(file: &[u8]) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        // Little at a time, so that members lie across the reader's buffer.
        let from = io::BufReader::with_capacity(7, file);
        Members::new(from).read_to_end(&mut content)?;
        Ok(content)
    }

    #[test]
    fn files_of_both_kinds_of_members() {
        let (text, noise) = (b"some text ".repeat(9000), Dice::new(1).bytes(100_000));
        let long = vec![7; MOST + 1];
        let all = [text.as_slice(), &noise, b"", &text, &long, &noise].concat();
        let file = [
            member(&text),
            member(&noise),
            member(b""),
            gzip(&text),
            member(&long),
            member(&noise),
        ]
        .concat();
        assert_eq!(read(&file).unwrap(), all);
        let mut other = Vec::new();
        flate2::read::MultiGzDecoder::new(file.as_slice())
            .read_to_end(&mut other)
            .unwrap();
        assert_eq!(other, all);
        assert_eq!(read(b"").unwrap(), b"");
    }

    #[test]
    fn what_is_cut_or_flipped_is_an_error() {
        let content = b"some text ".repeat(900);
        let file = [member(&content), member(&content)].concat();
        let half = file.len() / 2;
        for len in (1..file.len()).filter(|len| *len != half) {
            read(&file[..len]).unwrap_err();
        }
        for place in 0..half {
            let mut flipped = file.clone();
            flipped[place] ^= 0x10;
            // Some bits mean nothing: those of the time, for one.
            match read(&flipped) {
                Ok(found) => assert!(found == content.repeat(2), "{place}"),
                Err(_) => assert!(place != 4, "the time"),
            }
        }
    }
}

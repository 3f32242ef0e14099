//! Gzip members that say how long they are.
//!
//! Holdfast's gzip files are made of members that were compressed on their own. In a field of the header that every
//! reader passes over, each has its compressed length: so it can be taken whole and given to the decompressor that is
//! fastest with whole buffers. What has no such field is read as the stream that it is.

use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};

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
/// Bytes that are read at once of what is read as a stream.
const BUFFER: usize = 64 << 10;

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
/// It holds up to 4 MiB of content, for Holdfast's own files a little more than one. It reads what it needs and no more,
/// a member at once, so that nothing is copied on its way to the decompressor; so `R` needs no buffer.
pub struct Members<R> {
    from: From<R>,
    decompressor: Decompressor,
    packed: Vec<u8>,
    /// Longer than what it holds, so that it has to be filled with zeros only when it grows.
    plain: Vec<u8>,
    used: usize,
    end: usize,
}

enum From<R> {
    /// Nothing is read yet.
    Begin(R),
    /// At a member, whose header was read with the one before.
    Member(R, Vec<u8>),
    /// From here on as a stream.
    Stream(Box<Stream<R>>),
    End,
}

type Stream<R> = MultiGzDecoder<BufReader<Chain<Cursor<Vec<u8>>, R>>>;

impl<R: Read> Members<R> {
    /// At the beginning of a file.
    pub fn new(from: R) -> Self {
        Self {
            from: From::Begin(from),
            decompressor: Decompressor::new(),
            packed: Vec::new(),
            plain: Vec::new(),
            used: 0,
            end: 0,
        }
    }

    fn first_member(&mut self, mut from: R) -> io::Result<From<R>> {
        let mut header = vec![0; HEADER];
        let read = fill(&mut from, &mut header)?;
        header.truncate(read);
        self.next_member(from, header)
    }

    /// Unpacks the member that begins with this header, and reads the header after it.
    fn next_member(&mut self, mut from: R, header: Vec<u8>) -> io::Result<From<R>> {
        if header.is_empty() {
            return Ok(From::End);
        }
        let Some(len) = packed_len(&header) else {
            let stream = BufReader::with_capacity(BUFFER, Cursor::new(header).chain(from));
            return Ok(From::Stream(Box::new(MultiGzDecoder::new(stream))));
        };
        let whole = len as usize + TRAILER;
        grow(&mut self.packed, whole + HEADER);
        let read = fill(&mut from, self.packed.get_mut(..whole + HEADER).unwrap_or_default())?;
        let next = self
            .packed
            .get(whole..read)
            .ok_or(io::ErrorKind::UnexpectedEof)?
            .to_vec();
        self.unpack(whole).ok_or_else(broken)?;
        Ok(From::Member(from, next))
    }

    /// Makes the content of the `whole` bytes; `None` when it is not what their end says.
    fn unpack(&mut self, whole: usize) -> Option<()> {
        let (packed, trailer) = self.packed.get(..whole)?.split_last_chunk::<TRAILER>()?;
        let [crc, len] = trailer.as_chunks::<4>().0 else {
            return None;
        };
        let len = usize::try_from(u32::from_le_bytes(*len))
            .ok()
            .filter(|len| *len <= MOST)?;
        grow(&mut self.plain, len);
        let plain = self.plain.get_mut(..len)?;
        let made = self.decompressor.deflate_decompress(packed, plain).ok()?;
        if made != len || libdeflater::crc32(plain) != u32::from_le_bytes(*crc) {
            return None;
        }
        // Nothing of it is handed out before its checksum has proved right.
        (self.used, self.end) = (0, len);
        Some(())
    }

    fn next_of(&mut self, stream: &mut Stream<R>) -> io::Result<()> {
        grow(&mut self.plain, BUFFER);
        let read = stream.read(self.plain.get_mut(..BUFFER).unwrap_or_default())?;
        (self.used, self.end) = (0, read);
        Ok(())
    }
}

/// Makes room for `len` bytes.
fn grow(buffer: &mut Vec<u8>, len: usize) {
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
}

/// Reads until the buffer is full or the stream is over; tells how much it was.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
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

impl<R: Read> BufRead for Members<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.used == self.end {
            self.from = match std::mem::replace(&mut self.from, From::End) {
                From::Begin(from) => self.first_member(from)?,
                From::Member(from, header) => self.next_member(from, header)?,
                From::Stream(mut stream) => {
                    let read = self.next_of(&mut stream);
                    self.from = From::Stream(stream);
                    read?;
                    break;
                }
                From::End => break,
            };
        }
        Ok(self.plain.get(self.used..self.end).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.used = self.used.saturating_add(amount).min(self.end);
    }
}

impl<R: Read> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
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

    /// Hands out at most seven bytes at a time.
    struct Sips<'a>(&'a [u8]);

    impl Read for Sips<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = buffer.len().min(7);
            self.0.read(&mut buffer[..most])
        }
    }

    fn read(file: &[u8]) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        // Little at a time, so that members lie across what is read at once.
        Members::new(Sips(file)).read_to_end(&mut content)?;
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

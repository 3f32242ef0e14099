//! Reading a gzip file, member by member where they say how long they are.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};

use flate2::bufread::MultiGzDecoder;
use libdeflater::Decompressor;

use super::unpack::{Coming, Member, Unpacker, Unpackers};
use super::{HEADER, TRAILER, packed_len};

/// Bytes that are read at once of what is read as a stream.
const BUFFER: usize = 64 << 10;

/// Reads gzip files of any kind, and takes members that say how long they are whole.
///
/// A member holds up to 4 MiB of content, for Holdfast's own files a little more than one. It reads what it needs and no
/// more, a member at once, so that nothing is copied on its way to the decompressor; so `R` needs no buffer.
pub struct Members<R> {
    from: From<R>,
    unpacker: Unpacker,
    /// What is being unpacked, in the order of the file.
    coming: VecDeque<Coming>,
    /// What went wrong behind that.
    failed: Option<io::Error>,
    current: Member,
    used: usize,
    /// Buffers for the next.
    spare: Vec<Member>,
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
    /// At the beginning of a file, which is unpacked while it is read.
    pub fn new(from: R) -> Self {
        Self::with(from, Unpacker::Here(Box::new(Decompressor::new())))
    }

    /// At the beginning of a file, which is unpacked beside, some members ahead.
    pub fn beside(from: R, unpackers: Unpackers) -> Self {
        Self::with(from, Unpacker::Beside(unpackers))
    }

    fn with(from: R, unpacker: Unpacker) -> Self {
        Self {
            from: From::Begin(from),
            unpacker,
            coming: VecDeque::new(),
            failed: None,
            current: Member::default(),
            used: 0,
            spare: Vec::new(),
        }
    }

    /// Reads and gives away as many members as are to be unpacked ahead.
    fn look_ahead(&mut self) {
        while self.coming.len() < self.unpacker.ahead() {
            let next = match std::mem::replace(&mut self.from, From::End) {
                From::Begin(from) => first_header(from),
                From::Member(from, header) => self.next_member(from, header),
                as_it_is => {
                    self.from = as_it_is;
                    return;
                }
            };
            match next {
                Ok(next) => self.from = next,
                Err(error) => self.failed = Some(error),
            }
        }
    }

    /// Gives away the member that begins with this header, and reads the header after it.
    fn next_member(&mut self, mut from: R, header: Vec<u8>) -> io::Result<From<R>> {
        if header.is_empty() {
            return Ok(From::End);
        }
        let Some(len) = packed_len(&header) else {
            let stream = BufReader::with_capacity(BUFFER, Cursor::new(header).chain(from));
            return Ok(From::Stream(Box::new(MultiGzDecoder::new(stream))));
        };
        let whole = len + TRAILER;
        let mut member = self.spare.pop().unwrap_or_default();
        let room = member.room(whole + HEADER);
        let read = fill(&mut from, room)?;
        let next = room.get(whole..read).ok_or(io::ErrorKind::UnexpectedEof)?.to_vec();
        member.shorten(HEADER);
        self.coming.push_back(self.unpacker.begin(member));
        Ok(From::Member(from, next))
    }

    /// Takes what comes next; nothing at the end.
    fn go_on(&mut self) -> io::Result<bool> {
        self.look_ahead();
        self.used = 0;
        self.current.set_plain(0);
        if let Some(coming) = self.coming.pop_front() {
            let Some(member) = coming.wait() else {
                // Nothing behind it is told.
                self.coming.clear();
                (self.from, self.failed) = (From::End, None);
                return Err(broken());
            };
            self.spare.push(std::mem::replace(&mut self.current, member));
            return Ok(true);
        }
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let From::Stream(stream) = &mut self.from else {
            return Ok(false);
        };
        let read = stream.read(self.current.plain_room(BUFFER))?;
        self.current.set_plain(read);
        Ok(read > 0)
    }
}

fn first_header<R: Read>(mut from: R) -> io::Result<From<R>> {
    let mut header = vec![0; HEADER];
    let read = fill(&mut from, &mut header)?;
    header.truncate(read);
    Ok(From::Member(from, header))
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

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a gzip member is broken")
}

impl<R: Read> BufRead for Members<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.used == self.current.content().len() && self.go_on()? {}
        Ok(self.current.content().get(self.used..).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.used = self.used.saturating_add(amount).min(self.current.content().len());
    }
}

impl<R: Read> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

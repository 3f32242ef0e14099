//! Reading a tar stream entry by entry.

use std::io::{self, BufRead, Read};

use super::header::{Block, parse};
use super::pax::Records;
use super::{BLOCK, Header, TarError, TarResult};

/// Bytes of pax records before one entry at the most: room for a great many attributes.
const MOST_RECORDS: u64 = 16 << 20;
/// Bytes of a long name at the most.
const MOST_NAME: u64 = 1 << 20;
/// Room that is made for data before any of it has come.
const ROOM: usize = 1 << 20;

/// Reads entries one after the other: pax, GNU and ustar, as any program wrote them.
///
/// The stream is over at the first block of zeros, or where it ends between two entries. What follows the zeros is read
/// and dropped, so that a checksum of the layer below is verified.
pub(crate) struct TarReader<R> {
    stream: R,
    /// Bytes of the current entry that were not read yet.
    left: u64,
    /// Zeros that follow them.
    padding: u64,
    done: bool,
}

impl<R: BufRead> TarReader<R> {
    /// Reads from the stream's beginning.
    pub(crate) const fn new(stream: R) -> Self {
        Self {
            stream,
            left: 0,
            padding: 0,
            done: false,
        }
    }

    /// The next entry; what is left of the last one's data is passed over. `None` at the end.
    pub(crate) fn next(&mut self) -> TarResult<Option<Header>> {
        if self.done {
            return Ok(None);
        }
        self.skip(self.left.saturating_add(self.padding))?;
        (self.left, self.padding) = (0, 0);
        let mut records = Records::default();
        let mut any = false;
        loop {
            let Some(block) = self.block()? else {
                self.done = true;
                return if any { Err(TarError::Truncated) } else { Ok(None) };
            };
            match parse(&block)? {
                Block::Zero => {
                    self.done = true;
                    self.drop_rest()?;
                    return if any { Err(TarError::Truncated) } else { Ok(None) };
                }
                Block::Pax(size) => records.parse(&self.whole(size, MOST_RECORDS)?)?,
                Block::Global(size) => {
                    let size = size.checked_add(padding(size)).ok_or(TarError::Truncated)?;
                    self.skip(size)?;
                    continue;
                }
                Block::LongName(size) => records.set_name(until_nul(self.whole(size, MOST_NAME)?)),
                Block::LongLink(size) => records.set_link(until_nul(self.whole(size, MOST_NAME)?)),
                Block::Entry(mut header) => {
                    records.apply(&mut header);
                    self.left = header.size;
                    self.padding = padding(header.size);
                    return Ok(Some(header));
                }
            }
            any = true;
        }
    }

    /// The next `most` bytes of the current entry's data, or what is left of it where that is less.
    pub(crate) fn read(&mut self, most: usize) -> TarResult<Vec<u8>> {
        let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(most);
        let mut data = Vec::with_capacity(length.min(ROOM));
        while data.len() < length {
            let ready = self.ready()?;
            let part = ready.get(..length - data.len()).unwrap_or(ready);
            if part.is_empty() {
                return Err(TarError::Truncated);
            }
            data.extend_from_slice(part);
            let read = part.len();
            self.stream.consume(read);
            self.left -= read as u64;
        }
        Ok(data)
    }

    /// What can be taken without waiting, at least a byte; nothing at the end of the stream.
    fn ready(&mut self) -> io::Result<&[u8]> {
        loop {
            match self.stream.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(_) => break,
            }
        }
        // It is at hand now, so this costs nothing.
        self.stream.fill_buf()
    }

    fn block(&mut self) -> TarResult<Option<[u8; BLOCK]>> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while let Some(window) = block.get_mut(filled..).filter(|window| !window.is_empty()) {
            match self.stream.read(window) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(TarError::Truncated),
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Some(block))
    }

    /// The data of a block that belongs to the next entry.
    fn whole(&mut self, size: u64, most: u64) -> TarResult<Vec<u8>> {
        if size > most {
            return Err(TarError::Malformed("a name or record that is too long"));
        }
        let mut data = Vec::new();
        (&mut self.stream).take(size).read_to_end(&mut data)?;
        if (data.len() as u64) < size {
            return Err(TarError::Truncated);
        }
        self.skip(padding(size))?;
        Ok(data)
    }

    fn skip(&mut self, mut count: u64) -> TarResult<()> {
        while count > 0 {
            let ready = self.ready()?.len();
            if ready == 0 {
                return Err(TarError::Truncated);
            }
            let step = usize::try_from(count).unwrap_or(ready).min(ready);
            self.stream.consume(step);
            count -= step as u64;
        }
        Ok(())
    }

    fn drop_rest(&mut self) -> io::Result<()> {
        loop {
            match self.ready()?.len() {
                0 => return Ok(()),
                ready => self.stream.consume(ready),
            }
        }
    }
}

/// What is missing to the next multiple of the block.
const fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}

fn until_nul(mut name: Vec<u8>) -> Vec<u8> {
    if let Some(end) = name.iter().position(|byte| *byte == 0) {
        name.truncate(end);
    }
    name
}

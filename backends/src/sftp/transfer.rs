//! Reads and writes of many bytes, with many requests under way.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::Arc;

use super::errors::Problem;
use super::requests::{Answer, Handle};
use super::wire::Packet;

/// Bytes of one file that are under way at once: enough for a line of 100 MB/s at 40 ms.
const WINDOW: usize = 4 << 20;

/// Fills `buffer` from the file's bytes at `offset`, and says how many there were: fewer only at the end.
pub(super) fn read(file: &Handle, offset: u64, buffer: &mut [u8]) -> Result<usize, Problem> {
    let step = file.link().limits().read;
    let total = buffer.len();
    let mut reads = Reads {
        file,
        offset,
        under_way: VecDeque::new(),
    };
    let (mut asked, mut end) = (0, total);
    while asked < end || !reads.under_way.is_empty() {
        if asked < end && reads.under_way.len() * step < WINDOW {
            let length = step.min(total - asked);
            reads.ask(asked, length)?;
            asked += length;
            continue;
        }
        end = end.min(reads.take(buffer)?);
    }
    Ok(end)
}

struct Reads<'a> {
    file: &'a Handle,
    offset: u64,
    /// Each with its place in the buffer.
    under_way: VecDeque<(Answer, usize, usize)>,
}

impl Reads<'_> {
    fn ask(&mut self, at: usize, length: usize) -> Result<(), Problem> {
        let answer = self.file.read(self.offset.saturating_add(at as u64), length)?;
        self.under_way.push_back((answer, at, length));
        Ok(())
    }

    /// Takes the oldest answer; the place where the file ends, when it shows that.
    fn take(&mut self, buffer: &mut [u8]) -> Result<usize, Problem> {
        let Some((answer, at, length)) = self.under_way.pop_front() else {
            return Ok(usize::MAX);
        };
        let place = buffer.get_mut(at..at + length).unwrap_or_default();
        match answer.data(place)? {
            0 => return Ok(at),
            read if read < length => self.ask(at + read, length - read)?,
            _ => {}
        }
        Ok(usize::MAX)
    }
}

/// A read whose requests are under way, and whose buffer comes later.
pub(super) struct Batch {
    offset: u64,
    under_way: VecDeque<(Answer, usize, usize)>,
}

impl Batch {
    /// Asks for `length` bytes at `offset`.
    pub(super) fn ask(file: &Handle, offset: u64, length: usize) -> Result<Self, Problem> {
        let step = file.link().limits().read;
        let mut reads = Reads {
            file,
            offset,
            under_way: VecDeque::new(),
        };
        for at in (0..length).step_by(step) {
            reads.ask(at, step.min(length - at))?;
        }
        Ok(Self {
            offset,
            under_way: reads.under_way,
        })
    }

    /// Fills the buffer that it was asked for, and says how much there was: less only at the end.
    pub(super) fn fill(self, file: &Handle, buffer: &mut [u8]) -> Result<usize, Problem> {
        let mut reads = Reads {
            file,
            offset: self.offset,
            under_way: self.under_way,
        };
        let mut end = buffer.len();
        while !reads.under_way.is_empty() {
            end = end.min(reads.take(buffer)?);
        }
        Ok(end)
    }
}

/// The first `most` bytes of a file that had `size` a moment ago, asked for at once with what would show that it has grown.
pub(super) fn read_start(file: &Handle, size: u64, most: usize) -> Result<Vec<u8>, Problem> {
    let known = usize::try_from(size).unwrap_or(most).min(most);
    let asked = Batch::ask(file, 0, known)?;
    let more = (known < most).then(|| Batch::ask(file, known as u64, 1)).transpose()?;
    let mut content = vec![0; known];
    let read = asked.fill(file, &mut content)?;
    content.truncate(read);
    if let Some(more) = more
        && more.fill(file, &mut [0])? > 0
        && read == known
    {
        content.resize(most, 0);
        let rest = content.get_mut(known..).unwrap_or_default();
        let grown = self::read(file, known as u64, rest)?;
        content.truncate(known + grown);
    }
    Ok(content)
}

/// Writes to one file that are under way.
#[derive(Default)]
pub(super) struct Writes {
    under_way: VecDeque<(Answer, usize)>,
    bytes: usize,
}

impl Writes {
    /// Sends what `body` gives, up to `most` bytes, to the file's place `offset`, and says how much that was.
    pub(super) fn send(
        &mut self,
        file: &Handle,
        offset: u64,
        body: &mut dyn Read,
        most: usize,
    ) -> Result<usize, Problem> {
        let most = most.min(file.link().limits().write);
        let (packet, length) = file
            .writing(offset, most)
            .string_from(body, most)
            .map_err(|error| Problem::Body(Arc::new(error)))?;
        if length > 0 {
            self.push(file, packet, length)?;
        }
        Ok(length)
    }

    fn push(&mut self, file: &Handle, packet: Packet, length: usize) -> Result<(), Problem> {
        self.under_way
            .push_back((Answer::new(file.link().request(packet, 0)?), length));
        self.bytes += length;
        while self.bytes > file.link().window().bytes()
            || self.under_way.front().is_some_and(|(answer, _)| answer.is_there())
        {
            self.take()?;
        }
        Ok(())
    }

    fn take(&mut self) -> Result<(), Problem> {
        let Some((answer, length)) = self.under_way.pop_front() else {
            return Ok(());
        };
        self.bytes -= length;
        answer.done()
    }

    /// Waits for all of them.
    pub(super) fn finish(&mut self) -> Result<(), Problem> {
        if let Some((last, _)) = self.under_way.back() {
            last.come();
        }
        while !self.under_way.is_empty() {
            self.take()?;
        }
        Ok(())
    }
}

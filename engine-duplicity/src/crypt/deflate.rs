//! Raw deflate on several threads.
//!
//! The content is cut into pieces, each compressed on its own up to a byte's border with the stream left open: one after
//! the other they are one stream.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};
use flate2::{Compress, Compression, FlushCompress, Status};

/// Bytes that are compressed at once.
const PIECE: usize = 512 << 10;
/// Threads at the most.
const THREADS: usize = 4;
/// An empty last block.
const END: [u8; 2] = [3, 0];

/// Compresses what is written and hands it on in order.
pub(super) struct Deflater<W> {
    to: W,
    piece: Vec<u8>,
    /// The threads, once there is more than one piece.
    jobs: Option<Sender<Job>>,
    /// What becomes of the pieces that are being compressed, and how long they are.
    waiting: VecDeque<(usize, Receiver<io::Result<Vec<u8>>>)>,
    most_waiting: usize,
    plain_len: u64,
    packed_len: u64,
}

struct Job {
    piece: Vec<u8>,
    done: Sender<io::Result<Vec<u8>>>,
}

impl<W: Write> Deflater<W> {
    pub(super) fn new(to: W) -> Self {
        Self {
            to,
            piece: Vec::new(),
            jobs: None,
            waiting: VecDeque::new(),
            most_waiting: 0,
            plain_len: 0,
            packed_len: 0,
        }
    }

    /// About how many bytes will still come of what was written.
    #[allow(clippy::cast_possible_truncation, reason = "it is less than what is in memory")]
    pub(super) fn held(&self) -> u64 {
        let held = self.piece.len() + self.waiting.iter().map(|(len, _)| len).sum::<usize>();
        let ratio = u128::from(self.packed_len.max(1)) * held as u128;
        if self.plain_len == 0 {
            held as u64
        } else {
            (ratio / u128::from(self.plain_len)) as u64
        }
    }

    /// Writes what is left and the end of the stream.
    pub(super) fn finish(mut self) -> io::Result<W> {
        while !self.waiting.is_empty() {
            self.next()?;
        }
        if !self.piece.is_empty() {
            let packed = compress(&mut compressor(), &self.piece)?;
            self.to.write_all(&packed)?;
        }
        self.to.write_all(&END)?;
        Ok(self.to)
    }

    fn send(&mut self) -> io::Result<()> {
        let jobs = match &self.jobs {
            Some(jobs) => jobs.clone(),
            None => self.start()?,
        };
        if self.waiting.len() >= self.most_waiting {
            self.next()?;
        }
        let (done, packed) = bounded(1);
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        self.waiting.push_back((piece.len(), packed));
        jobs.send(Job { piece, done }).map_err(|_| ended())
    }

    fn start(&mut self) -> io::Result<Sender<Job>> {
        let threads = thread::available_parallelism().map_or(2, usize::from).min(THREADS);
        let (jobs, of_threads) = bounded::<Job>(threads);
        for _ in 0..threads {
            let jobs = of_threads.clone();
            // It ends when the last sender is dropped.
            thread::Builder::new().name("deflate".to_owned()).spawn(move || {
                let mut with = compressor();
                for Job { piece, done } in jobs {
                    // Nobody waits for it when the message was given up.
                    let _ = done.send(compress(&mut with, &piece));
                }
            })?;
        }
        self.most_waiting = threads + 1;
        self.jobs = Some(jobs.clone());
        Ok(jobs)
    }

    /// Writes the piece that comes next.
    fn next(&mut self) -> io::Result<()> {
        let Some((len, packed)) = self.waiting.pop_front() else {
            return Ok(());
        };
        let packed = packed.recv().map_err(|_| ended())??;
        self.plain_len += len as u64;
        self.packed_len += packed.len() as u64;
        self.to.write_all(&packed)
    }
}

impl<W: Write> Write for Deflater<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = PIECE - self.piece.len();
        let (now, _) = bytes.split_at(bytes.len().min(room));
        self.piece.extend_from_slice(now);
        if self.piece.len() == PIECE {
            self.send()?;
        }
        Ok(now.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn compressor() -> Compress {
    Compress::new(Compression::default(), false)
}

fn compress(with: &mut Compress, piece: &[u8]) -> io::Result<Vec<u8>> {
    with.reset();
    let mut out = Vec::with_capacity(piece.len() + piece.len() / 64 + 64);
    let mut rest = piece;
    loop {
        let before = with.total_in();
        let status = with.compress_vec(rest, &mut out, FlushCompress::Sync)?;
        let used = usize::try_from(with.total_in() - before).unwrap_or(usize::MAX);
        rest = rest.get(used..).unwrap_or_default();
        // The border has been reached when there is room left.
        if rest.is_empty() && out.len() < out.capacity() {
            return Ok(out);
        }
        if status != Status::Ok && status != Status::BufError {
            return Err(io::Error::other("the compressor has ended the stream"));
        }
        out.reserve(PIECE / 8);
    }
}

fn ended() -> io::Error {
    io::Error::other("a thread that compresses has ended")
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use fstree::testing::Dice;

    use super::*;

    #[test]
    fn pieces_are_one_stream() {
        for len in [0, 1, PIECE - 1, PIECE, PIECE + 1, 7 * PIECE + 3] {
            let content = [Dice::new(1).bytes(len / 2), b"text ".repeat(len)].concat();
            let content = &content[..len];
            let mut deflater = Deflater::new(Vec::new());
            for part in content.chunks(100_003) {
                deflater.write_all(part).unwrap();
            }
            assert!(deflater.held() <= (THREADS as u64 + 2) * PIECE as u64);
            let packed = deflater.finish().unwrap();
            let mut found = Vec::new();
            let mut decoder = flate2::bufread::DeflateDecoder::new(packed.as_slice());
            decoder.read_to_end(&mut found).unwrap();
            assert!(found == content, "{len}");
            assert_eq!(decoder.total_in(), packed.len() as u64);
        }
    }
}

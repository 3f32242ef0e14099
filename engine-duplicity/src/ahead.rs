//! A gzip file that is unpacked on a thread of its own, a little ahead of whoever reads it.

use std::io::{self, BufReader, Read};
use std::thread::Scope;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::members::Members;

/// Bytes that are read at once.
const BUFFER: usize = 64 << 10;
/// Members that wait: one more is being made, and one being read.
const WAITING: usize = 1;

/// The content of the file.
struct Ahead {
    /// An empty one is the end.
    full: Receiver<io::Result<Vec<u8>>>,
    /// The way back, so that memory is used again.
    empty: Sender<Vec<u8>>,
    current: Vec<u8>,
    used: usize,
    ended: bool,
}

/// The content of the gzip file `from`.
pub fn gunzip<'s, 'e: 's>(scope: &'s Scope<'s, 'e>, from: Box<dyn Read + Send + 'e>) -> Box<dyn Read + Send + 'e> {
    let (full_in, full) = bounded(WAITING);
    let (empty, empty_out) = bounded(WAITING + 2);
    scope.spawn(move || unpack(from, &full_in, &empty_out));
    Box::new(Ahead {
        full,
        empty,
        current: Vec::new(),
        used: 0,
        ended: false,
    })
}

/// Ends with the file, with an error, or when nobody listens any more.
fn unpack(from: Box<dyn Read + Send + '_>, full: &Sender<io::Result<Vec<u8>>>, empty: &Receiver<Vec<u8>>) {
    let mut members = Members::new(BufReader::with_capacity(BUFFER, from));
    loop {
        let mut buffer = empty.try_recv().unwrap_or_default();
        let made = members.next(&mut buffer);
        let last = !matches!(made, Ok(true));
        let message = made.map(|more| if more { buffer } else { Vec::new() });
        if full.send(message).is_err() || last {
            return;
        }
    }
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.used == self.current.len() && !self.ended && !buffer.is_empty() {
            let broken = |_| io::Error::other("the thread that unpacks broke down");
            let next = self.full.recv().map_err(broken).flatten();
            self.ended = next.as_ref().map_or(true, Vec::is_empty);
            let done = std::mem::replace(&mut self.current, next?);
            self.used = 0;
            // Whether it is of use is the other thread's business.
            let _ = self.empty.try_send(done);
        }
        let mut ready = self.current.get(self.used..).unwrap_or_default();
        let read = ready.read(buffer)?;
        self.used += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use fstree::testing::Dice;
    use libdeflater::{CompressionLvl, Compressor};

    use super::*;
    use crate::members::compress;

    fn read(file: Vec<u8>) -> io::Result<Vec<u8>> {
        std::thread::scope(|scope| {
            let mut content = Vec::new();
            gunzip(scope, Box::new(io::Cursor::new(file))).read_to_end(&mut content)?;
            Ok(content)
        })
    }

    fn member(bytes: &[u8]) -> Vec<u8> {
        compress(&mut Compressor::new(CompressionLvl::default()), bytes).unwrap()
    }

    fn stream(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        io::Write::write_all(&mut encoder, bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn members_and_streams_come_back_whole() {
        let mut dice = Dice::new(4);
        let parts: Vec<Vec<u8>> = [1, 0, 700_000, 3, 1_000_000].map(|len| dice.bytes(len)).to_vec();
        let whole = parts.concat();
        let members: Vec<u8> = parts.iter().flat_map(|part| member(part)).collect();
        assert_eq!(read(members.clone()).unwrap(), whole);
        assert_eq!(read(stream(&whole)).unwrap(), whole);
        let mixed = [members, stream(&whole)].concat();
        assert_eq!(read(mixed).unwrap(), [whole.clone(), whole].concat());
        assert_eq!(read(Vec::new()).unwrap(), b"");
    }

    #[test]
    fn what_is_cut_is_an_error_and_not_an_end() {
        let mut dice = Dice::new(5);
        for file in [member(&dice.bytes(50_000)), stream(&dice.bytes(50_000))] {
            for len in [1, 19, 20, 1000, file.len() - 1] {
                read(file[..len].to_vec()).unwrap_err();
            }
        }
    }

    #[test]
    fn who_stops_reading_is_not_waited_for() {
        let file: Vec<u8> = (0..40).flat_map(|_| member(&[7; 100_000])).collect();
        std::thread::scope(|scope| {
            let mut reader = gunzip(scope, Box::new(io::Cursor::new(file)));
            reader.read_exact(&mut [0; 10]).unwrap();
        });
    }
}

//! Members of both kinds, whole and damaged, unpacked by the reader and beside it.

use std::io::{self, Read};

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

/// What the reader makes of the file, with and without threads beside it, which has to be the same.
fn read(file: &[u8]) -> io::Result<Vec<u8>> {
    let (mut content, mut beside) = (Vec::new(), Vec::new());
    // Little at a time, so that members lie across what is read at once.
    let here = Members::new(Sips(file)).read_to_end(&mut content);
    let there = std::thread::scope(|scope| {
        let unpackers = Unpackers::start(scope, 2, 3);
        Members::beside(Sips(file), unpackers).read_to_end(&mut beside)
    });
    assert_eq!(
        here.as_ref().map_err(io::Error::kind).ok(),
        there.as_ref().map_err(io::Error::kind).ok()
    );
    assert!(content == beside, "the same up to the damage");
    here.map(|_| content)
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

//! What is wrong is an error, and what is right needs little.

use std::io::Write;

use super::{base, patched, unhex};
use crate::{Error, Kind, Layout, Patched, ReadAt, Signature, Spool, compose, patch};

fn patch_fails(delta: &str) -> Error {
    let delta = unhex(delta);
    let error = patch(&base(), delta.as_slice(), &mut Vec::new()).unwrap_err();
    let composed = compose(&base(), &[&delta], &mut Vec::new()).unwrap_err();
    let what = std::mem::discriminant::<Error>;
    assert_eq!(
        what(&error),
        what(&composed),
        "both ways find the same: {error}, {composed}"
    );
    error
}

#[test]
fn wrong_deltas() {
    let truncated = |delta| matches!(patch_fails(delta), Error::Truncated { .. });
    assert!(truncated(""));
    assert!(truncated("727302"));
    assert!(truncated("72730236"), "no end");
    assert!(truncated("72730236 02 41"), "a literal cut off");
    assert!(truncated("72730236 46 00"), "operands cut off");
    assert!(
        truncated("72730236 44 7fffffffffffff00 41"),
        "a literal longer than all there is"
    );
    assert!(matches!(patch_fails("72730136 00"), Error::Magic { .. }));
    assert!(matches!(
        patch_fails("72730236 55 00"),
        Error::Command { opcode: 0x55, at: 4 }
    ));
    assert!(matches!(
        patch_fails("72730236 ff"),
        Error::Command { opcode: 0xff, .. }
    ));
    assert!(matches!(patch_fails("72730236 00 00"), Error::Trailing { at: 5 }));
    assert!(matches!(
        patch_fails("72730236 46 00 044d 00"),
        Error::OutOfBasis { len: 1101, .. }
    ));
    assert!(matches!(
        patch_fails("72730236 54 ffffffffffffffff 0000000000000002 00"),
        Error::OutOfBasis { .. }
    ));
    assert!(matches!(patch_fails("72730236 44 ffffffffffffffff"), Error::TooLong));
    assert!(matches!(
        patch_fails("72730236 45 00 02 44 7fffffffffffffff"),
        Error::TooLong
    ));
}

#[test]
fn copies_of_every_width() {
    let base = base();
    for (log_offset, offset) in (0u8..).zip([1, 2, 4, 8]) {
        for (log_len, len) in (0u8..).zip([1, 2, 4, 8]) {
            let mut delta = unhex("72730236");
            delta.push(0x45 + 4 * log_offset + log_len);
            delta.extend(&7u64.to_be_bytes()[8 - offset..]);
            delta.extend(&9u64.to_be_bytes()[8 - len..]);
            delta.push(0);
            assert_eq!(patched(&base, &delta), &base[7..16]);
        }
    }
}

#[test]
fn wrong_signatures() {
    let parse = |text: &str| Signature::parse(unhex(text));
    assert!(parse("72730136 00000200 00000008").is_ok());
    assert!(matches!(parse("72730136 00000200"), Err(Error::Truncated { .. })));
    assert!(matches!(
        parse("72730136 00000200 00000008 00"),
        Err(Error::Truncated { .. })
    ));
    assert!(matches!(parse("72730236 00000200 00000008"), Err(Error::Magic { .. })));
    assert!(matches!(parse("72730136 00000000 00000008"), Err(Error::Layout { .. })));
    assert!(matches!(parse("72730136 ffffffff 00000008"), Err(Error::Layout { .. })));
    assert!(matches!(parse("72730136 00000200 00000000"), Err(Error::Layout { .. })));
    assert!(matches!(parse("72730136 00000200 00000011"), Err(Error::Layout { .. })));
    assert!(parse("72730137 00000200 00000011").is_ok());
    assert!(Layout::new(Kind::RabinKarpBlake2, 512, 33).is_err());
}

/// Each delta doubles the file before it: what a list of all parts would be of 2^60 entries.
#[test]
fn deltas_of_deltas_take_no_memory_of_their_own() {
    let old = vec![b'x'];
    let deltas: Vec<Vec<u8>> = (0..60u32)
        .map(|level| {
            let len = hex_u64(1 << level);
            unhex(&format!("72730236 48 00 {len} 48 00 {len} 00"))
        })
        .collect();
    let mut newest: Box<dyn ReadAt> = Box::new(old);
    for delta in deltas {
        newest = Box::new(Patched::open(newest, delta).unwrap());
    }
    assert_eq!(newest.size().unwrap(), 1 << 60);
    let mut one = [0];
    assert_eq!(newest.read_at(&mut one, (1 << 60) - 1).unwrap(), 1);
    assert_eq!(one, [b'x']);
    assert_eq!(newest.read_at(&mut one, 1 << 60).unwrap(), 0);
}

fn hex_u64(number: u64) -> String {
    format!("{number:016x}")
}

#[test]
fn a_basis_that_shrinks_is_an_error() {
    struct Shrunk(Vec<u8>);
    impl ReadAt for Shrunk {
        fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
            self.0.read_at(buffer, offset)
        }
        fn size(&self) -> std::io::Result<u64> {
            Ok(1100)
        }
    }
    let shrunk = Shrunk(base()[..1000].to_vec());
    let delta = unhex("72730236 46 00 044c 00");
    assert!(matches!(
        patch(&shrunk, delta.as_slice(), &mut Vec::new()),
        Err(Error::Read { .. })
    ));
    assert!(matches!(
        compose(&shrunk, &[&delta], &mut Vec::new()),
        Err(Error::Read { .. })
    ));
}

#[test]
fn a_spool_reads_the_same_in_memory_and_in_a_file() {
    for most in [0, 10, 2000, usize::MAX] {
        let mut spool = Spool::new(most, std::env::temp_dir());
        for piece in base().chunks(33) {
            spool.write_all(piece).unwrap();
        }
        assert_eq!(spool.size().unwrap(), 1100);
        let mut part = [0; 100];
        assert_eq!(spool.read_at(&mut part, 500).unwrap(), 100);
        assert_eq!(part, base()[500..600]);
        assert_eq!(spool.read_at(&mut part, 1050).unwrap(), 50);
        assert_eq!(spool.read_at(&mut part, 5000).unwrap(), 0);
    }
}

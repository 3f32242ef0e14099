use std::io::{ErrorKind, Read};

use super::super::{OpenPgp, OpenPgpSettings};
use super::{content, opened, sealed, with_passphrases};
use crate::container::Cipher;

#[test]
fn a_wrong_passphrase_is_told_before_anything_is_read() {
    let message = sealed(&with_passphrases(&["right"]), &content(5000));
    let wrong = OpenPgp::new(&with_passphrases(&["wrong", "Right"])).unwrap();
    let error = wrong.open(Box::new(message.as_slice())).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.to_string().contains("none of 2 passphrases"), "{error}");

    let none = OpenPgp::new(&OpenPgpSettings::default()).unwrap();
    let error = none.open(Box::new(message.as_slice())).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
}

#[test]
fn any_of_the_passphrases_opens() {
    let message = sealed(&with_passphrases(&["old"]), &content(5000));
    assert_eq!(
        opened(&with_passphrases(&["new", "old"]), &message).unwrap(),
        content(5000)
    );
}

/// Bits flipped from the beginning to the end: the content comes out as it was or not at all.
#[test]
fn a_flipped_bit_is_an_error() {
    let settings = with_passphrases(&["x"]);
    let whole = content(3000);
    let message = sealed(&settings, &whole);
    let cipher = OpenPgp::new(&settings).unwrap();
    // The first bytes say how the key is derived: each takes long to try, and damage there is a wrong passphrase.
    for at in (0..5).chain(13..message.len()) {
        let mut damaged = message.clone();
        damaged[at] ^= 1 << (at % 8);
        let mut found = Vec::new();
        let read = cipher
            .open(Box::new(damaged.as_slice()))
            .and_then(|mut from| from.read_to_end(&mut found));
        let kind = read.expect_err(&format!("byte {at}")).kind();
        assert!(
            matches!(kind, ErrorKind::InvalidData | ErrorKind::PermissionDenied),
            "byte {at}: {kind:?}"
        );
    }
}

#[test]
fn a_message_cut_off_is_an_error() {
    let settings = with_passphrases(&["x"]);
    let message = sealed(&settings, &content(200_000));
    let cipher = OpenPgp::new(&settings).unwrap();
    let lens = (0..200)
        .chain((200..message.len()).step_by(997))
        .chain(message.len() - 30..message.len());
    for len in lens {
        let mut found = Vec::new();
        let read = cipher
            .open(Box::new(&message[..len]))
            .and_then(|mut from| from.read_to_end(&mut found));
        let kind = read.expect_err(&format!("{len} bytes")).kind();
        assert_eq!(kind, ErrorKind::InvalidData, "{len} bytes");
    }
}

#[test]
fn other_files_are_no_messages() {
    let settings = with_passphrases(&["x"]);
    for bytes in [
        &b""[..],
        b"x",
        b"\x1f\x8b\x08\x00",
        &[0; 1000],
        &[0xff; 1000],
        &[0xcb, 2, b'b', 0],
    ] {
        assert_eq!(opened(&settings, bytes).unwrap_err().kind(), ErrorKind::InvalidData);
    }
}

/// The storage's own failure is not taken for damage.
#[test]
fn a_failing_source_fails_as_it_does() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(ErrorKind::TimedOut.into())
        }
    }
    let settings = with_passphrases(&["x"]);
    let message = sealed(&settings, &content(500_000));
    let cipher = OpenPgp::new(&settings).unwrap();
    let source = message[..300_000.min(message.len() / 2)].chain(Failing);
    let mut found = Vec::new();
    let read = cipher
        .open(Box::new(source))
        .and_then(|mut from| from.read_to_end(&mut found));
    assert_eq!(read.unwrap_err().kind(), ErrorKind::TimedOut);
}

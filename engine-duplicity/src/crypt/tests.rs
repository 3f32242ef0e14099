//! Messages to and from GnuPG, and what is no message.

mod damage;
mod gnupg;
mod program;

use std::io::{self, Read, Write};

use zeroize::Zeroizing;

use super::{OpenPgp, OpenPgpSettings};
use crate::container::Cipher;

/// Bytes that compress and bytes that do not, the same in every run.
fn content(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let byte = |at: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        if (at / 1000).is_multiple_of(2) {
            b'a'
        } else {
            state.to_le_bytes()[3]
        }
    };
    (0..len).map(byte).collect()
}

fn with_passphrases(passphrases: &[&str]) -> OpenPgpSettings {
    OpenPgpSettings {
        passphrases: passphrases
            .iter()
            .map(|text| Zeroizing::new((*text).to_owned()))
            .collect(),
        ..OpenPgpSettings::default()
    }
}

fn sealed(settings: &OpenPgpSettings, content: &[u8]) -> Vec<u8> {
    let cipher = OpenPgp::new(settings).unwrap();
    let mut message = Vec::new();
    let mut seal = cipher.seal(Box::new(&mut message)).unwrap();
    content.chunks(10_001).for_each(|piece| seal.write_all(piece).unwrap());
    seal.finish().unwrap();
    message
}

fn opened(settings: &OpenPgpSettings, message: &[u8]) -> io::Result<Vec<u8>> {
    let cipher = OpenPgp::new(settings).unwrap();
    let mut content = Vec::new();
    cipher.open(Box::new(message))?.read_to_end(&mut content)?;
    Ok(content)
}

#[test]
fn what_is_sealed_is_opened() {
    for compression in [true, false] {
        let settings = OpenPgpSettings {
            compression,
            ..with_passphrases(&["correct horse"])
        };
        for len in [
            0,
            1,
            185,
            186,
            191,
            192,
            8383,
            8384,
            65_529,
            65_530,
            65_536,
            1 << 20,
            3_500_001,
        ] {
            let content = content(len);
            assert!(
                opened(&settings, &sealed(&settings, &content)).unwrap() == content,
                "{len}"
            );
        }
    }
}

#[test]
fn without_anything_to_encrypt_with_nothing_is_written() {
    let cipher = OpenPgp::new(&OpenPgpSettings::default()).unwrap();
    let mut message = Vec::new();
    let error = cipher.seal(Box::new(&mut message)).err().unwrap();
    assert!(
        error.to_string().contains("neither a passphrase nor a public key"),
        "{error}"
    );
    assert!(message.is_empty());
}

#[test]
fn what_is_no_key_is_refused() {
    let bytes: [&[u8]; 3] = [b"", b"-----BEGIN PGP PUBLIC KEY BLOCK-----", b"\x99\x00\x00"];
    for bytes in bytes {
        let settings = OpenPgpSettings {
            recipients: vec![bytes.to_vec()],
            ..OpenPgpSettings::default()
        };
        assert!(matches!(OpenPgp::new(&settings), Err(super::CryptError::NoKey { .. })));
    }
}

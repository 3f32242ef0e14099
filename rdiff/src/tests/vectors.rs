use super::{base, delta, hex, layout, patched, signature, unhex};
use crate::{Kind, Layout, MAX_BLOCK_LEN, Signature, SignatureBuilder, block_len_v0, block_len_v3, md4};

fn duplicity() -> Layout {
    Layout::duplicity(512).unwrap()
}

#[test]
fn md4_is_that_of_the_rfc() {
    let vectors = [
        ("", "31d6cfe0d16ae931b73c59d7e0c089c0"),
        ("abc", "a448017aaf21d8525fc10ae87aa6729d"),
        ("abcdefghijklmnopqrstuvwxyz", "d79e1c308aa5bbcdeea8ed63df412da9"),
        (
            "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
            "e33b4ddc9c38f2199c3e7b164fcc0536",
        ),
    ];
    for (text, digest) in vectors {
        assert_eq!(hex(&md4::one(text.as_bytes())), digest);
    }
}

#[test]
fn md4_is_the_same_in_every_lane_and_at_every_length() {
    let bytes: Vec<u8> = (0..=252u8).cycle().take(4 * 200).collect();
    for len in 1..200 {
        let blocks: [&[u8]; 4] = std::array::from_fn(|lane| &bytes[lane * len..(lane + 1) * len]);
        let alone = blocks.map(md4::one);
        assert_eq!(md4::four(blocks), alone, "{len}");
    }
}

#[test]
fn signatures() {
    let hello = b"hello world\n";
    let of = |layout, bytes: &[u8]| hex(signature(layout, bytes).as_bytes());
    assert_eq!(
        of(duplicity(), hello),
        "72730136000002000000000827d805da97668ab2f29d0115"
    );
    assert_eq!(of(duplicity(), b""), "727301360000020000000008");
    let three = "4ade334b65edc6cc2a8c73ed87f233af792f6f6c31b912e364a81a46af7698a1c72484e0";
    assert_eq!(of(duplicity(), &base()), format!("727301360000020000000008{three}"));
    let rabin_karp = of(layout(Kind::RabinKarpMd4, 512, 8), hello);
    assert!(
        rabin_karp.starts_with("72730146000002000000000838aec4d7"),
        "{rabin_karp}"
    );
    let blake2 = of(layout(Kind::RollsumBlake2, 512, 32), hello);
    assert!(
        blake2.ends_with("c71b05fd1d1c7bf7e928ff18e58db5193e9316416cc26ba9cc9094da80d7011e"),
        "{blake2}"
    );
}

#[test]
fn deltas() {
    let base = base();
    let of = |new: &[u8]| hex(&delta(duplicity(), &base, new));
    assert_eq!(of(&base), "727302364600044c00");
    assert_eq!(of(&base[512..]), "727302364a0200024c00");
    assert_eq!(of(b""), "7273023600");
    assert_eq!(of(&[b'q'; 70]), format!("727302364146{}00", "71".repeat(70)));
    let low: Vec<u8> = (0..0x40).collect();
    assert_eq!(of(&low), format!("7273023640{}00", hex(&low)));

    let inserted = [&base[..600], b"XYZ", &base[600..]].concat();
    let found = of(&inserted);
    assert!(found.starts_with("72730236460002004202030a0b0c"), "{found}");
    assert!(found.ends_with("134904004c00"), "{found}");
    assert_eq!(found.len(), 2 * 531);

    let appended = [&base[..], b"tail"].concat();
    let found = of(&appended);
    assert!(
        found.starts_with("7273023646000400 4150".replace(' ', "").as_str()),
        "{found}"
    );
    assert_eq!(patched(&base, &unhex(&found)), appended);
}

#[test]
fn literals_are_cut() {
    let new: Vec<u8> = (0..70_000u64).map(|i| ((i * i) >> 7).to_le_bytes()[0]).collect();
    let found = delta(duplicity(), b"", &new);
    let lens: Vec<u16> = [5, 5 + 32_771, 5 + 2 * 32_771]
        .map(|at: usize| u16::from_be_bytes([found[at], found[at + 1]]))
        .to_vec();
    assert_eq!(lens, [32_768, 32_768, 4464]);
    assert_eq!(patched(b"", &found), new);
}

#[test]
fn block_lengths_are_duplicitys() {
    let measured = [
        (428_890, 512, 1024),
        (2_097_152, 1024, 1536),
        (3_500_000, 1536, 2048),
        (0, 512, 512),
    ];
    for (len, v0, v3) in measured {
        assert_eq!((block_len_v0(len, 2048), block_len_v3(len, None)), (v0, v3), "{len}");
    }
    assert_eq!(block_len_v0(1_023_999, 2048), 512);
    assert_eq!(block_len_v0(20 << 30, 2048), 2048);
    assert_eq!(block_len_v3(512 * 512, None), 512);
    assert_eq!(block_len_v3(512 * 512 + 1, None), 512);
    assert_eq!(block_len_v3(513 * 513, None), 1024);
    assert_eq!(block_len_v3(3_500_000, Some(1024)), 1024);
    assert_eq!(block_len_v3(u64::MAX, None), MAX_BLOCK_LEN);
}

#[test]
fn a_signature_comes_in_parts_when_it_is_asked_for() {
    let bytes: Vec<u8> = base().repeat(40);
    let mut builder = SignatureBuilder::new(duplicity());
    let mut parts = Vec::new();
    for piece in bytes.chunks(777) {
        builder.push(piece);
        parts.extend(builder.take_ready());
    }
    parts.extend(builder.finish());
    assert_eq!(parts.len() as u64, duplicity().signature_len(bytes.len() as u64));
    assert_eq!(Signature::parse(parts).unwrap(), signature(duplicity(), &bytes));
}

use engine_api::StoreErrorKind;
use proptest::prelude::*;

use super::*;

#[test]
fn a_packet_has_its_length_type_and_number() {
    let bytes = Packet::new(kind::LSTAT).string(b"ab").numbered(0x0102_0304);
    assert_eq!(bytes, [0, 0, 0, 11, 7, 1, 2, 3, 4, 0, 0, 0, 2, b'a', b'b']);
    assert_eq!(Packet::init(), [0, 0, 0, 5, 1, 0, 0, 0, 3]);
}

#[test]
fn a_string_from_a_reader_is_as_long_as_what_came() {
    let (packet, read) = Packet::new(kind::WRITE).string_from(&mut &b"abcdef"[..], 4).unwrap();
    assert_eq!(read, 4);
    assert_eq!(packet.numbered(0)[9..], [0, 0, 0, 4, b'a', b'b', b'c', b'd']);
}

#[test]
fn old_servers_send_a_status_without_a_message() {
    let status = Status::decode(&mut Decoder::new(&[0, 0, 0, 2])).unwrap();
    assert_eq!(status.kind(), StoreErrorKind::NotFound);
    assert_eq!(status.to_string(), "No such file");
}

#[test]
fn a_status_cannot_write_to_a_terminal() {
    let bytes = [&[0, 0, 0, 4, 0, 0, 0, 6][..], b"\x1b[2Jab"].concat();
    let status = Status::decode(&mut Decoder::new(&bytes)).unwrap();
    assert_eq!(status.to_string(), "[2Jab");
}

#[test]
fn attributes_that_nobody_knows_are_skipped() {
    let bytes = [
        &[0x80, 0, 0, 4][..],
        &0o100_644_u32.to_be_bytes(),
        &[0, 0, 0, 1, 0, 0, 0, 1, b'k', 0, 0, 0, 1, b'v', 99],
    ]
    .concat();
    let mut decoder = Decoder::new(&bytes);
    let found = Attributes::decode(&mut decoder).unwrap();
    assert_eq!(found, Attributes::with_mode(0o100_644));
    assert_eq!(found.kind(), FileKind::File);
    assert_eq!(decoder.u8(), Ok(99));
}

proptest! {
    #[test]
    fn attributes_come_back(
        size: Option<u64>, owner: Option<(u32, u32)>, mode: Option<u32>, times: Option<(u32, u32)>,
    ) {
        let set = Attributes { size, owner, mode, times };
        let bytes = set.encode(Packet::new(kind::SETSTAT)).numbered(0);
        let mut decoder = Decoder::new(&bytes[9..]);
        prop_assert_eq!(Attributes::decode(&mut decoder), Ok(set));
        prop_assert!(decoder.is_empty());
    }

    #[test]
    fn no_bytes_make_the_decoder_fall_over(bytes: Vec<u8>) {
        let _ = Attributes::decode(&mut Decoder::new(&bytes));
        let _ = Status::decode(&mut Decoder::new(&bytes));
    }
}

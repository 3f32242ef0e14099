use super::escape;

proptest::proptest! {
    #[test]
    fn what_was_escaped_comes_back(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..50)) {
        let path = escape::path(&bytes);
        proptest::prop_assert!(path.is_ascii() && !path.contains([' ', '?', '#', '"']));
        proptest::prop_assert_eq!(escape::decode(path.as_bytes()), bytes.clone());
        let value = escape::value(&bytes);
        proptest::prop_assert!(!value.contains(['/', '&', '=', '+']));
        proptest::prop_assert_eq!(escape::decode(value.as_bytes()), bytes);
    }

    #[test]
    fn anything_can_be_decoded(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..50)) {
        proptest::prop_assert!(escape::decode(&bytes).len() <= bytes.len());
    }
}

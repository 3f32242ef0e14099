//! How paths are quoted in manifests.

/// Whether a byte forces quoting: ASCII white space, backslash and both quotes.
const fn is_special(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | 0x0b | 0x0c | b'\r' | b' ' | b'\\' | b'"' | b'\'')
}

/// Appends `text` to `out`, in quotes with `\xHH` for the special bytes where there are any.
pub fn quote_to(out: &mut Vec<u8>, text: &[u8]) {
    if !text.iter().copied().any(is_special) {
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    for byte in text.iter().copied() {
        if is_special(byte) {
            out.extend_from_slice(b"\\x");
            out.push(hex_digit(byte >> 4));
            out.push(hex_digit(byte & 0x0f));
        } else {
            out.push(byte);
        }
    }
    out.push(b'"');
}

/// The quoted form of `text`.
#[must_use]
pub fn quote(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    quote_to(&mut out, text);
    out
}

/// What a quoted form stands for; text that does not begin with a quote stands for itself.
#[must_use]
pub fn unquote(quoted: &[u8]) -> Vec<u8> {
    let Some(inner) = quoted.strip_prefix(b"\"") else {
        return quoted.to_vec();
    };
    let mut rest = inner.strip_suffix(b"\"").unwrap_or(inner);
    let mut out = Vec::with_capacity(rest.len());
    while let Some((first, after)) = rest.split_first() {
        if let Some((byte, after)) = escape(rest) {
            out.push(byte);
            rest = after;
        } else {
            out.push(*first);
            rest = after;
        }
    }
    out
}

fn escape(text: &[u8]) -> Option<(u8, &[u8])> {
    let [b'\\', b'x', high, low, rest @ ..] = text else {
        return None;
    };
    Some((hex_value(*high)? << 4 | hex_value(*low)?, rest))
}

const fn hex_digit(value: u8) -> u8 {
    match value {
        0..=9 => b'0' + value,
        _ => b'a' + value - 10,
    }
}

fn hex_value(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

/// Lower-case hexadecimal digits of `bytes`.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [hex_digit(byte >> 4), hex_digit(byte & 0x0f)])
        .map(char::from)
        .collect()
}

/// The bytes that hexadecimal digits of either case stand for.
#[must_use]
pub fn unhex(digits: &[u8]) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits
        .chunks_exact(2)
        .map(|pair| match pair {
            [high, low] => Some(hex_value(*high)? << 4 | hex_value(*low)?),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quotes_as_manifests_do() {
        assert_eq!(quote(b"name with space"), b"\"name\\x20with\\x20space\"");
        assert_eq!(quote(b"a'b\"c\\d\n"), b"\"a\\x27b\\x22c\\x5cd\\x0a\"");
        assert_eq!(quote(b"plain-\xff"), b"plain-\xff");
        assert_eq!(unquote(b"\"\\xzz\\x2\""), b"\\xzz\\x2");
        assert_eq!(unhex(b"0aFf"), Some(vec![10, 255]));
        assert_eq!(unhex(b"0a1"), None);
    }

    proptest! {
        #[test]
        fn every_name_survives(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(unquote(&quote(&text)), text);
        }

        #[test]
        fn unquoting_anything_is_harmless(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = unquote(&text);
        }
    }
}

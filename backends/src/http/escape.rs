/// Escapes `bytes` for a path; the slash stays.
pub(crate) fn path(bytes: &[u8]) -> String {
    escape(bytes, b"/")
}

/// Escapes `bytes` for one value of a query.
pub(crate) fn value(bytes: &[u8]) -> String {
    escape(bytes, b"")
}

/// Everything but RFC 3986's unreserved characters and `also` becomes `%XX`.
fn escape(bytes: &[u8], also: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |nibble: u8| char::from(*DIGITS.get(usize::from(nibble)).unwrap_or(&b'0'));
    let mut text = String::with_capacity(bytes.len() + bytes.len() / 4);
    for &byte in bytes {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || also.contains(&byte);
        if plain {
            text.push(char::from(byte));
        } else {
            text.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    text
}

/// The bytes that an escaped text stands for; what is no escape stands for itself.
pub(crate) fn decode(text: &[u8]) -> Vec<u8> {
    let hex = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        let pair = (first == b'%').then(|| (hex(tail.first()), hex(tail.get(1))));
        if let Some((Some(high), Some(low))) = pair {
            bytes.push(u8::try_from(high * 16 + low).unwrap_or(first));
            rest = tail.get(2..).unwrap_or_default();
        } else {
            bytes.push(first);
        }
    }
    bytes
}

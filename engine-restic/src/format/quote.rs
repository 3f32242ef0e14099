//! Names as restic stores them: any bytes, escaped as Go's `strconv.Quote` does, without the quotation marks.

use std::io::Write;

/// Appends the escaped form of `name`.
pub fn quote(name: &[u8], out: &mut Vec<u8>) {
    for chunk in name.utf8_chunks() {
        for character in chunk.valid().chars() {
            quote_char(character, out);
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
}

fn quote_char(character: char, out: &mut Vec<u8>) {
    let short = match character {
        '"' => b'"',
        '\\' => b'\\',
        '\x07' => b'a',
        '\x08' => b'b',
        '\x0c' => b'f',
        '\n' => b'n',
        '\r' => b'r',
        '\t' => b't',
        '\x0b' => b'v',
        ' '..='~' => return out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        _ => return quote_rare(character, out),
    };
    out.extend_from_slice(&[b'\\', short]);
}

fn quote_rare(character: char, out: &mut Vec<u8>) {
    let code = u32::from(character);
    let _ = match code {
        _ if is_printable(character) => write!(out, "{character}"),
        0..=0x7f => write!(out, "\\x{code:02x}"),
        0x80..=0xffff => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    };
}

/// Letters, marks, numbers, punctuation and symbols, by the standard library's own table.
fn is_printable(character: char) -> bool {
    // The letter before it keeps combining marks from being escaped, which are printable to Go.
    let mut text = [0; 5];
    if let Some((first, rest)) = text.split_first_mut() {
        *first = b'a';
        character.encode_utf8(rest);
    }
    std::str::from_utf8(text.get(..=character.len_utf8()).unwrap_or_default())
        .is_ok_and(|text| text.escape_debug().eq(['a', character]))
}

/// The bytes that an escaped name stands for; `None` when the escapes make no sense.
pub fn unquote(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some(position) = rest.iter().position(|byte| *byte == b'\\') {
        let (plain, escaped) = rest.split_at_checked(position)?;
        out.extend_from_slice(plain);
        rest = unescape(escaped.get(1..)?, &mut out)?;
    }
    out.extend_from_slice(rest);
    // An unescaped quotation mark or line end would have ended Go's string.
    Some(out)
}

/// Reads one escape after its backslash and returns what follows it.
fn unescape<'a>(escaped: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (&kind, rest) = escaped.split_first()?;
    let byte = match kind {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        b'\\' | b'"' => kind,
        b'x' => return unescape_byte(rest, 2, 16, out),
        b'0'..=b'7' => return unescape_byte(escaped, 3, 8, out),
        b'u' => return unescape_char(rest, 4, out),
        b'U' => return unescape_char(rest, 8, out),
        _ => return None,
    };
    out.push(byte);
    Some(rest)
}

fn digits(text: &[u8], count: usize, radix: u32) -> Option<(u32, &[u8])> {
    let (digits, rest) = text.split_at_checked(count)?;
    let digit = |sum: u32, byte: &u8| sum.checked_mul(radix)?.checked_add(char::from(*byte).to_digit(radix)?);
    Some((digits.iter().try_fold(0, digit)?, rest))
}

fn unescape_byte<'a>(text: &'a [u8], count: usize, radix: u32, out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (value, rest) = digits(text, count, radix)?;
    out.push(u8::try_from(value).ok()?);
    Some(rest)
}

fn unescape_char<'a>(text: &'a [u8], count: usize, out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (value, rest) = digits(text, count, 16)?;
    out.extend_from_slice(char::from_u32(value)?.encode_utf8(&mut [0; 4]).as_bytes());
    Some(rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quoted(name: &[u8]) -> String {
        let mut out = Vec::new();
        quote(name, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn escapes_as_go_does() {
        for (name, escaped) in [
            (&b"plain name.txt"[..], "plain name.txt"),
            (
                "gr\u{fc}n \u{4e2d}\u{6587} e\u{301}".as_bytes(),
                "gr\u{fc}n \u{4e2d}\u{6587} e\u{301}",
            ),
            (b"a\nb\tc\x07\x7f\x01", "a\\nb\\tc\\a\\x7f\\x01"),
            (b"q\"b\\", "q\\\"b\\\\"),
            (b"\xff\xc3(", "\\xff\\xc3("),
            ("nbsp\u{a0}zwj\u{200d}".as_bytes(), "nbsp\\u00a0zwj\\u200d"),
            ("tag\u{e0001}".as_bytes(), "tag\\U000e0001"),
        ] {
            assert_eq!(quoted(name), escaped);
        }
    }

    proptest! {
        #[test]
        fn unquote_undoes_quote(name in prop::collection::vec(any::<u8>(), 0..60)) {
            prop_assert_eq!(unquote(&quoted(&name)), Some(name));
        }

        #[test]
        fn every_character_survives(character in any::<char>()) {
            let name = character.to_string().into_bytes();
            prop_assert_eq!(unquote(&quoted(&name)), Some(name));
        }

        #[test]
        fn foreign_text_never_fails(text in r#"[\\xuU0-9a-fnt"]{0,20}"#) {
            let _ = unquote(&text);
        }
    }
}

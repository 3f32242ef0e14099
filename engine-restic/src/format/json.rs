//! JSON strings and numbers written as Go's encoder does, byte for byte: equal folders must give equal blobs.

use std::io::Write;

/// Appends `text` as a JSON string with its quotation marks, `<`, `>` and `&` escaped as Go escapes them.
pub fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    string_part(text, out);
    out.push(b'"');
}

/// The same without the quotation marks.
pub fn string_part(text: &str, out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(position) = rest.find(|character: char| needs_escape(character)) {
        let (plain, special) = rest.split_at(position);
        out.extend_from_slice(plain.as_bytes());
        let mut characters = special.chars();
        if let Some(character) = characters.next() {
            escape(character, out);
        }
        rest = characters.as_str();
    }
    out.extend_from_slice(rest.as_bytes());
}

const fn needs_escape(character: char) -> bool {
    matches!(
        character,
        '"' | '\\' | '<' | '>' | '&' | '\0'..='\x1f' | '\u{2028}' | '\u{2029}'
    )
}

fn escape(character: char, out: &mut Vec<u8>) {
    let short = match character {
        '"' => b'"',
        '\\' => b'\\',
        '\x08' => b'b',
        '\x0c' => b'f',
        '\n' => b'n',
        '\r' => b'r',
        '\t' => b't',
        _ => {
            // Writing to a Vec cannot fail.
            let _ = write!(out, "\\u{:04x}", u32::from(character));
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// Appends `,"name":` and the number.
pub fn number_field(name: &str, value: u64, out: &mut Vec<u8>) {
    field(name, out);
    number(value, out);
}

/// Appends `,"name":`.
pub fn field(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// Appends the number in decimal digits.
pub fn number(value: u64, out: &mut Vec<u8>) {
    let _ = write!(out, "{value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_as_go_does() {
        let mut out = Vec::new();
        string("a<b>&\"\\\n\u{2028}\x01\u{fc}", &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\"a\\u003cb\\u003e\\u0026\\\"\\\\\\n\\u2028\\u0001\u{fc}\""
        );
    }
}

//! What a terminal shows: UTF-8, or one of the two older sets that its locale may name.

use std::borrow::Cow;
use std::env;
use std::fmt::Write;

/// The characters that a terminal has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// All of them; also where nothing is said, as the bytes then go out as they are.
    Utf8,
    /// ISO-8859-1.
    Latin1,
    /// ISO-8859-15, which has the sign of the euro.
    Latin9,
}

impl Charset {
    /// The one that this process's locale names.
    pub fn of_environment() -> Self {
        let set = |name: &&str| env::var(name).ok().filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set);
        Self::of_locale(&locale.unwrap_or_default())
    }

    fn of_locale(locale: &str) -> Self {
        let set = locale.split_once('.').map_or("", |(_, set)| set);
        let set = set.split('@').next().unwrap_or_default();
        let letters = set.chars().filter(char::is_ascii_alphanumeric);
        match letters.collect::<String>().to_ascii_lowercase().as_str() {
            "iso88591" | "latin1" => Self::Latin1,
            "iso885915" | "latin9" => Self::Latin9,
            _ => Self::Utf8,
        }
    }

    /// The same text for such a terminal; what it cannot show is written out.
    pub fn shown(self, text: &[u8]) -> Cow<'_, [u8]> {
        if self == Self::Utf8 || text.is_ascii() {
            return Cow::Borrowed(text);
        }
        let mut shown = Vec::with_capacity(text.len());
        for chunk in text.utf8_chunks() {
            for character in chunk.valid().chars() {
                match self.byte(character) {
                    Some(byte) => shown.push(byte),
                    None if character == '…' => shown.extend(b"..."),
                    None => {
                        let mut escape = String::new();
                        let _ = write!(escape, "{}", character.escape_unicode());
                        shown.extend(escape.bytes());
                    }
                }
            }
            // What was no UTF-8 before is in the terminal's own characters already.
            shown.extend(chunk.invalid());
        }
        Cow::Owned(shown)
    }

    fn byte(self, character: char) -> Option<u8> {
        // Eight places of the older set are others in the newer one.
        const OTHERS: &str = "¤¦¨´¸¼½¾";
        const CHANGED: &str = "€ŠšŽžŒœŸ";
        let place = CHANGED.chars().position(|changed| changed == character);
        match (self, place) {
            (Self::Latin9, Some(place)) => OTHERS.chars().nth(place).and_then(|other| u8::try_from(other).ok()),
            (Self::Latin9, None) if OTHERS.contains(character) => None,
            _ => u8::try_from(character).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_names_its_characters() {
        for (locale, charset) in [
            ("de_DE.ISO-8859-1", Charset::Latin1),
            ("de_DE.iso885915@euro", Charset::Latin9),
            ("de_DE.UTF-8", Charset::Utf8),
            ("C", Charset::Utf8),
            ("", Charset::Utf8),
        ] {
            assert_eq!(Charset::of_locale(locale), charset, "{locale}");
        }
    }

    #[test]
    fn what_a_terminal_has_not_is_written_out() {
        let shown = |charset: Charset, text: &str| charset.shown(text.as_bytes()).into_owned();
        assert_eq!(shown(Charset::Latin1, "grün … €"), b"gr\xfcn ... \\u{20ac}");
        assert_eq!(shown(Charset::Latin9, "½ für 1 €"), b"\\u{bd} f\xfcr 1 \xa4");
        assert_eq!(shown(Charset::Utf8, "grün"), "grün".as_bytes());
        assert_eq!(*Charset::Latin1.shown(b"gr\xfcn"), *b"gr\xfcn");
    }
}

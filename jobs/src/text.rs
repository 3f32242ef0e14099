//! Words and numbers for people, the same in logs and on terminals.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use engine_api::{Problem, Timestamp};
use jiff::tz::TimeZone;

/// The text with everything that could move a cursor, break a line or reverse its direction written as an escape.
#[must_use]
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        let invisible = matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if character.is_control() || invisible {
            let _ = write!(out, "{}", character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}

/// A path for people: bytes that are no UTF-8 appear as `\xNN`.
#[must_use]
pub fn path(path: &Path) -> String {
    bytes(path.as_os_str().as_encoded_bytes())
}

/// The same for any bytes.
#[must_use]
pub fn bytes(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        out.push_str(&clean(chunk.valid()));
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// A number of bytes with a binary unit, such as `1.2 GiB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    #[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in UNITS {
        if value < 1023.95 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// A moment as people of this zone write it.
#[must_use]
pub fn time(moment: Timestamp, zone: &TimeZone) -> String {
    match moment.to_jiff() {
        Some(moment) => moment.to_zoned(zone.clone()).strftime("%F %T").to_string(),
        None => "-".to_owned(),
    }
}

/// A duration as `1:02:03` or `2:03`.
#[must_use]
pub fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// What happened to a path, such as `cannot read /etc/shadow: Permission denied`.
#[must_use]
pub fn problem(problem: &Problem) -> String {
    format!(
        "cannot {} {}: {}",
        problem.action,
        path(&problem.path),
        clean(&problem.cause)
    )
}

/// A snapshot's name, short enough for a line: restic's 64 digits are told apart by eight, the other engines' names are
/// times.
#[must_use]
pub fn short_id(id: &str) -> &str {
    id.get(..8).filter(|_| id.len() == 64).unwrap_or(id)
}

/// A number with its noun: `1 file`, `2 files`.
#[must_use]
pub fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_that_could_command_it() {
        assert_eq!(clean("a\u{1b}[2Jb\n\u{202e}ü"), "a\\u{1b}[2Jb\\n\\u{202e}ü");
        assert_eq!(bytes(b"caf\xe9 \xc3\xa9"), "caf\\xe9 é");
    }

    #[test]
    fn sizes_and_times() {
        let sizes = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1 << 30, "1.0 GiB"),
            (u64::MAX, "16.0 EiB"),
        ];
        for (bytes, text) in sizes {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(size(1024 * 1024 - 1), "1.0 MiB");
        assert_eq!(clock(Duration::from_secs(59)), "0:59");
        assert_eq!(clock(Duration::from_secs(3723)), "1:02:03");
    }
}

//! Values that clap does not know.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use engine_api::{Age, ReadData};
use jobs::EngineName;

/// The path from the root on, without `.` and `..`; a symbolic link at its end stays one.
pub fn absolute(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if !path.components().any(|part| part == Component::ParentDir) {
        return path;
    }
    // What is above a folder is known to the filesystem only.
    let real = match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => parent.canonicalize().map(|parent| parent.join(name)),
        _ => path.canonicalize(),
    };
    real.unwrap_or(path)
}

/// An engine by its name.
pub fn engine(text: &str) -> Result<EngineName, String> {
    EngineName::parse(text).ok_or_else(|| "write duplicity, restic or rsync".to_owned())
}

/// A property and its value, `NAME=VALUE`.
pub fn property(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = pair.ok_or_else(|| "write PROPERTY=VALUE, such as Type=incremental".to_owned())?;
    Ok((name.to_owned(), value.to_owned()))
}

/// How long to wait: numbers with `s`, `m` (minutes) or `h`.
pub fn wait(text: &str) -> Result<Duration, String> {
    let wrong = || "write a number and a unit (s seconds, m minutes, h hours), such as 5m".to_owned();
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match text.strip_prefix(number) {
        Some("s") => 1,
        Some("m") => 60,
        Some("h") => 3600,
        _ => return Err(wrong()),
    };
    let seconds = number.parse::<u64>().ok().and_then(|count| count.checked_mul(factor));
    // A year is as good as for ever.
    seconds
        .filter(|seconds| *seconds <= 31_536_000)
        .map(Duration::from_secs)
        .ok_or_else(wrong)
}

/// A size in bytes, with `K`, `M`, `G` or `T` (powers of 1024).
pub fn size(text: &str) -> Result<u64, String> {
    let wrong = || "write a number of bytes, or one with K, M, G or T, such as 2G".to_owned();
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text.strip_prefix(number).map(str::to_ascii_uppercase).as_deref() {
        Some("") => 0,
        Some("K") => 10,
        Some("M") => 20,
        Some("G") => 30,
        Some("T") => 40,
        _ => return Err(wrong()),
    };
    let bytes = number
        .parse::<u64>()
        .ok()
        .and_then(|count| count.checked_mul(1 << shift));
    bytes.ok_or_else(wrong)
}

/// A percentage as a share of one.
pub fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim().parse::<f64>();
    let number = number.ok().filter(|number| (0.0..=100.0).contains(number));
    number
        .map(|number| number / 100.0)
        .ok_or_else(|| "write a percentage from 0% to 100%".to_owned())
}

/// A share of the data to read.
pub fn share(text: &str) -> Result<ReadData, String> {
    let read = ReadData::parse(text).filter(|read| matches!(read, ReadData::Share { .. } | ReadData::Percent(_)));
    read.ok_or_else(|| "write 2/7 for the second of seven parts, or 10% for a share at random".to_owned())
}

pub fn age(text: &str) -> Result<Age, String> {
    Age::parse(text)
        .map_err(|_| "write a number and a unit (h hours, D days, W weeks, M months, Y years), such as 30D".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_documented() {
        assert_eq!(wait("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(size("2G"), Ok(2 << 30));
        assert_eq!(size("512"), Ok(512));
        assert_eq!(percent("5%"), Ok(0.05));
        assert_eq!(share("2/7"), Ok(ReadData::Share { part: 2, of: 7 }));
        assert_eq!(share("10%"), Ok(ReadData::Percent(10.0)));
    }

    #[test]
    fn paths_have_no_dots() {
        assert_eq!(absolute(Path::new("/usr/./bin/../lib")), Path::new("/usr/lib"));
        assert_eq!(absolute(Path::new("/usr/bin/..")), Path::new("/usr"));
        let here = std::env::current_dir().unwrap();
        assert_eq!(absolute(Path::new("x")), here.join("x"));
        assert_eq!(absolute(Path::new(".")), here);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "5", "m", "-1s", "99999999999999999999h", "5d"] {
            assert!(wait(text).is_err(), "{text}");
        }
        for text in ["", "G", "1.5G", "1X", "99999999999T"] {
            assert!(size(text).is_err(), "{text}");
        }
        for text in ["", "x", "-1%", "101%", "NaN"] {
            assert!(percent(text).is_err(), "{text}");
        }
        for text in ["0/7", "8/7", "1/0", "0%", "x%", "5", "NaN%"] {
            assert!(share(text).is_err(), "{text}");
        }
    }
}

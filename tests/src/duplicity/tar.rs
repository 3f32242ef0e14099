//! The tar streams in a repository's files, taken apart by plain tools and a few lines: another reader than the engine's.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// One entry with the extended header before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name, from the extended header where there is one.
    pub name: Vec<u8>,
    /// Its type flag.
    pub kind: u8,
    /// Seconds in its header.
    pub mtime: u64,
    /// All its bytes: headers, data and padding.
    pub bytes: Vec<u8>,
    /// Its data alone.
    pub data: Vec<u8>,
}

/// The plain bytes of a stored file, by what its name ends in; `.gpg` takes `passphrase`.
///
/// # Panics
/// When gzip or gpg find it damaged.
#[must_use]
pub fn unwrapped(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    if path.extension().is_some_and(|end| end == "gz") {
        pipe(Command::new("gzip").arg("-dc"), &bytes)
    } else {
        bytes
    }
}

/// Hands `bytes` to `command` and returns what it prints.
///
/// # Panics
/// When it fails.
pub fn pipe(command: &mut Command, bytes: &[u8]) -> Vec<u8> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || input.write_all(bytes));
        child.wait_with_output().unwrap()
    });
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    output.stdout
}

/// All entries of a tar stream, up to its end or the first block of zeros.
#[must_use]
pub fn entries(stream: &[u8]) -> Vec<Entry> {
    let mut found = Vec::new();
    let (mut start, mut at) = (0, 0);
    let mut name = None;
    while let Some(header) = stream
        .get(at..at + 512)
        .filter(|header| header.iter().any(|&byte| byte != 0))
    {
        let size = usize::try_from(octal(&header[124..136])).unwrap();
        let data = &stream[at + 512..at + 512 + size];
        at += 512 + size.div_ceil(512) * 512;
        let kind = header[156];
        if kind == b'x' {
            name = record(data, b"path");
            continue;
        }
        found.push(Entry {
            name: name.take().unwrap_or_else(|| until_nul(&header[..100]).to_vec()),
            kind,
            mtime: octal(&header[136..148]),
            bytes: stream[start..at].to_vec(),
            data: data.to_vec(),
        });
        start = at;
    }
    found
}

/// The value of one record of an extended header.
fn record(mut records: &[u8], wanted: &[u8]) -> Option<Vec<u8>> {
    while let Some(space) = records.iter().position(|&byte| byte == b' ') {
        let length: usize = std::str::from_utf8(&records[..space]).unwrap().parse().unwrap();
        let line = &records[space + 1..length - 1];
        let equals = line.iter().position(|&byte| byte == b'=').unwrap();
        if &line[..equals] == wanted {
            return Some(line[equals + 1..].to_vec());
        }
        records = &records[length..];
    }
    None
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or_default()
}

fn octal(bytes: &[u8]) -> u64 {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |value, digit| value * 8 + u64::from(digit - b'0'))
}

/// The hash of a file as a manifest names it.
#[must_use]
pub fn sha1(path: &Path) -> String {
    let printed = Command::new("sha1sum").arg(path).output().unwrap().stdout;
    String::from_utf8(printed)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .trim_start_matches('\\')
        .to_owned()
}

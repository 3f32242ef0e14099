//! The parsers of bytes from storage, for the fuzz targets. What one parses is written and parsed again where that is
//! possible: it must come out the same.

use crate::container::unwrap;
use crate::format::{Container, Extras, FileName, Manifest, Prefixes};
use crate::source::PartName;
use crate::tar::TarReader;

/// A manifest.
///
/// # Panics
/// When what was read does not survive being written: a defect.
pub fn manifest(bytes: &[u8]) {
    let Ok(manifest) = Manifest::parse(bytes) else { return };
    let again = Manifest::parse(&manifest.text(0));
    assert!(
        again.is_ok_and(|again| again.volumes == manifest.volumes && again.dir == manifest.dir),
        "a manifest that was written cannot be read"
    );
}

/// The name of a stored file.
///
/// # Panics
/// When what was read does not survive being written: a defect.
pub fn name(bytes: &[u8]) {
    let prefixes = Prefixes::default();
    let Some(name) = FileName::parse(bytes, &prefixes) else {
        return;
    };
    let again = FileName::parse(name.write(&prefixes).as_bytes(), &prefixes);
    assert!(
        again.is_some_and(|again| (again.kind, again.set) == (name.kind, name.set)),
        "a name that was written cannot be read"
    );
}

/// A tar stream, as it is in a volume or signature file.
pub fn tar(bytes: &[u8]) {
    read(bytes);
}

/// A volume wrapped with gzip.
pub fn gzip_volume(bytes: &[u8]) {
    // A small file can hold a great many zeros.
    const MOST: u64 = 64 << 20;
    if let Ok(content) = unwrap("a volume", Container::Gzip, Box::new(bytes), None) {
        read(std::io::Read::take(content, MOST));
    }
    read(std::io::Read::take(crate::container::gunzip(bytes, true), MOST));
}

fn read(stream: impl std::io::BufRead) {
    let mut tar = TarReader::new(stream);
    while let Ok(Some(header)) = tar.next() {
        let _ = (PartName::in_volume(&header.name), PartName::in_signatures(&header.name));
        let _ = Extras::read(&header.private);
        while tar.read(4096).is_ok_and(|data| !data.is_empty()) {}
    }
}

/// A delta: the first byte is the length of the old file, which follows.
pub fn delta(bytes: &[u8]) {
    let Some((length, rest)) = bytes.split_first() else {
        return;
    };
    let (old, delta) = rest.split_at(usize::from(*length).min(rest.len()));
    // What one delta can make of 255 bytes is bounded by its own length: a copy takes three bytes.
    let _ = rdiff::patch(&old, delta, &mut std::io::sink());
    let _ = rdiff::Patched::open(old, delta);
}

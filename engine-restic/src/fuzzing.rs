//! The parsers of bytes from storage, for the fuzz targets. What one parses is written and parsed again where that is
//! possible: it must come out the same.

use std::ops::ControlFlow;

use crate::format::{
    Config, IndexFile, KeyFile, LockFile, SnapshotFile, TreeReader, TreeWriter, decode_unpacked, parse_time,
};
use crate::pack::parse_header;

/// A folder's listing.
///
/// # Panics
/// When what was read does not survive being written: a defect.
pub fn tree(bytes: &[u8]) {
    let Ok(nodes) = TreeReader::all(bytes) else { return };
    let mut writer = TreeWriter::new(jiff::tz::TimeZone::UTC);
    let written = nodes.iter().try_for_each(|node| writer.add(node));
    assert!(written.is_ok(), "a listing that was read in order cannot be written");
    let again = TreeReader::each(&writer.finish(), &mut |_| ControlFlow::Continue(()));
    assert!(again.is_ok(), "a listing that was written cannot be read");
}

/// The opened header of a pack.
///
/// # Panics
/// When what was read does not survive being written: a defect.
pub fn pack_header(bytes: &[u8]) {
    let Ok(blobs) = parse_header(bytes) else { return };
    let mut header = Vec::new();
    blobs.iter().for_each(|blob| blob.write_entry(&mut header));
    assert!(header == bytes, "a header is not what it was");
}

/// Any other file: the first byte chooses the kind.
pub fn file(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else {
        return;
    };
    match kind % 6 {
        0 => drop(serde_json::from_slice::<IndexFile>(bytes)),
        1 => drop(serde_json::from_slice::<KeyFile>(bytes)),
        2 => drop(serde_json::from_slice::<LockFile>(bytes)),
        3 => drop(serde_json::from_slice::<SnapshotFile>(bytes).map(|file| parse_time(&file.time))),
        4 => drop(serde_json::from_slice::<Config>(bytes)),
        _ => drop(decode_unpacked(bytes.to_vec(), "a file")),
    }
}

//! The parsers of bytes from storage, for the fuzz targets.

use jiff::tz::TimeZone;

/// A manifest: the first byte chooses a part of it, as it is after its digest was found right.
///
/// # Panics
/// When what was read does not survive being written: a defect.
pub fn manifest(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else {
        return;
    };
    crate::manifest::parse_part(*kind, bytes);
}

/// The name of a snapshot.
///
/// # Panics
/// When a name is not that of its own moment: a defect.
pub fn name(bytes: &[u8]) {
    if let Some(time) = crate::name::moment(bytes, &TimeZone::UTC) {
        let again = crate::name::name(time, &TimeZone::UTC);
        assert!(
            again.is_some_and(|again| again.as_bytes() == bytes),
            "a name is not what it was"
        );
    }
}

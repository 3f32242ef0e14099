//! The parts of a manifest on their own, for the fuzz targets: behind their digests no random bytes would reach them.

use super::bytes::Take;
use super::record::{self, Before};
use super::{Manifest, Record, head, index};

/// Reads a part; what could be read is written and must be read as the same.
///
/// # Panics
/// When it is not.
pub fn parse_part(kind: u8, bytes: &[u8]) {
    match kind % 4 {
        0 => block(bytes),
        1 => {
            if let Ok(about) = head::decode(bytes) {
                let again = head::decode(&head::encode(&about));
                assert!(again.is_ok_and(|again| again == about), "a head is not what it was");
            }
        }
        2 => {
            let end = bytes.iter().map(|byte| u64::from(*byte)).sum();
            if let Ok(blocks) = index::decode(bytes, 0, end) {
                let again = index::decode(&index::encode(&blocks), 0, end);
                assert!(again.is_ok_and(|again| again == blocks), "an index is not what it was");
            }
        }
        _ => drop(Manifest::open(Box::new(bytes.to_vec())).map(|manifest| manifest.records().count())),
    }
}

fn block(bytes: &[u8]) {
    let (mut take, mut before) = (Take(bytes), Before::default());
    let mut records: Vec<Record> = Vec::new();
    while !take.is_empty() {
        let Ok(record) = record::decode(&mut take, &mut before) else {
            break;
        };
        records.push(record);
    }
    let (mut written, mut before) = (Vec::new(), Before::default());
    for record in &records {
        record::encode(&mut written, record, &mut before);
    }
    let (mut take, mut before) = (Take(&written), Before::default());
    for record in &records {
        let again = record::decode(&mut take, &mut before);
        assert!(again.is_ok_and(|again| again == *record), "a record is not what it was");
    }
    assert!(take.is_empty(), "more was written than was read");
}

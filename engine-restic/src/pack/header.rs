use crate::Id;
use crate::crypto::OVERHEAD;
use crate::format::BlobKind;

/// Bytes at the end of a pack that hold the length of its sealed header.
pub const HEADER_LENGTH: usize = 4;

/// What sealing adds to a blob.
#[allow(clippy::cast_possible_truncation, reason = "it is 32")]
const SEALING: u32 = OVERHEAD as u32;
const PLAIN_ENTRY: usize = 1 + 4 + 32;
const COMPRESSED_ENTRY: usize = 1 + 4 + 4 + 32;

/// Where a blob lies in its pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackedBlob {
    /// The digest of its plain content.
    pub id: Id,
    /// What it is.
    pub kind: BlobKind,
    /// First byte in the pack.
    pub offset: u32,
    /// Sealed length in bytes.
    pub length: u32,
    /// Plain length in bytes when it is compressed.
    pub uncompressed: Option<u32>,
}

impl PackedBlob {
    /// Length of the plain content in bytes.
    pub const fn plain_length(&self) -> u32 {
        match self.uncompressed {
            Some(length) => length,
            None => self.length.saturating_sub(SEALING),
        }
    }

    /// Appends its entry of the header.
    pub fn write_entry(&self, out: &mut Vec<u8>) {
        let kind = match self.kind {
            BlobKind::Data => 0,
            BlobKind::Tree => 1,
        };
        out.push(kind | if self.uncompressed.is_some() { 2 } else { 0 });
        out.extend_from_slice(&self.length.to_le_bytes());
        if let Some(uncompressed) = self.uncompressed {
            out.extend_from_slice(&uncompressed.to_le_bytes());
        }
        out.extend_from_slice(self.id.as_bytes());
    }
}

/// Bytes that a blob's entry takes in a header.
pub const fn entry_size(compressed: bool) -> usize {
    if compressed { COMPRESSED_ENTRY } else { PLAIN_ENTRY }
}

/// Reads an opened header; fails with what is wrong with it.
pub fn parse_header(mut header: &[u8]) -> Result<Vec<PackedBlob>, String> {
    let mut blobs = Vec::with_capacity(header.len() / PLAIN_ENTRY);
    let mut offset: u32 = 0;
    while !header.is_empty() {
        let (blob, rest) = parse_entry(header, offset).ok_or("its header makes no sense")?;
        offset = offset
            .checked_add(blob.length)
            .ok_or("its header speaks of more than 4 GiB")?;
        blobs.push(blob);
        header = rest;
    }
    Ok(blobs)
}

fn parse_entry(header: &[u8], offset: u32) -> Option<(PackedBlob, &[u8])> {
    let (&kind, rest) = header.split_first()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (uncompressed, rest) = match kind {
        0 | 1 => (None, rest),
        2 | 3 => {
            let (length, rest) = rest.split_first_chunk::<4>()?;
            (Some(u32::from_le_bytes(*length)), rest)
        }
        _ => return None,
    };
    let (id, rest) = rest.split_first_chunk::<32>()?;
    let kind = if kind & 1 == 0 { BlobKind::Data } else { BlobKind::Tree };
    let length = u32::from_le_bytes(*length);
    let blob = PackedBlob {
        id: Id::from_bytes(*id),
        kind,
        offset,
        length,
        uncompressed,
    };
    Some((blob, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn reads_what_it_writes(entries in prop::collection::vec((any::<[u8; 32]>(), any::<bool>(), 0..1_000_000_u32, prop::option::of(1..9_u32)), 0..20)) {
            let mut offset = 0;
            let blobs: Vec<_> = entries.into_iter().map(|(id, tree, length, uncompressed)| {
                let kind = if tree { BlobKind::Tree } else { BlobKind::Data };
                let blob = PackedBlob { id: Id::from_bytes(id), kind, offset, length, uncompressed };
                offset += length;
                blob
            }).collect();
            let mut header = Vec::new();
            blobs.iter().for_each(|blob| blob.write_entry(&mut header));
            prop_assert_eq!(header.len(), blobs.iter().map(|blob| entry_size(blob.uncompressed.is_some())).sum::<usize>());
            prop_assert_eq!(parse_header(&header), Ok(blobs));
        }

        #[test]
        fn foreign_bytes_never_fail_badly(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_header(&bytes);
        }
    }
}

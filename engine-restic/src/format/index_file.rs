//! A file in `index`: which blobs lie in which packs.

use std::borrow::Cow;

use serde::Deserialize;

use super::BlobKind;
use super::json;
use crate::Id;
use crate::pack::PackedBlob;

/// An index file as it is read.
#[derive(Debug, Deserialize)]
pub struct IndexFile {
    /// Its packs.
    #[serde(default)]
    pub packs: Vec<PackRef>,
}

/// One pack of an index file.
#[derive(Debug, Deserialize)]
pub struct PackRef {
    /// The pack's name.
    pub id: Id,
    /// What lies in it.
    pub blobs: Vec<PackedBlob>,
}

#[derive(Deserialize)]
struct RawBlob<'a> {
    id: Id,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    offset: u32,
    length: u32,
    #[serde(default)]
    uncompressed_length: u32,
}

impl<'de> Deserialize<'de> for PackedBlob {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = RawBlob::deserialize(deserializer)?;
        let kind = match raw.kind.as_ref() {
            "data" => BlobKind::Data,
            "tree" => BlobKind::Tree,
            other => return Err(serde::de::Error::unknown_variant(other, &["data", "tree"])),
        };
        let uncompressed = (raw.uncompressed_length != 0).then_some(raw.uncompressed_length);
        Ok(Self {
            id: raw.id,
            kind,
            offset: raw.offset,
            length: raw.length,
            uncompressed,
        })
    }
}

/// Writes an index file pack by pack.
pub struct IndexWriter {
    json: Vec<u8>,
    blobs: usize,
    packs: usize,
}

impl IndexWriter {
    /// Blobs after which a file is full, as in restic: it stays below 8 MiB.
    const FULL: usize = 50_000;

    /// An empty file.
    pub fn new() -> Self {
        Self {
            json: b"{\"packs\":[".to_vec(),
            blobs: 0,
            packs: 0,
        }
    }

    /// Adds a pack with what lies in it.
    pub fn add(&mut self, pack: &Id, blobs: &[PackedBlob]) {
        if self.packs > 0 {
            self.json.push(b',');
        }
        self.packs += 1;
        self.blobs += blobs.len();
        self.json.extend_from_slice(b"{\"id\":\"");
        pack.write_hex(&mut self.json);
        self.json.extend_from_slice(b"\",\"blobs\":[");
        for (position, blob) in blobs.iter().enumerate() {
            if position > 0 {
                self.json.push(b',');
            }
            self.add_blob(blob);
        }
        self.json.extend_from_slice(b"]}");
    }

    fn add_blob(&mut self, blob: &PackedBlob) {
        let out = &mut self.json;
        out.extend_from_slice(b"{\"id\":\"");
        blob.id.write_hex(out);
        out.extend_from_slice(match blob.kind {
            BlobKind::Data => b"\",\"type\":\"data\"",
            BlobKind::Tree => b"\",\"type\":\"tree\"",
        });
        json::number_field("offset", u64::from(blob.offset), out);
        json::number_field("length", u64::from(blob.length), out);
        if let Some(uncompressed) = blob.uncompressed {
            json::number_field("uncompressed_length", u64::from(uncompressed), out);
        }
        out.push(b'}');
    }

    /// Whether nothing was added.
    pub const fn is_empty(&self) -> bool {
        self.packs == 0
    }

    /// Whether it is time to begin another file.
    pub const fn is_full(&self) -> bool {
        self.blobs >= Self::FULL
    }

    /// The JSON.
    pub fn finish(mut self) -> Vec<u8> {
        self.json.extend_from_slice(b"]}");
        self.json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let blob = |byte, kind, uncompressed| PackedBlob {
            id: Id::from_bytes([byte; 32]),
            kind,
            offset: 7,
            length: 99,
            uncompressed,
        };
        let blobs = [blob(1, BlobKind::Data, None), blob(2, BlobKind::Tree, Some(5))];
        let mut writer = IndexWriter::new();
        assert!(writer.is_empty());
        writer.add(&Id::from_bytes([9; 32]), &blobs);
        writer.add(&Id::from_bytes([8; 32]), &blobs);
        let file: IndexFile = serde_json::from_slice(&writer.finish()).unwrap();
        assert_eq!(file.packs.len(), 2);
        assert_eq!(file.packs[0].blobs, blobs);
        assert_eq!(file.packs[1].id, Id::from_bytes([8; 32]));
    }
}

//! The last bytes of a manifest: where its index lies, the sums, and what proves the whole.

use super::bytes::Take;
use super::{Digest, END, ManifestError, Totals};

/// Length in bytes.
pub(super) const LEN: usize = 7 * 8 + 2 * 32 + END.len();

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tail {
    pub(super) index_offset: u64,
    pub(super) index_stored: u64,
    pub(super) index_plain: u64,
    pub(super) totals: Totals,
    /// Of the index as it is stored; the index has the digests of the blocks.
    pub(super) index_digest: Digest,
}

impl Tail {
    pub(super) fn encode(&self, head: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(LEN);
        let totals = self.totals;
        for number in [
            self.index_offset,
            self.index_stored,
            self.index_plain,
            totals.entries,
            totals.files,
            totals.bytes,
            totals.bytes_added,
        ] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.index_digest);
        let digest = prove(head, &out);
        out.extend_from_slice(&digest);
        out.extend_from_slice(END);
        out
    }

    /// Reads it, except for its proof: the head is not known before.
    pub(super) fn decode(bytes: &[u8; LEN]) -> Result<Self, ManifestError> {
        if !bytes.ends_with(END) {
            return Err(ManifestError::Damaged("its end is missing"));
        }
        let mut take = Take(bytes);
        let mut number = || Ok::<_, ManifestError>(u64::from_le_bytes(take.array()?));
        let (index_offset, index_stored, index_plain) = (number()?, number()?, number()?);
        let totals = Totals {
            entries: number()?,
            files: number()?,
            bytes: number()?,
            bytes_added: number()?,
        };
        Ok(Self {
            index_offset,
            index_stored,
            index_plain,
            totals,
            index_digest: take.array()?,
        })
    }

    /// Whether `head` and the bytes of this tail belong together and are as they were written.
    pub(super) fn proves(bytes: &[u8; LEN], head: &[u8]) -> bool {
        let (fields, rest) = bytes.split_at(LEN - END.len() - size_of::<Digest>());
        rest.starts_with(&prove(head, fields))
    }
}

fn prove(head: &[u8], fields: &[u8]) -> Digest {
    let mut hasher = blake3::Hasher::new();
    hasher.update(head);
    hasher.update(fields);
    *hasher.finalize().as_bytes()
}

//! Objects in memory: what is nothing but zeros takes no room.

use bytes::Bytes;

/// A stretch of an object.
#[derive(Debug, Clone)]
pub struct Stretch {
    pub length: u64,
    /// Its bytes; none are zeros.
    bytes: Option<Bytes>,
}

/// Zeros to be copied from.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

pub fn is_zeros(piece: &[u8]) -> bool {
    piece.chunks(ZEROS.len()).all(|chunk| *chunk == ZEROS[..chunk.len()])
}

impl Stretch {
    pub fn of(bytes: Vec<u8>) -> Self {
        Self {
            length: bytes.len() as u64,
            bytes: Some(bytes.into()),
        }
    }

    pub const fn zeros(length: u64) -> Self {
        Self { length, bytes: None }
    }

    /// The bytes from `from` to `to` of it, in pieces.
    fn pieces(&self, from: u64, to: u64) -> impl Iterator<Item = Bytes> + use<> {
        let bytes = self.bytes.clone();
        let mut at = from;
        std::iter::from_fn(move || {
            let left = usize::try_from(to - at).unwrap();
            let piece = match &bytes {
                _ if left == 0 => return None,
                Some(bytes) => {
                    let start = usize::try_from(at).unwrap();
                    bytes.slice(start..start + left)
                }
                None => Bytes::from_static(&ZEROS[..left.min(ZEROS.len())]),
            };
            at += piece.len() as u64;
            Some(piece)
        })
    }
}

/// The length of what lies in `content`.
pub fn length(content: &[Stretch]) -> u64 {
    content.iter().map(|stretch| stretch.length).sum()
}

/// The bytes from `from` to `to` of `content`, in pieces.
pub fn pieces(content: &[Stretch], from: u64, to: u64) -> Vec<Bytes> {
    let mut start = 0;
    let mut found = Vec::new();
    for stretch in content {
        let end = start + stretch.length;
        let (first, last) = (from.max(start), to.min(end));
        if first < last {
            found.extend(stretch.pieces(first - start, last - start));
        }
        start = end;
    }
    found
}

use std::io::Read;

use crate::error::Error;
use crate::layout::Layout;

/// The signature of a file, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    layout: Layout,
    bytes: Vec<u8>,
}

impl Signature {
    /// Takes the bytes of a whole signature.
    ///
    /// # Errors
    /// When they are none.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, Error> {
        let truncated = Error::Truncated {
            what: "signature",
            at: bytes.len() as u64,
        };
        let Some((header, sums)) = bytes.split_first_chunk() else {
            return Err(truncated);
        };
        let layout = Layout::parse(header)?;
        if sums.len() % layout.sums_len() != 0 {
            return Err(truncated);
        }
        Ok(Self { layout, bytes })
    }

    /// Reads a whole signature, to the end of `from`.
    ///
    /// # Errors
    /// When it cannot be read or is none.
    pub fn read(from: &mut dyn Read) -> Result<Self, Error> {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).map_err(|source| Error::Read {
            what: "signature",
            source,
        })?;
        Self::parse(bytes)
    }

    /// Its header.
    #[must_use]
    pub const fn layout(&self) -> Layout {
        self.layout
    }

    /// How many blocks the file has.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.sums().len() / self.layout.sums_len()
    }

    /// The signature as it is stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The signature as it is stored.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// All blocks' sums.
    fn sums(&self) -> &[u8] {
        self.bytes.get(Layout::HEADER_LEN..).unwrap_or_default()
    }

    /// The sums from block `from` on.
    pub(crate) fn sums_from(&self, from: usize) -> &[u8] {
        self.sums()
            .get(from.saturating_mul(self.layout.sums_len())..)
            .unwrap_or_default()
    }

    /// The weak and the strong sum of a block.
    pub(crate) fn block(&self, block: usize) -> Option<(u32, &[u8])> {
        let (weak, behind) = self.sums_from(block).split_first_chunk()?;
        let strong = behind.get(..self.layout.strong_len() as usize)?;
        Some((u32::from_be_bytes(*weak), strong))
    }
}

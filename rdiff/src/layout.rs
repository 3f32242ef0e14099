use crate::error::Error;

/// The longest block that is taken, in bytes: what the formula of duplicity 3 gives for 4 PiB.
pub const MAX_BLOCK_LEN: u32 = 64 << 20;

/// Which sums a signature has; each is a magic number of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Rollsum and MD4: what duplicity writes.
    RollsumMd4,
    /// Rollsum and BLAKE2b-256; librsync 1.0 and later.
    RollsumBlake2,
    /// RabinKarp and MD4; librsync 2.2 and later.
    RabinKarpMd4,
    /// RabinKarp and BLAKE2b-256; librsync 2.2 and later.
    RabinKarpBlake2,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [
        Self::RollsumMd4,
        Self::RollsumBlake2,
        Self::RabinKarpMd4,
        Self::RabinKarpBlake2,
    ];

    /// The first four bytes of a signature of this kind.
    #[must_use]
    pub const fn magic(self) -> u32 {
        match self {
            Self::RollsumMd4 => 0x7273_0136,
            Self::RollsumBlake2 => 0x7273_0137,
            Self::RabinKarpMd4 => 0x7273_0146,
            Self::RabinKarpBlake2 => 0x7273_0147,
        }
    }

    /// The whole length of the strong sum, in bytes.
    #[must_use]
    pub const fn max_strong_len(self) -> u32 {
        match self {
            Self::RollsumMd4 | Self::RabinKarpMd4 => 16,
            Self::RollsumBlake2 | Self::RabinKarpBlake2 => 32,
        }
    }

    pub(crate) const fn is_rollsum(self) -> bool {
        matches!(self, Self::RollsumMd4 | Self::RollsumBlake2)
    }

    pub(crate) const fn is_md4(self) -> bool {
        matches!(self, Self::RollsumMd4 | Self::RabinKarpMd4)
    }
}

/// A signature's header: its kind and how long its blocks and strong sums are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    kind: Kind,
    block_len: u32,
    strong_len: u32,
}

impl Layout {
    /// The length of a signature's header, in bytes.
    pub const HEADER_LEN: usize = 12;

    /// Blocks of `block_len` bytes, strong sums cut to `strong_len` bytes.
    ///
    /// # Errors
    /// When a length is zero, a block longer than [`MAX_BLOCK_LEN`] or a sum longer than its kind has.
    pub const fn new(kind: Kind, block_len: u32, strong_len: u32) -> Result<Self, Error> {
        if block_len == 0 || block_len > MAX_BLOCK_LEN {
            return Err(Error::Layout {
                what: "blocks",
                found: block_len,
            });
        }
        if strong_len == 0 || strong_len > kind.max_strong_len() {
            return Err(Error::Layout {
                what: "sums",
                found: strong_len,
            });
        }
        Ok(Self {
            kind,
            block_len,
            strong_len,
        })
    }

    /// What duplicity writes: rollsum, and eight bytes of MD4.
    ///
    /// # Errors
    /// When `block_len` is zero or longer than [`MAX_BLOCK_LEN`].
    pub const fn duplicity(block_len: u32) -> Result<Self, Error> {
        Self::new(Kind::RollsumMd4, block_len, 8)
    }

    /// Which sums.
    #[must_use]
    pub const fn kind(self) -> Kind {
        self.kind
    }

    /// Bytes of a block; a file's last one may be shorter.
    #[must_use]
    pub const fn block_len(self) -> u32 {
        self.block_len
    }

    /// Bytes of a strong sum.
    #[must_use]
    pub const fn strong_len(self) -> u32 {
        self.strong_len
    }

    /// The length in bytes of the signature of a file of `len` bytes.
    #[must_use]
    pub const fn signature_len(self, len: u64) -> u64 {
        let blocks = len.div_ceil(self.block_len as u64);
        blocks
            .saturating_mul(4 + self.strong_len as u64)
            .saturating_add(Self::HEADER_LEN as u64)
    }

    /// Bytes of the sums of one block.
    pub(crate) const fn sums_len(self) -> usize {
        4 + self.strong_len as usize
    }

    pub(crate) fn header(self) -> [u8; Self::HEADER_LEN] {
        let mut header = [0; Self::HEADER_LEN];
        let words = [self.kind.magic(), self.block_len, self.strong_len];
        for (bytes, word) in header.as_chunks_mut::<4>().0.iter_mut().zip(words) {
            *bytes = word.to_be_bytes();
        }
        header
    }

    pub(crate) fn parse(header: &[u8; Self::HEADER_LEN]) -> Result<Self, Error> {
        let mut words = header.as_chunks::<4>().0.iter().map(|bytes| u32::from_be_bytes(*bytes));
        let mut word = || words.next().unwrap_or_default();
        let (magic, block_len, strong_len) = (word(), word(), word());
        let kind = Kind::ALL.into_iter().find(|kind| kind.magic() == magic);
        let kind = kind.ok_or(Error::Magic {
            what: "signature",
            found: magic,
        })?;
        Self::new(kind, block_len, strong_len)
    }
}

/// The length of blocks that duplicity 0.8 and before takes for a file of `len` bytes; `max` is 2048 there by default.
#[must_use]
pub fn block_len_v0(len: u64, max: u32) -> u32 {
    const STEP: u64 = 512 * 2000;
    if len < STEP {
        return 512;
    }
    let wanted = 512 * (len / STEP).min(u64::from(MAX_BLOCK_LEN / 512));
    u32::try_from(wanted).unwrap_or(MAX_BLOCK_LEN).min(max)
}

/// The length of blocks that duplicity 3 takes for a file of `len` bytes; `max` is no limit there by default.
#[must_use]
pub fn block_len_v3(len: u64, max: Option<u32>) -> u32 {
    let root = len.isqrt().next_multiple_of(512).clamp(512, u64::from(MAX_BLOCK_LEN));
    let root = u32::try_from(root).unwrap_or(MAX_BLOCK_LEN);
    max.map_or(root, |max| root.min(max))
}

use super::errors::Problem;
use super::requests::Answer;
use super::wire::Decoder;

/// What every server must take in one request, says the protocol.
const SAFE: usize = 32 << 10;

/// What is not asked for in one request even where it may be.
const MOST: usize = 255 << 10;

/// What a server can do beyond the protocol's version 3.
#[derive(Debug, Clone, Default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a name that the server says or does not"
)]
pub(super) struct Extensions {
    pub(super) hard_link: bool,
    pub(super) posix_rename: bool,
    pub(super) fsync: bool,
    pub(super) copy_data: bool,
    pub(super) lsetstat: bool,
    pub(super) statvfs: bool,
    pub(super) limits: bool,
}

/// How large requests may be, and how many files open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// Bytes in one read.
    pub(super) read: usize,
    /// Bytes in one write.
    pub(super) write: usize,
    /// Files and folders that are open at the same time, where the server tells.
    pub(super) open: Option<usize>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            read: SAFE,
            write: SAFE,
            open: None,
        }
    }
}

impl Extensions {
    pub(super) fn add(&mut self, name: &[u8], version: &[u8]) {
        match (name, version) {
            (b"hardlink@openssh.com", b"1") => self.hard_link = true,
            (b"posix-rename@openssh.com", b"1") => self.posix_rename = true,
            (b"fsync@openssh.com", b"1") => self.fsync = true,
            (b"copy-data", b"1") => self.copy_data = true,
            (b"lsetstat@openssh.com", b"1") => self.lsetstat = true,
            (b"statvfs@openssh.com", b"2") => self.statvfs = true,
            (b"limits@openssh.com", b"1") => self.limits = true,
            _ => {}
        }
    }
}

impl Limits {
    /// What the server's answer to the question for its limits says.
    pub(super) fn of(answer: Answer) -> Result<Self, Problem> {
        let answer = answer.extended()?;
        let nonsense = |_| Problem::Nonsense("its limits are broken");
        let mut decoder = Decoder::new(&answer);
        let _packet = decoder.u64().map_err(nonsense)?;
        Ok(Self {
            read: bounded(decoder.u64().map_err(nonsense)?),
            write: bounded(decoder.u64().map_err(nonsense)?),
            open: decoder
                .u64()
                .ok()
                .and_then(|open| usize::try_from(open).ok())
                .filter(|open| *open > 0),
        })
    }
}

/// Zero means that the server knows no limit.
fn bounded(limit: u64) -> usize {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if limit == 0 { SAFE } else { limit.min(MOST) }
}

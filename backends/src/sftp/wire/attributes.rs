use super::{Decoder, Malformed, Packet};

const SIZE: u32 = 0x01;
const OWNER: u32 = 0x02;
const PERMISSIONS: u32 = 0x04;
const TIMES: u32 = 0x08;
const EXTENDED: u32 = 0x8000_0000;

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    File,
    Folder,
    Symlink,
    Fifo,
    Socket,
    CharDevice,
    BlockDevice,
    /// The server does not tell, or something else.
    Unknown,
}

/// What the protocol tells of an entry, or sets of it; `None` is left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Attributes {
    pub(crate) size: Option<u64>,
    pub(crate) owner: Option<(u32, u32)>,
    /// With the bits of the file's type, as `st_mode`.
    pub(crate) mode: Option<u32>,
    /// Last read and last changed, in seconds since 1970.
    pub(crate) times: Option<(u32, u32)>,
}

impl Attributes {
    pub(crate) fn with_mode(mode: u32) -> Self {
        Self {
            mode: Some(mode),
            ..Self::default()
        }
    }

    pub(crate) fn kind(&self) -> FileKind {
        match self.mode.unwrap_or(0) & 0o170_000 {
            0o100_000 => FileKind::File,
            0o040_000 => FileKind::Folder,
            0o120_000 => FileKind::Symlink,
            0o010_000 => FileKind::Fifo,
            0o140_000 => FileKind::Socket,
            0o020_000 => FileKind::CharDevice,
            0o060_000 => FileKind::BlockDevice,
            _ => FileKind::Unknown,
        }
    }

    pub(crate) fn encode(&self, packet: Packet) -> Packet {
        let flag = |present: bool, flag: u32| if present { flag } else { 0 };
        let flags = flag(self.size.is_some(), SIZE)
            | flag(self.owner.is_some(), OWNER)
            | flag(self.mode.is_some(), PERMISSIONS)
            | flag(self.times.is_some(), TIMES);
        let mut packet = packet.u32(flags);
        if let Some(size) = self.size {
            packet = packet.u64(size);
        }
        if let Some((user, group)) = self.owner {
            packet = packet.u32(user).u32(group);
        }
        if let Some(mode) = self.mode {
            packet = packet.u32(mode);
        }
        if let Some((read, changed)) = self.times {
            packet = packet.u32(read).u32(changed);
        }
        packet
    }

    pub(crate) fn decode(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        let flags = from.u32()?;
        let has = |flag: u32| flags & flag != 0;
        let mut found = Self::default();
        if has(SIZE) {
            found.size = Some(from.u64()?);
        }
        if has(OWNER) {
            found.owner = Some((from.u32()?, from.u32()?));
        }
        if has(PERMISSIONS) {
            found.mode = Some(from.u32()?);
        }
        if has(TIMES) {
            found.times = Some((from.u32()?, from.u32()?));
        }
        if has(EXTENDED) {
            for _ in 0..from.u32()? {
                from.string()?;
                from.string()?;
            }
        }
        Ok(found)
    }
}

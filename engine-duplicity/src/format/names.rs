//! The names of the files of a repository.

use super::stamp::{SetTime, base36};

/// What all files of a kind begin with; `all` comes first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prefixes {
    /// Of every file.
    pub all: String,
    /// Of volumes.
    pub archive: String,
    /// Of manifests.
    pub manifest: String,
    /// Of signature files.
    pub signature: String,
    /// Of statistics.
    pub stats: String,
}

impl Prefixes {
    /// The characters of the prefixes that the original would take for a pattern when it reads the names back.
    #[must_use]
    pub fn has_pattern(&self) -> bool {
        let all = [&self.all, &self.archive, &self.manifest, &self.signature, &self.stats];
        all.iter().any(|prefix| {
            prefix.contains([
                '+', '*', '?', '(', ')', '[', ']', '{', '}', '^', '$', '|', '\\', '/', '\0',
            ])
        })
    }

    fn of(&self, kind: FileKind) -> &str {
        match kind {
            FileKind::Volume(_) => &self.archive,
            FileKind::Manifest => &self.manifest,
            FileKind::Signatures => &self.signature,
            FileKind::Stats => &self.stats,
        }
    }
}

/// What a file of a repository holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// Data; counted from 1.
    Volume(u32),
    /// What the set's volumes hold, and their hashes; the set exists when this does.
    Manifest,
    /// Signatures and metadata of what the set saved.
    Signatures,
    /// Statistics of 3.x; never needed.
    Stats,
}

/// One run of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SetId {
    /// Everything, at this time.
    Full(SetTime),
    /// What differs from the set that ends at `start`.
    Increment {
        /// The end of the set before.
        start: SetTime,
        /// Its own time.
        end: SetTime,
    },
}

impl SetId {
    /// The time whose state it brings.
    #[must_use]
    pub const fn end(self) -> SetTime {
        match self {
            Self::Full(end) | Self::Increment { end, .. } => end,
        }
    }

    /// The end of the set it needs; its own time when it needs none.
    #[must_use]
    pub const fn start(self) -> SetTime {
        match self {
            Self::Full(time) | Self::Increment { start: time, .. } => time,
        }
    }

    /// Whether it stands alone.
    #[must_use]
    pub const fn is_full(self) -> bool {
        matches!(self, Self::Full(_))
    }
}

impl std::fmt::Display for SetId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Full(time) => write!(f, "full backup {time}"),
            Self::Increment { end, .. } => write!(f, "increment {end}"),
        }
    }
}

/// How a file is wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Container {
    /// Not at all.
    Plain,
    /// gzip.
    Gzip,
    /// One OpenPGP message.
    OpenPgp,
    /// One CMS message, as gpgsm makes it; cannot be read here.
    Cms,
}

impl Container {
    const fn suffix(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Gzip => ".gz",
            Self::OpenPgp => ".gpg",
            Self::Cms => ".p7m",
        }
    }

    fn of(name: &[u8]) -> Self {
        let ends = |suffix: &str| name.ends_with(suffix.as_bytes());
        if ends(".gpg") || ends(".g") {
            Self::OpenPgp
        } else if ends(".p7m") {
            Self::Cms
        } else if ends("gz") || ends(".z") {
            Self::Gzip
        } else {
            Self::Plain
        }
    }
}

/// What a file's name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName {
    /// What it holds.
    pub kind: FileKind,
    /// Of which set.
    pub set: SetId,
    /// Whether it is of a run that has not ended; only in the archive folder.
    pub partial: bool,
    /// How it is wrapped.
    pub container: Container,
}

impl FileName {
    /// A finished file's name.
    #[must_use]
    pub const fn new(kind: FileKind, set: SetId, container: Container) -> Self {
        Self {
            kind,
            set,
            partial: false,
            container,
        }
    }

    /// Reads a name in any of duplicity's styles; `None` for a file that is not of this repository.
    #[must_use]
    pub fn parse(name: &[u8], prefixes: &Prefixes) -> Option<Self> {
        let rest = name.strip_prefix(prefixes.all.as_bytes())?;
        let container = Container::of(&name.to_ascii_lowercase());
        if name.to_ascii_lowercase().ends_with(b".par2") {
            return None;
        }
        let kinds = [
            FileKind::Volume(1),
            FileKind::Manifest,
            FileKind::Signatures,
            FileKind::Stats,
        ];
        kinds.into_iter().find_map(|kind| {
            let body = rest.strip_prefix(prefixes.of(kind).as_bytes())?.to_ascii_lowercase();
            let (kind, set, partial) = short(kind, &body).or_else(|| long(kind, &body))?;
            Some(Self {
                kind,
                set,
                partial,
                container,
            })
        })
    }

    /// The name in the current style.
    #[must_use]
    pub fn write(&self, prefixes: &Prefixes) -> String {
        let stem = match (self.kind, self.set) {
            (FileKind::Signatures, SetId::Full(time)) => format!("duplicity-full-signatures.{time}"),
            (FileKind::Signatures, SetId::Increment { start, end }) => {
                format!("duplicity-new-signatures.{start}.to.{end}")
            }
            (_, SetId::Full(time)) => format!("duplicity-full.{time}"),
            (_, SetId::Increment { start, end }) => format!("duplicity-inc.{start}.to.{end}"),
        };
        let body = match self.kind {
            FileKind::Volume(number) => format!("vol{number}.difftar"),
            FileKind::Manifest => "manifest".to_owned(),
            FileKind::Signatures => "sigtar".to_owned(),
            FileKind::Stats => "jsonstat".to_owned(),
        };
        let part = if self.partial { ".part" } else { "" };
        let suffix = self.container.suffix();
        format!("{}{}{stem}.{body}{part}{suffix}", prefixes.all, prefixes.of(self.kind))
    }
}

type Meaning = (FileKind, SetId, bool);

/// The style of `--short-filenames`: `df.tovbdm.1.dt.z`.
fn short(kind: FileKind, body: &[u8]) -> Option<Meaning> {
    let mut parts = body.split(|byte| *byte == b'.');
    let head = parts.next()?;
    let full = match (kind, head) {
        (FileKind::Volume(_) | FileKind::Manifest, b"df") | (FileKind::Signatures, b"dfs") => true,
        (FileKind::Volume(_) | FileKind::Manifest, b"di") | (FileKind::Signatures, b"dns") => false,
        _ => return None,
    };
    let first = SetTime::parse_short(parts.next()?)?;
    let set = if full {
        SetId::Full(first)
    } else {
        let end = SetTime::parse_short(parts.next()?)?;
        SetId::Increment { start: first, end }
    };
    let next = parts.next()?;
    match (kind, next) {
        (FileKind::Manifest, b"m") | (FileKind::Signatures, b"st") => Some((kind, set, parts.next() == Some(b"p"))),
        (FileKind::Volume(_), number) if parts.next()? == b"dt" => {
            Some((volume(u32::try_from(base36(number)?).ok()?)?, set, false))
        }
        _ => None,
    }
}

fn long(kind: FileKind, body: &[u8]) -> Option<Meaning> {
    let mut parts = body.split(|byte| *byte == b'.');
    let full = match (kind, parts.next()?) {
        (FileKind::Signatures, b"duplicity-full-signatures") => true,
        (FileKind::Signatures, b"duplicity-new-signatures") => false,
        (FileKind::Signatures, _) => return None,
        (_, b"duplicity-full") => true,
        (_, b"duplicity-inc") => false,
        _ => return None,
    };
    let first = SetTime::parse(parts.next()?)?;
    let set = if full {
        SetId::Full(first)
    } else {
        if parts.next()? != b"to" {
            return None;
        }
        let end = SetTime::parse(parts.next()?)?;
        SetId::Increment { start: first, end }
    };
    let next = parts.next()?;
    match (kind, next) {
        (FileKind::Manifest, b"manifest") | (FileKind::Signatures, b"sigtar") | (FileKind::Stats, b"jsonstat") => {
            Some((kind, set, parts.next() == Some(b"part")))
        }
        (FileKind::Volume(_), numbered) if parts.next()? == b"difftar" => {
            let digits = std::str::from_utf8(numbered.strip_prefix(b"vol")?).ok()?;
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            Some((volume(digits.parse().ok().filter(|_| plain)?)?, set, false))
        }
        _ => None,
    }
}

fn volume(number: u32) -> Option<FileKind> {
    (number > 0).then_some(FileKind::Volume(number))
}

#[cfg(test)]
mod tests;

//! The engine of a record, and the properties that only one engine has.

use std::fmt;
use std::num::NonZeroU64;
use std::path::PathBuf;

use engine_rsync::Strategy;

use super::RecordError;
use super::fields::Fields;
use super::rules::Checked;

/// The engines, by the names that records have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EngineName {
    /// Full backups and increments in duplicity's format.
    Duplicity,
    /// Deduplicated and encrypted snapshots in restic's format.
    Restic,
    /// Hard-linked folders in the layout of rsync-time-backup.
    Rsync,
}

impl EngineName {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Duplicity, Self::Restic, Self::Rsync];

    /// The name in a record.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Duplicity => "duplicity",
            Self::Restic => "restic",
            Self::Rsync => "rsync",
        }
    }

    /// The engine of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|engine| engine.as_str() == name)
    }
}

impl fmt::Display for EngineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Properties `Type`, `FullDay`, `FullFrom`, `VolSize`, `Encrypt`, `EncryptKeys` and `DecryptKeys`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sets {
    /// The day of the week whose runs are full, 0 being Sunday; `None` when all are.
    pub full_day: Option<i8>,
    /// Whether a full set is made of the chain at the destination, rather than by reading everything again.
    pub full_from_chain: bool,
    /// The size of a volume in bytes.
    pub volume_size: NonZeroU64,
    /// Whether everything is encrypted: to the keys, or with a passphrase where there are none.
    pub encrypt: bool,
    /// Files with the OpenPGP public keys to encrypt to, as `gpg --export` writes them.
    pub encrypt_keys: Vec<PathBuf>,
    /// Files with the secret keys that read what was so encrypted; a restore needs one, a backup none.
    pub decrypt_keys: Vec<PathBuf>,
}

impl Default for Sets {
    /// NethServer's: every run is full, volumes of 250 MiB, nothing encrypted.
    fn default() -> Self {
        Self {
            full_day: None,
            full_from_chain: false,
            volume_size: NonZeroU64::MIN.saturating_add(250 * MEBIBYTE - 1),
            encrypt: false,
            encrypt_keys: Vec::new(),
            decrypt_keys: Vec::new(),
        }
    }
}

const MEBIBYTE: u64 = 1024 * 1024;

pub(super) fn engine(fields: &Fields<'_>) -> Checked<EngineName> {
    // A record without a type is one of duplicity's, as NethServer has it, unless `Program` says better.
    if fields.kind().is_empty() {
        return fields.read(
            "Program",
            EngineName::Duplicity,
            "duplicity, restic or rsync",
            EngineName::parse,
        );
    }
    let name = str::from_utf8(fields.kind()).ok();
    let known = name.and_then(EngineName::parse);
    known.ok_or_else(|| fields.wrong("type", fields.kind(), "duplicity, restic or rsync"))
}

/// What is to be said where `Program`, the engine's place in very old records, stands beside the type.
pub(super) fn program(fields: &Fields<'_>) -> Option<RecordError> {
    let program = fields.bytes("Program")?;
    let advice = if fields.kind().is_empty() {
        "the engine is the type of the record; it is taken as such as long as there is none"
    } else if fields.kind() == program {
        return None;
    } else {
        "the engine is the type of the record, which says another one"
    };
    Some(fields.old("Program", advice))
}

/// What the record says, or the defaults where another engine would never look at it.
pub(super) fn sets(fields: &Fields<'_>) -> Checked<Sets> {
    if engine(fields)? != EngineName::Duplicity {
        return Ok(Sets::default());
    }
    let full_day = full_day(fields)?;
    Ok(Sets {
        full_day: incremental(fields)?.then_some(full_day),
        full_from_chain: full_from_chain(fields)?,
        volume_size: volume_size(fields)?,
        encrypt: encrypt(fields)?,
        encrypt_keys: key_files(fields, "EncryptKeys")?,
        decrypt_keys: key_files(fields, "DecryptKeys")?,
    })
}

fn incremental(fields: &Fields<'_>) -> Checked<bool> {
    fields.read("Type", false, "full or incremental", |text| match text {
        "full" => Some(false),
        "incremental" => Some(true),
        _ => None,
    })
}

fn full_day(fields: &Fields<'_>) -> Checked<i8> {
    fields.read("FullDay", 0, "a day of the week from 0 (Sunday) to 6", |text| {
        let day = text.parse().ok().filter(|day| (0..=7).contains(day));
        // Cron's other name for Sunday.
        day.map(|day| if day == 7 { 0 } else { day })
    })
}

fn full_from_chain(fields: &Fields<'_>) -> Checked<bool> {
    fields.read("FullFrom", false, "source or chain", |text| match text {
        "source" => Some(false),
        "chain" => Some(true),
        _ => None,
    })
}

fn volume_size(fields: &Fields<'_>) -> Checked<NonZeroU64> {
    const LARGEST: u64 = 1024 * 1024;
    let usual = Sets::default().volume_size;
    fields.read("VolSize", usual, "a number of MiB from 1 to 1048576", |text| {
        let size = text.parse::<u64>().ok().filter(|size| *size <= LARGEST)?;
        NonZeroU64::new(size * MEBIBYTE)
    })
}

fn encrypt(fields: &Fields<'_>) -> Checked<bool> {
    fields.read("Encrypt", false, "enabled or disabled", |text| match text {
        "enabled" => Some(true),
        "disabled" => Some(false),
        _ => None,
    })
}

fn key_files(fields: &Fields<'_>, property: &str) -> Checked<Vec<PathBuf>> {
    fields.read(
        property,
        Vec::new(),
        "absolute paths of key files, separated by commas",
        |text| {
            let paths: Vec<PathBuf> = text.split(',').map(|path| PathBuf::from(path.trim())).collect();
            paths.iter().all(|path| path.is_absolute()).then_some(paths)
        },
    )
}

pub(super) fn strategy(fields: &Fields<'_>) -> Checked<Strategy> {
    if engine(fields)? != EngineName::Rsync {
        return Ok(Strategy::default());
    }
    const ALLOWED: &str = "pairs of days such as `1:1 30:7 365:30` (older than 30 days, one in 7 days stays)";
    fields.read("Strategy", Strategy::default(), ALLOWED, |text| {
        Strategy::parse(text).ok()
    })
}

/// All that is wrong with these properties. Those of another engine do no harm, and NethServer's forms leave them behind.
pub(super) fn check(fields: &Fields<'_>) -> Vec<RecordError> {
    let errors = match engine(fields) {
        Ok(EngineName::Duplicity) => [
            incremental(fields).err(),
            full_day(fields).err(),
            full_from_chain(fields).err(),
            volume_size(fields).err(),
            encrypt(fields).err(),
            key_files(fields, "EncryptKeys").err(),
            key_files(fields, "DecryptKeys").err(),
        ],
        Ok(EngineName::Rsync) => [strategy(fields).err(), None, None, None, None, None, None],
        Ok(EngineName::Restic) | Err(_) => [const { None }; 7],
    };
    errors.into_iter().flatten().collect()
}

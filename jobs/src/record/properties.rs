//! The one table of what a record of `backups` may hold.
//!
//! A new property gets a line in [`KNOWN`], and a row in `docs/commands.md`. Where a run needs its value, read it with
//! [`Fields::read`](super::fields::Fields::read) into a field of [`Job`](super::Job) and write `typed(NAME)`: that
//! reading is the check. Where somebody else reads it (a mail, a schedule), write `checked(NAME, ALLOWED, GOOD)`:
//! `ALLOWED` ends the sentence "… is `x`, and must be", and `GOOD` decides on a value without blanks around it. A property
//! whose name ends in `Password` or `Key`, and one made with `.secret()`, is never shown. One that only an older program
//! read is `old(NAME, ADVICE)`.

use super::EngineName;
use crate::when::cron::{self, Schedule};

/// A property that records may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Property {
    /// Its name.
    pub(super) name: &'static str,
    secret: bool,
    rule: Rule,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    /// Checked by being read into a job.
    Typed,
    /// Checked by the function.
    Checked {
        allowed: &'static str,
        good: fn(&str) -> bool,
    },
    /// Without effect; what to do about it.
    Old { advice: &'static str },
}

const fn typed(name: &'static str) -> Property {
    Property {
        name,
        secret: false,
        rule: Rule::Typed,
    }
}

const fn checked(name: &'static str, allowed: &'static str, good: fn(&str) -> bool) -> Property {
    Property {
        name,
        secret: false,
        rule: Rule::Checked { allowed, good },
    }
}

const fn old(name: &'static str, advice: &'static str) -> Property {
    Property {
        name,
        secret: false,
        rule: Rule::Old { advice },
    }
}

impl Property {
    const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    pub(super) const fn rule(&self) -> Rule {
        self.rule
    }
}

/// Every property, whichever engine and storage reads it.
pub(super) const KNOWN: &[Property] = &[
    typed("status"),
    typed("VFSType"),
    typed("CleanupOlderThan"),
    typed("Prune"),
    typed("Check"),
    typed("CheckData"),
    // When it runs.
    checked("BackupTime", cron::ALLOWED, |text| Schedule::parse(text).is_ok()),
    // How it behaves.
    typed("LockWait"),
    typed("ActionTimeout"),
    typed("AnswerTimeout"),
    typed("Nice"),
    typed("IONice"),
    typed("Bandwidth"),
    // Who is told.
    typed("Notify"),
    typed("NotifyTo"),
    typed("NotifyFrom"),
    typed("Sendmail"),
    typed("SMTPHost"),
    typed("SMTPPort"),
    typed("SMTPSecurity"),
    typed("SMTPLogin"),
    typed("SMTPPassword"),
    typed("SMTPCertificate"),
    typed("WebhookUrl").secret(),
    typed("WebhookWhen"),
    typed("PingUrl").secret(),
    typed("PrometheusFolder"),
    // One engine's.
    typed("Type"),
    typed("FullDay"),
    typed("FullFrom"),
    typed("VolSize"),
    typed("Encrypt"),
    typed("EncryptKeys"),
    typed("DecryptKeys"),
    typed("Strategy"),
    // One storage's.
    typed("LocalDirectory"),
    typed("SMBHost"),
    typed("SMBShare"),
    typed("SMBLogin"),
    typed("SMBPassword"),
    typed("NFSHost"),
    typed("NFSShare"),
    typed("USBLabel"),
    typed("WebDAVUrl"),
    typed("WebDAVLogin"),
    typed("WebDAVPassword"),
    typed("SftpHost"),
    typed("SftpPort"),
    typed("SftpUser"),
    typed("SftpDirectory"),
    typed("SftpCompression"),
    typed("SftpCommands"),
    typed("S3Host"),
    typed("S3Bucket"),
    typed("S3AccessKey"),
    typed("S3SecretKey"),
    typed("S3Region"),
    typed("S3StorageClass"),
    typed("S3Style"),
    typed("S3LockMode"),
    typed("S3LockDays"),
    typed("B2AccountId"),
    typed("B2AccountKey"),
    typed("B2Bucket"),
    typed("B2Api"),
    typed("RestProtocol"),
    typed("RestHost"),
    typed("RestPort"),
    typed("RestDirectory"),
    typed("RestUser"),
    typed("RestPassword"),
    typed("Certificate"),
    // Any storage's.
    typed("HostFolder"),
    typed("Connections"),
    // Of programs before this one.
    checked("Program", "duplicity, restic or rsync", |text| {
        EngineName::parse(text).is_some()
    }),
    old("Mount", "the place is chosen by VFSType and mounted where it belongs"),
    old("LogFile", "every run has a log of its own"),
    old("ForceFull", "which runs are full is said by Type and FullDay"),
];

/// The property of that name.
pub(super) fn find(name: &[u8]) -> Option<&'static Property> {
    KNOWN.iter().find(|property| property.name.as_bytes() == name)
}

/// Whether a record of `backups` may have it.
pub(crate) fn is_property(name: &[u8]) -> bool {
    find(name).is_some()
}

/// The property that a name which is none was probably meant to be.
pub(super) fn similar(name: &[u8]) -> Option<&'static str> {
    let name = str::from_utf8(name).ok()?.to_ascii_lowercase();
    let distance = |property: &Property| distance(&name, &property.name.to_ascii_lowercase());
    let nearest = KNOWN.iter().map(|property| (distance(property), property.name)).min()?;
    // Two letters wrong in a short name make it another name.
    (nearest.0 <= name.len() / 4).then_some(nearest.1)
}

/// How many letters must be changed, put in or taken out to make `b` of `a`.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (index, from) in a.bytes().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        for (cell, to) in row.iter_mut().skip(1).zip(b.bytes()) {
            let changed = diagonal + usize::from(from != to);
            diagonal = *cell;
            left = changed.min(*cell + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

/// Whether the values of this property are never shown.
#[must_use]
pub fn is_secret(property: &str) -> bool {
    named_secret(property) || find(property.as_bytes()).is_some_and(|property| property.secret)
}

/// A property that nobody knows may hold a secret too, in whatever case it is written.
fn named_secret(property: &str) -> bool {
    let name = property.to_ascii_lowercase();
    ["password", "passwd", "passphrase", "key", "secret", "token"]
        .iter()
        .any(|end| name.ends_with(end))
}

//! What each property of a backup's record may be.

use engine_api::Age;

use super::fields::Fields;
use super::{Prune, RecordError, Retention, engines, places};
use crate::esmith::Record;
use crate::name::JobName;
use crate::when::cron::{self, Schedule};

pub(super) type Checked<T> = Result<T, RecordError>;

pub(super) fn enabled(fields: &Fields<'_>) -> Checked<bool> {
    fields.read("status", false, "enabled or disabled", |text| match text {
        "enabled" => Some(true),
        "disabled" => Some(false),
        _ => None,
    })
}

pub(super) fn retention(fields: &Fields<'_>) -> Checked<Retention> {
    let allowed = "never, or an age such as 30D, 6M or 1Y";
    fields.read("CleanupOlderThan", Retention::Never, allowed, |text| {
        if text.eq_ignore_ascii_case("never") || text.eq_ignore_ascii_case("default") {
            return Some(Retention::Never);
        }
        Age::parse(text).ok().map(Retention::KeepWithin)
    })
}

pub(super) fn prune(fields: &Fields<'_>) -> Checked<Prune> {
    let allowed = "always, or a day of the week from 0 (Sunday) to 6";
    fields.read("Prune", Prune::Weekday(0), allowed, |text| match text {
        "always" => Some(Prune::Always),
        // Cron's other name for Sunday; NethServer lets it pass and then never prunes.
        "7" => Some(Prune::Weekday(0)),
        _ => text
            .parse()
            .ok()
            .filter(|day| (0..=6).contains(day))
            .map(Prune::Weekday),
    })
}

fn notify(fields: &Fields<'_>) -> Checked<()> {
    fields.read("Notify", (), "always, error or never", |text| {
        matches!(text, "always" | "error" | "never").then_some(())
    })
}

fn backup_time(fields: &Fields<'_>) -> Checked<()> {
    let text = fields.bytes("BackupTime").map(str::from_utf8);
    let reason = match text {
        None => return Ok(()),
        Some(Err(_)) => String::new(),
        Some(Ok(text)) => match Schedule::parse(text) {
            Ok(_) => return Ok(()),
            Err(error) => format!(": {error}"),
        },
    };
    let allowed = format!("{}{reason}", cron::ALLOWED);
    Err(fields.wrong("BackupTime", fields.bytes("BackupTime").unwrap_or_default(), &allowed))
}

/// Every property that a record of `backups` may have, whichever engine and storage it names.
const KNOWN: &[&str] = &[
    "status",
    "BackupTime",
    "VFSType",
    "Notify",
    "NotifyTo",
    "NotifyFrom",
    "CleanupOlderThan",
    "Type",
    "FullDay",
    "VolSize",
    "Encrypt",
    "EncryptKeys",
    "DecryptKeys",
    "Certificate",
    "S3Region",
    "S3StorageClass",
    "Strategy",
    "Prune",
    "LocalDirectory",
    "SMBHost",
    "SMBShare",
    "SMBLogin",
    "SMBPassword",
    "NFSHost",
    "NFSShare",
    "USBLabel",
    "WebDAVUrl",
    "WebDAVLogin",
    "WebDAVPassword",
    "SftpHost",
    "SftpPort",
    "SftpUser",
    "SftpDirectory",
    "S3Host",
    "S3Bucket",
    "S3AccessKey",
    "S3SecretKey",
    "B2AccountId",
    "B2AccountKey",
    "B2Bucket",
    "RestProtocol",
    "RestHost",
    "RestPort",
    "RestDirectory",
    "RestUser",
    "RestPassword",
    "Program",
    "Mount",
    "LogFile",
    "ForceFull",
];

fn unknown(fields: &Fields<'_>) -> Vec<RecordError> {
    let names = fields.record().props.keys();
    let unknown = names.filter(|name| !KNOWN.iter().any(|known| known.as_bytes() == name.as_slice()));
    let explain = |name: &Vec<u8>| {
        let similar = KNOWN.iter().find(|known| known.as_bytes().eq_ignore_ascii_case(name));
        fields.unknown(name, similar.copied())
    };
    unknown.map(explain).collect()
}

/// Everything that is wrong with a record; nothing when it is good.
#[must_use]
pub fn check(name: &JobName, record: &Record) -> Vec<RecordError> {
    let fields = match Fields::new(name.as_str(), record) {
        Ok(fields) => fields,
        Err(damaged) => return vec![damaged],
    };
    let mut errors = unknown(&fields);
    errors.extend(enabled(&fields).err());
    match engines::engine(&fields) {
        Ok(engine) => errors.extend(places::place(&fields, engine).err()),
        Err(error) => errors.push(error),
    }
    errors.extend(retention(&fields).err());
    errors.extend(prune(&fields).err());
    errors.extend(engines::check(&fields));
    errors.extend(notify(&fields).err());
    errors.extend(backup_time(&fields).err());
    errors
}

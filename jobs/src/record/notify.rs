//! Whom a run tells how it ended, and how: the properties of notification.

use std::path::PathBuf;

mod address;

use backends::Secret;

use super::RecordError;
use super::fields::Fields;
use super::places::{self, Certificate};
use super::rules::Checked;
use crate::esmith::Record;
use crate::name::JobName;

pub use address::{MailAddress, Url};

/// The properties that the record `backup-data` of `configuration` may give for all jobs that do not have them.
const SHARED: &[&str] = &[
    "Sendmail",
    "SMTPHost",
    "SMTPPort",
    "SMTPSecurity",
    "SMTPLogin",
    "SMTPPassword",
    "SMTPCertificate",
    "WebhookUrl",
    "WebhookWhen",
    "PrometheusFolder",
];

/// Whether the property may stand once for all backups, in the record `backup-data` of `configuration`.
pub(crate) fn is_common(name: &[u8]) -> bool {
    SHARED.iter().any(|shared| shared.as_bytes() == name)
}

/// Whom a run tells how it ended, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Mail.
    pub mail: Mail,
    /// An address that gets each run as JSON (`WebhookUrl`, `WebhookWhen`).
    pub webhook: Option<(Url, When)>,
    /// An address that is asked for at the start, with `/start`, and at the end, with `/fail` after a failure (`PingUrl`).
    pub ping: Option<Url>,
    /// The folder for a file of Prometheus' text format (`PrometheusFolder`).
    pub prometheus: Option<PathBuf>,
}

/// Which runs are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Every one.
    Always,
    /// Those that were no full success.
    Error,
    /// None.
    Never,
}

/// Properties `Notify`, `NotifyTo`, `NotifyFrom`, and how mail is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Of which runs.
    pub when: When,
    /// To whom.
    pub to: Vec<MailAddress>,
    /// From whom.
    pub from: MailAddress,
    /// By what.
    pub by: Mailer,
}

/// What sends mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mailer {
    /// This machine's program (`Sendmail`), or the one in the usual place.
    Sendmail(Option<PathBuf>),
    /// A server.
    Smtp(Smtp),
}

/// Properties `SMTPHost`, `SMTPPort`, `SMTPSecurity`, `SMTPLogin`, `SMTPPassword` and `SMTPCertificate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Smtp {
    /// The server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub security: Security,
    /// The login; empty for none.
    pub login: String,
    /// Its password.
    pub password: Secret,
    /// Whom to believe that it is the server; never a fingerprint.
    pub certificate: Certificate,
}

/// How a connection to a mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// It begins in plain text and is encrypted before anything is said; a server that does not offer it gets no mail.
    StartTls,
    /// From its beginning on.
    Tls,
    /// Not at all.
    None,
}

impl Security {
    const fn port(self) -> u16 {
        match self {
            Self::StartTls => 587,
            Self::Tls => 465,
            Self::None => 25,
        }
    }
}

/// What stands in the database `configuration` for all jobs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Common {
    /// Record `backup-data`.
    pub(crate) backup_data: Option<Record>,
    /// `SenderAddress` of record `root`.
    pub(crate) sender: Option<Vec<u8>>,
}

impl Common {
    /// The record with the shared properties that it does not have itself.
    fn over(&self, record: &Record) -> Record {
        let mut merged = record.clone();
        for &property in SHARED {
            let common = self.backup_data.as_ref().and_then(|record| record.get(property));
            if let (None, Some(value)) = (record.get(property), common) {
                merged = merged.with(property, value);
            }
        }
        // A job's own server is not offered another one's login.
        if record.get("SMTPHost").is_some() {
            for &property in SHARED.iter().filter(|property| property.starts_with("SMTP")) {
                if record.get(property).is_none() {
                    merged = merged.with(property, "");
                }
            }
        }
        merged
    }
}

impl Notification {
    /// Reads the properties; what is wrong is left out and said: a bad address keeps no backup from running.
    pub(crate) fn read(name: &JobName, record: &Record, common: &Common) -> (Self, Vec<RecordError>) {
        let mut errors = Vec::new();
        let merged = common.over(record);
        let read = match Fields::new(name.as_str(), &merged) {
            Ok(fields) => Self::of(&fields, common.sender.as_deref(), &mut errors),
            Err(damaged) => {
                errors.push(damaged);
                Self::of(
                    &Fields::lenient(name.as_str(), &merged),
                    common.sender.as_deref(),
                    &mut errors,
                )
            }
        };
        (read, errors)
    }

    fn of(fields: &Fields<'_>, sender: Option<&[u8]>, errors: &mut Vec<RecordError>) -> Self {
        let mut note = Note(errors);
        let (to, wrong) = recipients(fields);
        note.0.extend(wrong);
        let from = note.of(address(fields, "NotifyFrom"));
        let sender = sender.and_then(|sender| MailAddress::parse(str::from_utf8(sender).ok()?.trim()));
        let root = MailAddress::root();
        let webhook = note.of(url(fields, "WebhookUrl")).flatten();
        let webhook_when = note
            .of(when(fields, "WebhookWhen", When::Always))
            .unwrap_or(When::Always);
        Self {
            mail: Mail {
                when: note.of(when(fields, "Notify", When::Never)).unwrap_or(When::Error),
                to: if to.is_empty() {
                    vec![MailAddress::root_here()]
                } else {
                    to
                },
                from: sender.or(from.flatten()).unwrap_or(root),
                by: note.of(mailer(fields)).unwrap_or(Mailer::Sendmail(None)),
            },
            webhook: webhook.map(|url| (url, webhook_when)),
            ping: note.of(url(fields, "PingUrl")).flatten(),
            prometheus: note.of(path(fields, "PrometheusFolder")).flatten(),
        }
    }
}

struct Note<'a>(&'a mut Vec<RecordError>);

impl Note<'_> {
    fn of<T>(&mut self, checked: Checked<T>) -> Option<T> {
        checked.map_err(|error| self.0.push(error)).ok()
    }
}

/// What is wrong with a record's own properties of notification.
pub(super) fn check(fields: &Fields<'_>) -> Vec<RecordError> {
    let mut errors = Vec::new();
    Notification::of(fields, None, &mut errors);
    errors
}

fn when(fields: &Fields<'_>, property: &str, default: When) -> Checked<When> {
    fields.read(property, default, "always, error or never", |text| match text {
        "always" => Some(When::Always),
        "error" => Some(When::Error),
        "never" => Some(When::Never),
        _ => None,
    })
}

/// The good ones, and what is wrong with the others: one bad address silences nobody else.
fn recipients(fields: &Fields<'_>) -> (Vec<MailAddress>, Option<RecordError>) {
    let value = fields.bytes("NotifyTo").unwrap_or_default();
    let text = String::from_utf8_lossy(value);
    let parts: Vec<_> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    let good: Vec<_> = parts.iter().filter_map(|part| MailAddress::parse(part)).collect();
    let all = good.len() == parts.len();
    let wrong = (!all).then(|| fields.wrong("NotifyTo", value, "addresses of mail, separated by commas"));
    (good, wrong)
}

fn address(fields: &Fields<'_>, property: &str) -> Checked<Option<MailAddress>> {
    fields.read(property, None, "an address of mail", |text| {
        MailAddress::parse(text).map(Some)
    })
}

fn url(fields: &Fields<'_>, property: &str) -> Checked<Option<Url>> {
    let allowed = "an address that begins with https:// or http://, without a login in it";
    fields.read(property, None, allowed, |text| Url::parse(text).map(Some))
}

fn path(fields: &Fields<'_>, property: &str) -> Checked<Option<PathBuf>> {
    fields.read(property, None, "an absolute path", |text| {
        (text.starts_with('/') && !text.contains('\0')).then(|| Some(text.into()))
    })
}

fn mailer(fields: &Fields<'_>) -> Checked<Mailer> {
    if fields.bytes("SMTPHost").is_none() {
        return Ok(Mailer::Sendmail(path(fields, "Sendmail")?));
    }
    let host = places::server(fields, "SMTPHost")?;
    let security = fields.read(
        "SMTPSecurity",
        Security::StartTls,
        "starttls, tls or none",
        |text| match text {
            "starttls" => Some(Security::StartTls),
            "tls" => Some(Security::Tls),
            "none" => Some(Security::None),
            _ => None,
        },
    )?;
    let login = places::optional(fields, "SMTPLogin")?;
    if security == Security::None && !login.is_empty() && !is_this_machine(&host) {
        return Err(fields.wrong("SMTPSecurity", b"none", "starttls or tls where there is an SMTPLogin"));
    }
    Ok(Mailer::Smtp(Smtp {
        port: places::port(fields, "SMTPPort", security.port())?,
        password: Secret::new(places::optional(fields, "SMTPPassword")?),
        certificate: certificate(fields)?,
        host,
        security,
        login,
    }))
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn certificate(fields: &Fields<'_>) -> Checked<Certificate> {
    let allowed = "system, the path of a PEM file, or any";
    fields.read("SMTPCertificate", Certificate::System, allowed, |text| match text {
        "system" => Some(Certificate::System),
        "any" => Some(Certificate::Any),
        path if path.starts_with('/') => Some(Certificate::Authority(path.into())),
        _ => None,
    })
}

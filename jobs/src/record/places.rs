//! The storage of a record, and the properties that each has.

use std::ffi::OsStr;
use std::fmt;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use backends::sftp::Compress;
use backends::{Secret, s3};

use super::engines::EngineName;
use super::fields::Fields;
use super::rules::Checked;

/// Where a repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A folder of this machine (property `LocalDirectory`).
    Local(PathBuf),
    /// A disk, found by the label of its filesystem (`USBLabel`).
    Usb {
        /// The label.
        label: String,
    },
    /// A share of a CIFS (SMB) server (`SMBHost`, `SMBShare`, `SMBLogin`, `SMBPassword`).
    Cifs {
        /// The server.
        host: String,
        /// The share.
        share: String,
        /// Who asks.
        login: String,
        /// And how that is proven.
        password: Secret,
    },
    /// An export of an NFS server (`NFSHost`, `NFSShare`).
    Nfs {
        /// The server.
        host: String,
        /// The exported folder.
        share: String,
    },
    /// A folder on an SSH server (`SftpHost`, `SftpPort`, `SftpUser`, `SftpDirectory`, `SftpCompression`,
    /// `SftpCommands`).
    Sftp {
        /// The server.
        host: String,
        /// Its port.
        port: u16,
        /// The account.
        user: String,
        /// The folder; from the account's home on when it does not begin with `/`.
        directory: String,
        /// When what goes over the wire is compressed (`SftpCompression`).
        compress: Compress,
        /// Whether the account's shell may be asked to make what was written durable (`SftpCommands`).
        commands: bool,
    },
    /// A server that speaks restic's REST protocol (`RestProtocol`, `RestHost`, `RestPort`, `RestDirectory`, `RestUser`,
    /// `RestPassword`).
    Rest {
        /// `http` or `https`.
        protocol: String,
        /// The server.
        host: String,
        /// Its port; 0 is the protocol's own.
        port: u16,
        /// The repository's path there.
        directory: String,
        /// The login; empty for none.
        user: String,
        /// Its password.
        password: Secret,
        /// Whom to believe that it is the server.
        certificate: Certificate,
    },
    /// A folder of a WebDAV server (`WebDAVUrl`, `WebDAVLogin`, `WebDAVPassword`).
    WebDav {
        /// Its address.
        url: String,
        /// The login; empty for none.
        login: String,
        /// Its password.
        password: Secret,
        /// Whom to believe that it is the server.
        certificate: Certificate,
    },
    /// A bucket of an S3 server (`S3Host`, `S3Bucket`, `S3AccessKey`, `S3SecretKey`, `S3Region`, `S3StorageClass`,
    /// `S3Style`, `S3LockMode`, `S3LockDays`).
    S3 {
        /// The server.
        host: String,
        /// The bucket.
        bucket: String,
        /// The public half of the key.
        access_key: String,
        /// The secret half.
        secret_key: Secret,
        /// The bucket's region; found out when empty.
        region: String,
        /// The class that new objects get; the bucket's own when empty.
        storage_class: String,
        /// Whether the bucket stands in the address's path or in the host's name.
        style: s3::Style,
        /// The lock that new objects get; none when missing.
        lock: Option<s3::ObjectLock>,
        /// Whom to believe that it is the server.
        certificate: Certificate,
    },
    /// A bucket of Backblaze B2 (`B2AccountId`, `B2AccountKey`, `B2Bucket`, `B2Api`).
    B2 {
        /// The account's or key's id.
        account: String,
        /// The key.
        key: Secret,
        /// The bucket.
        bucket: String,
        /// The service's address; Backblaze's own when empty.
        api: String,
    },
}

/// Property `Certificate`: which certificate of a server is good enough.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Certificate {
    /// One that this machine's own authorities vouch for.
    #[default]
    System,
    /// One that the authority in this PEM file vouches for.
    Authority(PathBuf),
    /// The one with this SHA-256 fingerprint.
    Pinned([u8; 32]),
    /// Any at all.
    Any,
}

/// The kinds of storage, by the names that records have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceKind {
    /// `local`.
    Local,
    /// `usb`.
    Usb,
    /// `cifs`.
    Cifs,
    /// `nfs`.
    Nfs,
    /// `webdav`.
    WebDav,
    /// `sftp`.
    Sftp,
    /// `s3`.
    S3,
    /// `b2`.
    B2,
    /// `rest`.
    Rest,
}

impl PlaceKind {
    /// All that this version has.
    pub const ALL: [Self; 9] = [
        Self::Local,
        Self::Usb,
        Self::Cifs,
        Self::Nfs,
        Self::WebDav,
        Self::Sftp,
        Self::S3,
        Self::B2,
        Self::Rest,
    ];

    /// The value of `VFSType`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Usb => "usb",
            Self::Cifs => "cifs",
            Self::Nfs => "nfs",
            Self::WebDav => "webdav",
            Self::Sftp => "sftp",
            Self::S3 => "s3",
            Self::B2 => "b2",
            Self::Rest => "rest",
        }
    }

    pub(super) fn names(kinds: impl Iterator<Item = Self>) -> String {
        let names: Vec<_> = kinds.map(Self::as_str).collect();
        match names.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
            Some((last, _)) => (*last).to_owned(),
            None => String::new(),
        }
    }
}

impl fmt::Display for PlaceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Place {
    /// Which kind it is of.
    #[must_use]
    pub const fn kind(&self) -> PlaceKind {
        match self {
            Self::Local(_) => PlaceKind::Local,
            Self::Usb { .. } => PlaceKind::Usb,
            Self::Cifs { .. } => PlaceKind::Cifs,
            Self::Nfs { .. } => PlaceKind::Nfs,
            Self::WebDav { .. } => PlaceKind::WebDav,
            Self::Sftp { .. } => PlaceKind::Sftp,
            Self::S3 { .. } => PlaceKind::S3,
            Self::B2 { .. } => PlaceKind::B2,
            Self::Rest { .. } => PlaceKind::Rest,
        }
    }
}

impl Place {
    /// Whether it is reached over the network by Holdfast itself, not by the kernel.
    #[must_use]
    pub const fn is_remote(&self) -> bool {
        matches!(
            self.kind(),
            PlaceKind::WebDav | PlaceKind::Sftp | PlaceKind::S3 | PlaceKind::B2 | PlaceKind::Rest
        )
    }
}

impl fmt::Display for Place {
    /// As a person would name it; without secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(folder) => write!(f, "{}", folder.display()),
            Self::Usb { label } => write!(f, "usb:{label}"),
            Self::Cifs { host, share, .. } => write!(f, "//{host}/{}", share.trim_matches('/')),
            Self::Nfs { host, share } => write!(f, "{host}:{share}"),
            Self::WebDav { url, .. } => write!(f, "{url}"),
            Self::S3 { host, bucket, .. } => write!(f, "s3:{host}/{bucket}"),
            Self::B2 { bucket, .. } => write!(f, "b2:{bucket}"),
            Self::Sftp {
                host,
                port,
                user,
                directory,
                ..
            } => {
                let port = if *port == 22 {
                    String::new()
                } else {
                    format!(" port {port}")
                };
                write!(f, "sftp:{user}@{host}:{directory}{port}")
            }
            Self::Rest {
                protocol,
                host,
                port,
                directory,
                ..
            } => {
                let port = if *port == 0 { String::new() } else { format!(":{port}") };
                write!(f, "rest:{protocol}://{host}{port}/{}", directory.trim_matches('/'))
            }
        }
    }
}

fn kind(fields: &Fields<'_>) -> Checked<PlaceKind> {
    let supported = || PlaceKind::names(PlaceKind::ALL.into_iter());
    let value = fields
        .bytes("VFSType")
        .ok_or_else(|| fields.missing("VFSType", &supported()))?;
    let known = PlaceKind::ALL
        .into_iter()
        .find(|kind| kind.as_str().as_bytes() == value);
    known.ok_or_else(|| fields.wrong("VFSType", value, &supported()))
}

pub(super) fn place(fields: &Fields<'_>, engine: EngineName) -> Checked<Place> {
    let kind = kind(fields)?;
    if let Some(obstacle) = kind.obstacle(engine) {
        let good = PlaceKind::ALL.into_iter().filter(|kind| kind.goes_with(engine));
        let good = format!("{} with the {engine} engine: {obstacle}", PlaceKind::names(good));
        return Err(fields.wrong("VFSType", kind.as_str().as_bytes(), &good));
    }
    Ok(match kind {
        PlaceKind::Local => Place::Local(local_directory(fields)?),
        PlaceKind::Usb => Place::Usb {
            label: needed(fields, "USBLabel", "the label of the disk's filesystem")?,
        },
        PlaceKind::Cifs => Place::Cifs {
            host: server(fields, "SMBHost")?,
            share: needed(fields, "SMBShare", "the name of a share")?,
            login: optional(fields, "SMBLogin")?,
            password: Secret::new(optional(fields, "SMBPassword")?),
        },
        PlaceKind::Nfs => Place::Nfs {
            host: server(fields, "NFSHost")?,
            share: exported(fields)?,
        },
        PlaceKind::Sftp => Place::Sftp {
            host: server(fields, "SftpHost")?,
            port: port(fields, "SftpPort", 22)?,
            user: needed(fields, "SftpUser", "the name of an account there")?,
            directory: needed(fields, "SftpDirectory", "a folder there")?,
            compress: compression(fields, engine)?,
            commands: switched(fields, "SftpCommands", true)?,
        },
        PlaceKind::WebDav => Place::WebDav {
            url: address(fields)?,
            login: optional(fields, "WebDAVLogin")?,
            password: Secret::new(optional(fields, "WebDAVPassword")?),
            certificate: certificate(fields)?,
        },
        PlaceKind::S3 => bucket(fields)?,
        PlaceKind::B2 => Place::B2 {
            account: needed(fields, "B2AccountId", "the id of an account or key")?,
            key: Secret::new(needed(fields, "B2AccountKey", "a key")?),
            bucket: needed(fields, "B2Bucket", "the name of a bucket")?,
            api: optional(fields, "B2Api")?,
        },
        PlaceKind::Rest => Place::Rest {
            protocol: protocol(fields)?,
            host: server(fields, "RestHost")?,
            port: port(fields, "RestPort", 0)?,
            directory: optional(fields, "RestDirectory")?,
            user: optional(fields, "RestUser")?,
            password: Secret::new(optional(fields, "RestPassword")?),
            certificate: certificate(fields)?,
        },
    })
}

/// Plain files are worth it on a slow line; what is compressed and encrypted already only costs time.
fn compression(fields: &Fields<'_>, engine: EngineName) -> Checked<Compress> {
    let usual = if engine == EngineName::Rsync {
        Compress::Slow
    } else {
        Compress::Never
    };
    fields.read(
        "SftpCompression",
        usual,
        "auto, enabled or disabled",
        |text| match text {
            "auto" => Some(Compress::Slow),
            "enabled" => Some(Compress::Always),
            "disabled" => Some(Compress::Never),
            _ => None,
        },
    )
}

fn switched(fields: &Fields<'_>, name: &'static str, usual: bool) -> Checked<bool> {
    fields.read(name, usual, "enabled or disabled", |text| match text {
        "enabled" => Some(true),
        "disabled" => Some(false),
        _ => None,
    })
}

/// How many operations at once, where the record limits them.
pub(super) fn connections(fields: &Fields<'_>) -> Checked<Option<NonZeroUsize>> {
    fields.read("Connections", None, "a number from 1 to 64", |text| {
        text.parse()
            .ok()
            .filter(|number: &NonZeroUsize| number.get() <= 64)
            .map(Some)
    })
}

/// One name, so that it can lead nowhere else.
pub(super) fn host_folder(fields: &Fields<'_>) -> Checked<Option<String>> {
    let allowed = "the name of a folder, of letters, digits, `-`, `_` and `.`";
    fields.read("HostFolder", None, allowed, |text| {
        let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        (text.chars().all(good) && !text.starts_with(['.', '-'])).then(|| Some(text.to_owned()))
    })
}

fn local_directory(fields: &Fields<'_>) -> Checked<PathBuf> {
    const ALLOWED: &str = "the absolute path of a folder";
    let value = fields.bytes("LocalDirectory");
    let value = value.ok_or_else(|| fields.missing("LocalDirectory", ALLOWED))?;
    let path = Path::new(OsStr::from_bytes(value));
    if path.is_absolute() && !value.contains(&0) {
        Ok(path.to_owned())
    } else {
        Err(fields.wrong("LocalDirectory", value, ALLOWED))
    }
}

pub(super) fn optional(fields: &Fields<'_>, property: &str) -> Checked<String> {
    fields.read(property, String::new(), "text without line breaks", |text| {
        (!text.contains(['\n', '\r', '\0'])).then(|| text.to_owned())
    })
}

fn needed(fields: &Fields<'_>, property: &str, what: &str) -> Checked<String> {
    match optional(fields, property)? {
        text if text.is_empty() => Err(fields.missing(property, what)),
        text => Ok(text),
    }
}

/// A name or an address; anything else could become a word or an option of somebody's command line.
pub(super) fn server(fields: &Fields<'_>, property: &str) -> Checked<String> {
    const WHAT: &str = "the name or address of a server";
    let good = |c: char| c.is_ascii_alphanumeric() || ".-_:[]%".contains(c);
    match needed(fields, property, WHAT)? {
        host if host.starts_with('-') || !host.chars().all(good) => Err(fields.wrong(property, host.as_bytes(), WHAT)),
        host => Ok(host),
    }
}

/// A login in it would be shown wherever the place is named.
fn address(fields: &Fields<'_>) -> Checked<String> {
    const WHAT: &str = "the address of a folder, such as https://cloud.example.org/dav, without a login in it";
    let url = needed(fields, "WebDAVUrl", WHAT)?;
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    match rest.and_then(|rest| rest.split('/').next()) {
        Some(host) if !host.is_empty() && !host.contains('@') => Ok(url),
        _ => Err(fields.wrong("WebDAVUrl", b"(hidden)", WHAT)),
    }
}

/// The UI leaves the first slash to the user, and NFS does not do without.
fn exported(fields: &Fields<'_>) -> Checked<String> {
    let share = needed(fields, "NFSShare", "the folder that the server exports")?;
    Ok(if share.starts_with('/') {
        share
    } else {
        format!("/{share}")
    })
}

pub(super) fn port(fields: &Fields<'_>, property: &str, usual: u16) -> Checked<u16> {
    fields.read(property, usual, "a port from 1 to 65535", |text| {
        text.parse().ok().filter(|port| *port > 0)
    })
}

fn bucket(fields: &Fields<'_>) -> Checked<Place> {
    Ok(Place::S3 {
        host: needed(fields, "S3Host", "the name of an S3 server")?,
        bucket: needed(fields, "S3Bucket", "the name of a bucket")?,
        access_key: needed(fields, "S3AccessKey", "the public half of a key")?,
        secret_key: Secret::new(needed(fields, "S3SecretKey", "the secret half of a key")?),
        region: optional(fields, "S3Region")?,
        storage_class: optional(fields, "S3StorageClass")?,
        style: style(fields)?,
        lock: lock(fields)?,
        certificate: certificate(fields)?,
    })
}

fn style(fields: &Fields<'_>) -> Checked<s3::Style> {
    fields.read("S3Style", s3::Style::Auto, "auto, path or virtual", |text| {
        Some(match text {
            "auto" => s3::Style::Auto,
            "path" => s3::Style::Path,
            "virtual" => s3::Style::Virtual,
            _ => return None,
        })
    })
}

/// A mode without a time, or a time without a mode, would lock nothing.
fn lock(fields: &Fields<'_>) -> Checked<Option<s3::ObjectLock>> {
    const MODES: &str = "governance or compliance";
    const DAYS: &str = "a number of days from 1 to 36500";
    let mode = fields.read("S3LockMode", None, MODES, |text| {
        let known = text.eq_ignore_ascii_case("governance") || text.eq_ignore_ascii_case("compliance");
        known.then(|| Some(text.to_ascii_uppercase()))
    })?;
    let days = fields.read("S3LockDays", None, DAYS, |text| {
        let days = text.parse().ok().filter(|days| (1..=36_500).contains(days));
        days.map(Some)
    })?;
    match (mode, days) {
        (Some(mode), Some(days)) => Ok(Some(s3::ObjectLock { mode, days })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(fields.missing("S3LockDays", DAYS)),
        (None, Some(_)) => Err(fields.missing("S3LockMode", MODES)),
    }
}

fn protocol(fields: &Fields<'_>) -> Checked<String> {
    fields.read("RestProtocol", "https".to_owned(), "http or https", |text| {
        matches!(text, "http" | "https").then(|| text.to_owned())
    })
}

fn certificate(fields: &Fields<'_>) -> Checked<Certificate> {
    let allowed = "system, the path of a PEM file, sha256: and a fingerprint, or any";
    fields.read("Certificate", Certificate::System, allowed, |text| match text {
        "system" => Some(Certificate::System),
        "any" => Some(Certificate::Any),
        path if path.starts_with('/') => Some(Certificate::Authority(path.into())),
        text => fingerprint(text.strip_prefix("sha256:")?).map(Certificate::Pinned),
    })
}

/// 64 hexadecimal digits, with colons between them or without.
fn fingerprint(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
    let mut out = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in out.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(out)
}

use std::fmt;
use std::io;
use std::time::Duration;

use engine_api::{Cause, Key, StoreError, StoreErrorKind};

use super::trust::distrust;

/// Why a request did not do what it was to do.
#[derive(Debug)]
pub(crate) enum Failure {
    /// There is no connection, or it broke.
    Line(ureq::Error),
    /// The server said no.
    Refused(Refusal),
    /// The object is shorter than what was asked for.
    Short { found: Option<u64>, wanted: u64 },
    /// The answer makes no sense.
    Nonsense(String),
    /// What was to be sent could not be read.
    Source(io::Error),
    /// It is known already what it means.
    Known(StoreErrorKind, Cause),
}

/// A server's no, as it said it.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    /// The beginning of the answer's body.
    pub(crate) text: String,
    /// Where the server says it is to be had.
    pub(crate) location: Option<String>,
    /// How long the server asks to be left alone.
    pub(crate) wait: Option<Duration>,
}

/// What is being done, to what, where: all that an error must say besides its cause.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) operation: &'static str,
    pub(crate) location: &'a str,
}

impl Place<'_> {
    pub(crate) fn object(self, key: &Key, failure: Failure) -> StoreError {
        self.error(key.to_string(), failure)
    }

    /// The same about `folder`; the empty one is the place itself.
    pub(crate) fn folder(self, folder: &str, failure: Failure) -> StoreError {
        let object = if folder.is_empty() { "the folder" } else { folder };
        self.error(object.to_owned(), failure)
    }

    fn error(self, object: String, failure: Failure) -> StoreError {
        let (kind, cause) = failure.explain();
        StoreError {
            operation: self.operation,
            object,
            location: self.location.to_owned(),
            kind,
            source: cause.into(),
        }
    }
}

impl Failure {
    /// A request that cannot even be written down.
    pub(super) fn request(error: impl fmt::Display) -> Self {
        Self::Known(StoreErrorKind::Other, Cause::new(error.to_string()).lasting())
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::Known(StoreErrorKind::NotFound, Cause::new(message))
    }

    pub(crate) fn kind(&self) -> StoreErrorKind {
        match self {
            Self::Line(error) => line(error).0,
            Self::Refused(refusal) => refusal.kind(),
            Self::Short { .. } => StoreErrorKind::Truncated,
            Self::Nonsense(_) | Self::Source(_) => StoreErrorKind::Other,
            Self::Known(kind, _) => *kind,
        }
    }

    /// Whether the same may work when it is tried again.
    pub(crate) fn passes(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.passes(),
            Self::Known(kind, cause) => !kind.is_permanent() && !cause.is_lasting(),
            Self::Source(_) => false,
            _ => !self.kind().is_permanent(),
        }
    }

    pub(crate) fn explain(self) -> (StoreErrorKind, Cause) {
        let kind = self.kind();
        let cause = match self {
            Self::Line(error) => line(&error).1,
            Self::Refused(refusal) => refusal.cause(),
            Self::Short { found, wanted } => {
                let found = found.map_or("fewer".to_owned(), |found| found.to_string());
                Cause::new(format!("it has {found} bytes, and {wanted} were asked for"))
            }
            Self::Nonsense(message) => Cause::new(message),
            Self::Source(error) => Cause::new(format!("what was to be sent could not be read ({error})")).lasting(),
            Self::Known(_, cause) => cause,
        };
        (kind, cause)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<ureq::Error> for Failure {
    fn from(error: ureq::Error) -> Self {
        match error {
            ureq::Error::Io(error) => match error.downcast::<SourceFault>() {
                Ok(fault) => Self::Source(fault.0),
                Err(error) => Self::Line(ureq::Error::from(error)),
            },
            other => Self::Line(other),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        ureq::Error::from(error).into()
    }
}

impl Refusal {
    pub(crate) fn kind(&self) -> StoreErrorKind {
        match self.status {
            401 => StoreErrorKind::Unauthenticated,
            402 | 403 => StoreErrorKind::PermissionDenied,
            404 | 410 => StoreErrorKind::NotFound,
            408 | 504 => StoreErrorKind::Timeout,
            412 => StoreErrorKind::AlreadyExists,
            416 => StoreErrorKind::Truncated,
            507 => StoreErrorKind::NoSpace,
            _ => StoreErrorKind::Other,
        }
    }

    fn cause(self) -> Cause {
        let said = self.summary();
        let said = if said.is_empty() { said } else { format!(": {said}") };
        let cause = Cause::new(format!("the server answered {}{said}", self.status)).with_wait(self.wait);
        match self.status {
            301 | 302 | 307 | 308 => {
                let to = self.location.unwrap_or_else(|| "another address".to_owned());
                cause
                    .with_hint(format!("give the record the address that the server names: {to}"))
                    .lasting()
            }
            403 => cause.with_hint("check that this account may read and write there"),
            _ if self.passes() => cause,
            _ => cause.lasting(),
        }
    }

    /// A busy server, two writers at once, anything of the server's own making.
    fn passes(&self) -> bool {
        matches!(self.status, 408 | 409 | 423 | 425 | 429 | 500 | 502..=504)
    }

    /// The server's words as one short line.
    fn summary(&self) -> String {
        let words = self.text.split_whitespace();
        let text = words.collect::<Vec<_>>().join(" ");
        if text.starts_with('<') {
            // A page made for browsers says nothing that the number does not.
            return String::new();
        }
        text.chars().filter(|c| !c.is_control()).take(200).collect()
    }
}

fn line(error: &ureq::Error) -> (StoreErrorKind, Cause) {
    use StoreErrorKind::{Connection, Other, Timeout, Untrusted};
    match error {
        ureq::Error::Timeout(what) => {
            let cause = Cause::new(format!("the server did not answer in time ({what:?})"));
            (Timeout, cause)
        }
        ureq::Error::HostNotFound => {
            let cause = Cause::new("no server of that name is known");
            (
                Connection,
                cause.with_hint("check the server's name, and this machine's name service"),
            )
        }
        ureq::Error::Io(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::InvalidCertificate(bad)) => (Untrusted, distrust(bad)),
            Some(other) => {
                let cause = Cause::new(format!("the connection cannot be encrypted ({other})"));
                (
                    Connection,
                    cause.with_hint("check that the server speaks TLS at this port"),
                )
            }
            None => (Connection, Cause::new(error.to_string())),
        },
        other => (Other, Cause::new(other.to_string())),
    }
}

/// A failure to read what is to be sent, so that it is told from a failure to send it.
#[derive(Debug)]
pub(super) struct SourceFault(io::Error);

impl SourceFault {
    pub(super) fn wrap(error: io::Error) -> io::Error {
        io::Error::other(Self(error))
    }
}

impl fmt::Display for SourceFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl std::error::Error for SourceFault {}

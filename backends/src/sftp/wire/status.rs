use std::fmt;

use engine_api::StoreErrorKind;

use super::{Decoder, Malformed};

/// A server's verdict on a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) code: u32,
    message: Box<str>,
}

impl Status {
    pub(crate) const OK: u32 = 0;
    pub(crate) const EOF: u32 = 1;
    pub(crate) const NO_SUCH_FILE: u32 = 2;
    pub(crate) const PERMISSION_DENIED: u32 = 3;
    pub(crate) const FAILURE: u32 = 4;
    /// What OpenSSH makes of an invalid argument, too.
    pub(crate) const BAD_MESSAGE: u32 = 5;
    pub(crate) const NO_CONNECTION: u32 = 6;
    pub(crate) const CONNECTION_LOST: u32 = 7;
    pub(crate) const UNSUPPORTED: u32 = 8;

    pub(crate) fn of(code: u32) -> Self {
        Self {
            code,
            message: Box::default(),
        }
    }

    /// Reads a status; old servers leave the message out.
    pub(crate) fn decode(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        let code = from.u32()?;
        let message = from.string().map(String::from_utf8_lossy).unwrap_or_default();
        Ok(Self {
            code,
            message: message.into(),
        })
    }

    pub(crate) fn kind(&self) -> StoreErrorKind {
        match self.code {
            Self::NO_SUCH_FILE => StoreErrorKind::NotFound,
            Self::PERMISSION_DENIED => StoreErrorKind::PermissionDenied,
            Self::NO_CONNECTION | Self::CONNECTION_LOST => StoreErrorKind::Connection,
            Self::UNSUPPORTED => StoreErrorKind::Unsupported,
            _ => StoreErrorKind::Other,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let usual = match self.code {
            Self::OK => "Success",
            Self::EOF => "End of file",
            Self::NO_SUCH_FILE => "No such file",
            Self::PERMISSION_DENIED => "Permission denied",
            Self::FAILURE => "Failure",
            Self::UNSUPPORTED => "Operation unsupported",
            _ if self.message.is_empty() => return write!(f, "status {}", self.code),
            _ => "",
        };
        if self.message.is_empty() {
            return f.write_str(usual);
        }
        // A server may send anything, and this ends on terminals.
        let clean: String = self.message.chars().filter(|c| !c.is_control()).take(200).collect();
        f.write_str(&clean)
    }
}

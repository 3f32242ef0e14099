use engine_api::{Key, StoreError, StoreErrorKind};
use rustix::io::Errno;

/// What is being done, to what, where: all that an error must say besides its cause.
pub(super) struct Context<'a> {
    operation: &'static str,
    object: String,
    location: &'a str,
}

impl<'a> Context<'a> {
    pub(super) fn object(operation: &'static str, key: &Key, location: &'a str) -> Self {
        Self {
            operation,
            object: key.to_string(),
            location,
        }
    }

    /// An operation on a path; the empty one is the destination itself.
    pub(super) fn path(operation: &'static str, path: &[u8], location: &'a str) -> Self {
        Self::folder(operation, &String::from_utf8_lossy(path), location)
    }

    /// An operation on `folder`; the empty one is the destination itself.
    pub(super) fn folder(operation: &'static str, folder: &str, location: &'a str) -> Self {
        let object = if folder.is_empty() { "the folder" } else { folder };
        Self {
            operation,
            object: object.to_owned(),
            location,
        }
    }

    pub(super) fn errno(&self, errno: Errno) -> StoreError {
        self.error(kind_of(errno), std::io::Error::from(errno))
    }

    pub(super) fn truncated(&self, found: u64, wanted: u64) -> StoreError {
        let source = format!("it has {found} bytes, and {wanted} were asked for");
        self.error(StoreErrorKind::Truncated, source)
    }

    pub(super) fn vanished(&self) -> StoreError {
        let source = "the folder was unmounted, removed or replaced while it was in use";
        self.error(StoreErrorKind::Vanished, source)
    }

    fn error(&self, kind: StoreErrorKind, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
        StoreError {
            operation: self.operation,
            object: self.object.clone(),
            location: self.location.to_owned(),
            kind,
            source: source.into(),
        }
    }
}

fn kind_of(errno: Errno) -> StoreErrorKind {
    match errno {
        Errno::NOENT => StoreErrorKind::NotFound,
        Errno::EXIST => StoreErrorKind::AlreadyExists,
        Errno::ACCESS | Errno::PERM => StoreErrorKind::PermissionDenied,
        // A file larger than the filesystem or the limit allows is out of room, too.
        Errno::NOSPC | Errno::DQUOT | Errno::FBIG => StoreErrorKind::NoSpace,
        Errno::ROFS => StoreErrorKind::ReadOnly,
        Errno::OPNOTSUPP | Errno::NOSYS => StoreErrorKind::Unsupported,
        Errno::MLINK => StoreErrorKind::TooManyLinks,
        Errno::NOTEMPTY => StoreErrorKind::NotEmpty,
        Errno::TIMEDOUT => StoreErrorKind::Timeout,
        Errno::HOSTDOWN | Errno::HOSTUNREACH | Errno::NETUNREACH | Errno::CONNRESET => StoreErrorKind::Connection,
        Errno::STALE | Errno::NODEV | Errno::NXIO | Errno::NOTCONN | Errno::SHUTDOWN => StoreErrorKind::Vanished,
        _ => StoreErrorKind::Other,
    }
}

use std::fmt;

/// What kind of failure this is: decides the exit code and whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Something failed that no other kind describes.
    Failed,
    /// The request itself is wrong: a bad value, an impossible combination, a missing path.
    Usage,
    /// There is no repository at the destination.
    NoRepository,
    /// The repository is locked by somebody else.
    Locked,
    /// The password opens no key of the repository.
    WrongPassword,
    /// The stored data is damaged or of a version this program does not know.
    Damaged,
    /// The storage refused or lost the operation.
    Storage,
    /// The storage keeps what was to be removed or changed, until its time is over.
    Retained,
    /// The user or the system asked to stop.
    Interrupted,
}

/// An error of an engine or a storage, as the layers above see it.
///
/// `Display` says what was being done and to what, and never repeats the source; the hint says what to try.
pub trait Failure: std::error::Error + Send + Sync + 'static {
    /// The kind that decides the exit code.
    fn kind(&self) -> ErrorKind;
    /// What the administrator can do about it, as one sentence.
    fn hint(&self) -> Option<String>;
}

/// Any [`Failure`], boxed: the one error type that crosses the [`Engine`](crate::Engine) contract.
pub struct Error(Box<dyn Failure>);

/// The result of an engine's operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The kind that decides the exit code.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind()
    }

    /// What the administrator can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        self.0.hint()
    }

    /// The failure itself, for callers that know the engine and want its own type.
    #[must_use]
    pub fn downcast_ref<F: Failure>(&self) -> Option<&F> {
        let failure: &(dyn std::error::Error + 'static) = self.0.as_ref();
        failure.downcast_ref::<F>()
    }

    /// The message followed by its causes, separated by `: `, on one line.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.0.to_string();
        let mut cause = self.0.source();
        while let Some(inner) = cause {
            text.push_str(": ");
            text.push_str(&inner.to_string());
            cause = inner.source();
        }
        text
    }
}

impl<F: Failure> From<F> for Error {
    fn from(failure: F) -> Self {
        Self(Box::new(failure))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

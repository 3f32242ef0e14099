//! Addresses of mail and of the web, checked once.

use std::fmt;
use std::str::FromStr;

use backends::Secret;

/// An address of mail, or the name of a user of this machine; it cannot hold what would end a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailAddress(String);

impl MailAddress {
    /// Checks it: `user@domain`, or a user alone, of letters, digits, `.`, `_`, `+` and `-`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let user = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
        let good = if text.contains('@') {
            text.is_ascii() && lettre::Address::from_str(text).is_ok()
        } else {
            !text.is_empty() && text.chars().all(user)
        };
        // A program could take it for an option.
        let good = good && !text.starts_with('-') && !text.contains(|c: char| c.is_ascii_control() || c == ' ');
        good.then(|| Self(text.to_owned()))
    }

    /// The user `root`.
    pub(super) fn root() -> Self {
        Self("root".to_owned())
    }

    /// The mailbox of this machine's administrator.
    pub(super) fn root_here() -> Self {
        Self("root@localhost".to_owned())
    }

    /// The address, with `host` as its domain where it has none.
    #[must_use]
    pub fn with_domain(&self, host: &str) -> String {
        if self.0.contains('@') {
            self.0.clone()
        } else {
            format!("{}@{host}", self.0)
        }
    }

    /// The address as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An address of the web that may be a secret in itself: shown without its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url(Secret);

impl Url {
    /// Checks it: `http` or `https`, a host, no blank and no login.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
        let host = rest.split(['/', '?']).next().unwrap_or_default();
        let good = !host.is_empty() && !text.contains(['@', '#']) && text.chars().all(|c| c.is_ascii_graphic());
        good.then(|| Self(Secret::new(text.to_owned())))
    }

    /// All of it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.0.reveal()
    }

    /// The address with `/word` at the end of its path.
    pub(crate) fn below(&self, word: &str) -> Self {
        let (path, query) = match self.reveal().split_once('?') {
            Some((path, query)) => (path, format!("?{query}")),
            None => (self.reveal(), String::new()),
        };
        Self(Secret::new(format!("{}/{word}{query}", path.trim_end_matches('/'))))
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.reveal().split(['/', '?']).nth(2).unwrap_or_default();
        f.write_str(host)
    }
}

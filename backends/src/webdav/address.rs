use engine_api::Cause;

use super::{Settings, escape};
use crate::Secret;

/// The folder's address: no login in it, and no slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// `https://dav.example.org:8443`
    server: String,
    /// The path, not escaped: empty or beginning with a slash.
    path: Vec<u8>,
}

impl Address {
    /// The address and the login of the settings; one that is in the address counts where there is no other.
    pub(super) fn of(settings: &Settings) -> Result<(Self, String, Secret), Cause> {
        let url = settings.url.trim();
        let parts = url
            .split_once("://")
            .filter(|(scheme, _)| matches!(*scheme, "http" | "https"));
        let (scheme, rest) = parts.ok_or_else(wrong)?;
        let rest = rest.split(['?', '#']).next().unwrap_or(rest);
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (within, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        if host.is_empty() {
            return Err(wrong());
        }
        let path = [path.as_bytes(), settings.directory.as_bytes()]
            .map(components)
            .concat();
        let address = Self {
            server: format!("{scheme}://{host}"),
            path,
        };
        if !settings.login.is_empty() || within.is_empty() {
            return Ok((address, settings.login.clone(), settings.password.clone()));
        }
        let plain = |text: &str| String::from_utf8_lossy(&escape::decode(text.as_bytes())).into_owned();
        let (login, password) = within.split_once(':').unwrap_or((within, ""));
        Ok((address, plain(login), Secret::new(plain(password))))
    }

    /// The path of `name`, not escaped; of the folder itself when the name is empty.
    pub(super) fn path(&self, name: &[u8]) -> Vec<u8> {
        if name.is_empty() {
            return self.path.clone();
        }
        [&self.path, b"/".as_slice(), name].concat()
    }

    pub(super) fn url(&self, name: &[u8]) -> String {
        let path = escape::path(&self.path(name));
        let slash = if name.is_empty() { "/" } else { "" };
        format!("{}{path}{slash}", self.server)
    }

    /// The addresses of the folder and of those above it, the nearest first, down to the server's own.
    pub(super) fn upwards(&self) -> impl Iterator<Item = String> + '_ {
        let ends = (0..self.path.len())
            .rev()
            .filter(|&end| self.path.get(end) == Some(&b'/') && end > 0);
        std::iter::once(self.path.len()).chain(ends).map(|end| {
            let path = escape::path(self.path.get(..end).unwrap_or_default());
            format!("{}{path}/", self.server)
        })
    }
}

/// The path's parts, escaped or not as they may be, each with a slash before it.
fn components(path: &[u8]) -> Vec<u8> {
    escape::decode(path)
        .split(|&byte| byte == b'/')
        .filter(|part| !part.is_empty() && *part != b".")
        .flat_map(|part| [b"/", part].concat())
        .collect()
}

fn wrong() -> Cause {
    Cause::new("the address is none of a WebDAV server")
        .with_hint("give it with its protocol, such as https://dav.example.org/backup")
        .lasting()
}

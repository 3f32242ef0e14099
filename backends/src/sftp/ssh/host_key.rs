//! Which server's key is trusted: pinned at the first contact, the same ever after.

use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use engine_api::{StoreError, StoreErrorKind};
use hmac::{Hmac, KeyInit, Mac};
use russh::keys::{HashAlg, PublicKey, parse_public_key_base64};
use sha1::Sha1;

use crate::sftp::Settings;
use crate::sftp::errors::{Context, Problem};

/// What is known of one server's keys, and what is to be done about a new one.
pub(super) struct Trust {
    file: PathBuf,
    /// The server as `known_hosts` names it.
    name: String,
    pinned: Vec<PublicKey>,
    revoked: Vec<PublicKey>,
    accept_new: bool,
    fingerprint: Option<String>,
}

impl Trust {
    /// Reads the pinned keys. A file that is there and cannot be read is an error: it may hold a pin.
    pub(super) fn read(settings: &Settings) -> Result<Self, Problem> {
        let file = &settings.known_hosts;
        let text = match std::fs::read(file) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(unusable(file, &error.to_string())),
        };
        let mut trust = Self {
            file: file.clone(),
            name: known_name(&settings.host, settings.port),
            pinned: Vec::new(),
            revoked: Vec::new(),
            accept_new: settings.accept_new,
            fingerprint: settings.fingerprint.clone(),
        };
        for line in text.lines() {
            trust.line(line)?;
        }
        Ok(trust)
    }

    fn line(&mut self, line: &str) -> Result<(), Problem> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let mut fields = line.split_whitespace();
        let mut names = fields.next().unwrap_or_default();
        let marker = names.starts_with('@').then_some(names);
        if marker.is_some() {
            names = fields.next().unwrap_or_default();
        }
        if marker == Some("@cert-authority") || !names_hold(names, &self.name) {
            return Ok(());
        }
        let key = fields.nth(1).and_then(|key| parse_public_key_base64(key).ok());
        let key = key.ok_or_else(|| unusable(&self.file, &format!("it has a line for {} without a key", self.name)))?;
        if marker == Some("@revoked") {
            self.revoked.push(key);
        } else {
            self.pinned.push(key);
        }
        Ok(())
    }

    /// The pinned keys: a server that has several keys should show one of these.
    pub(super) fn pinned(&self) -> &[PublicKey] {
        &self.pinned
    }

    /// Whether the server that shows `key` is the right one; a new key is pinned where that is allowed.
    pub(super) fn check(&mut self, key: &PublicKey) -> Result<(), Problem> {
        let shown = fingerprint(key);
        let same = |other: &PublicKey| other.key_data() == key.key_data();
        if self.revoked.iter().any(same) {
            return Err(untrusted(
                format!("the server's key {shown} is marked as revoked"),
                &self.file,
            ));
        }
        if let Some(wanted) = &self.fingerprint {
            if *wanted != shown {
                return Err(Problem::hinted(
                    StoreErrorKind::Untrusted,
                    format!("the server's key is {shown}, and it must be {wanted}"),
                    "check that the address is right and nobody stands between; then correct the fingerprint",
                ));
            }
            return if self.pinned.iter().any(same) {
                Ok(())
            } else {
                self.pin(key)
            };
        }
        if self.pinned.iter().any(same) {
            return Ok(());
        }
        if !self.pinned.is_empty() {
            return Err(self.changed(&shown));
        }
        if !self.accept_new {
            return Err(Problem::hinted(
                StoreErrorKind::Untrusted,
                format!("the server's key {shown} is not known"),
                format!(
                    "compare it with what `ssh-keygen -lf` says of the key on the server, and put the key into {}",
                    self.file.display()
                ),
            ));
        }
        self.pin(key)
    }

    fn changed(&self, shown: &str) -> Problem {
        let pinned: Vec<String> = self.pinned.iter().map(fingerprint).collect();
        Problem::hinted(
            StoreErrorKind::Untrusted,
            format!(
                "the server's key has changed: it is {shown}, and it was {}",
                pinned.join(" or ")
            ),
            format!(
                "if the server was set up anew, remove the lines of {} from {} and connect again; if it was not, \
                 somebody may be standing between",
                self.name,
                self.file.display()
            ),
        )
    }

    /// Adds `key` to the file, whole and durable before it is relied on.
    fn pin(&mut self, key: &PublicKey) -> Result<(), Problem> {
        let line = key
            .to_openssh()
            .map_err(|error| unusable(&self.file, &error.to_string()))?;
        let text = format!("{} {line}\n", self.name);
        append(&self.file, text.as_bytes()).map_err(|error| unusable(&self.file, &error.to_string()))?;
        self.pinned.push(key.clone());
        Ok(())
    }
}

/// The keys that are pinned for the server of `settings`, as fingerprints.
///
/// # Errors
/// When the file of pinned keys is there and cannot be read.
pub fn pinned(settings: &Settings) -> Result<Vec<String>, StoreError> {
    let location = settings.location();
    let context = Context::new("read the host keys of", b"", &location);
    let trust = Trust::read(settings).map_err(|problem| context.error(problem))?;
    Ok(trust.pinned.iter().map(fingerprint).collect())
}

/// How everybody writes the digest of a key.
pub(super) fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

fn append(file: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut whole = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    if whole.last().is_some_and(|&byte| byte != b'\n') {
        whole.push(b'\n');
    }
    whole.extend_from_slice(text);
    super::key::replace_file(file, &whole)
}

fn known_name(host: &str, port: u16) -> String {
    let host = host.to_ascii_lowercase();
    if port == 22 {
        return host;
    }
    format!("[{host}]:{port}")
}

/// Whether `name` is among `names`, each plain or hashed; patterns with `*` and `?` are not understood.
fn names_hold(names: &str, name: &str) -> bool {
    names.split(',').any(|one| match one.strip_prefix("|1|") {
        Some(hashed) => hash_is_of(hashed, name),
        None => one.eq_ignore_ascii_case(name),
    })
}

fn hash_is_of(hashed: &str, name: &str) -> bool {
    let decoded = hashed.split_once('|').and_then(|(salt, hash)| {
        Some((
            BASE64.decode(salt.as_bytes()).ok()?,
            BASE64.decode(hash.as_bytes()).ok()?,
        ))
    });
    let Some((salt, hash)) = decoded else {
        return false;
    };
    Hmac::<Sha1>::new_from_slice(&salt).is_ok_and(|mac| mac.chain_update(name.as_bytes()).verify_slice(&hash).is_ok())
}

fn unusable(file: &Path, why: &str) -> Problem {
    untrusted(
        format!("the file of host keys {} cannot be used: {why}", file.display()),
        file,
    )
}

fn untrusted(message: String, file: &Path) -> Problem {
    Problem::hinted(
        StoreErrorKind::Untrusted,
        message,
        format!("correct {}", file.display()),
    )
}

#[cfg(test)]
mod tests;

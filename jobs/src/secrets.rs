//! Passwords of repositories: made, kept and read, and never shown.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use zeroize::Zeroizing;

use crate::atomic;
use crate::error::{Error, Result};

/// A password; it is wiped from memory when it is dropped and never printed.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a password.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The password itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// A new password: 16 characters of `A-Z`, `a-z`, `0-9` and `_`, at least one of each class, from the system's
    /// random numbers.
    ///
    /// # Errors
    /// When the system has none to give.
    pub fn generate() -> Result<Self> {
        loop {
            let candidate = draw()?;
            let has = |class: fn(&char) -> bool| candidate.chars().any(|c| class(&c));
            // All candidates are equally likely, so all that pass are too.
            if has(char::is_ascii_uppercase)
                && has(char::is_ascii_lowercase)
                && has(char::is_ascii_digit)
                && has(|c| *c == '_')
            {
                return Ok(Self(candidate));
            }
        }
    }

    /// Reads the password file at `path`: all of it, without the white space around.
    ///
    /// # Errors
    /// When it cannot be read or holds nothing.
    pub fn read(path: &Path) -> Result<Self> {
        Self::read_if_there(path)?.ok_or_else(|| Error::NoPasswordFile { path: path.to_owned() })
    }

    /// The same; `None` when there is no file.
    ///
    /// # Errors
    /// When it is there and cannot be read or holds nothing.
    pub fn read_if_there(path: &Path) -> Result<Option<Self>> {
        let failed = |error| Error::io("read the password file", path, error);
        let text = match fs::read_to_string(path) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        if text.trim().is_empty() {
            return Err(Error::EmptyPassword { path: path.to_owned() });
        }
        Ok(Some(Self::new(text.trim())))
    }

    /// Reads the first line of the file at `path`, blanks and all: how a password is handed over by NethServer's commands.
    ///
    /// # Errors
    /// When it cannot be read or the line is empty.
    pub fn read_first_line(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map(Zeroizing::new);
        let text = text.map_err(|error| Error::io("read the password file", path, error))?;
        match text.lines().next() {
            None | Some("") => Err(Error::EmptyPassword { path: path.to_owned() }),
            Some(line) => Ok(Self::new(line)),
        }
    }

    /// Keeps it in a new file that only its owner can read; an existing one is an error.
    ///
    /// # Errors
    /// When the file exists or cannot be written.
    pub fn keep(&self, path: &Path) -> Result<()> {
        self.prepare(path)?;
        atomic::create_new(path, 0o600, self.line().as_bytes())
    }

    /// Keeps it in place of the one before.
    ///
    /// # Errors
    /// When it cannot be written; the file is then as it was.
    pub fn replace(&self, path: &Path) -> Result<()> {
        self.prepare(path)?;
        atomic::replace(path, 0o600, self.line().as_bytes())
    }

    fn prepare(&self, path: &Path) -> Result<()> {
        path.parent().map_or(Ok(()), |folder| atomic::create_dir(folder, 0o700))
    }

    fn line(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{}\n", self.reveal()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

const LENGTH: usize = 16;
const ALPHABET: &[u8; 63] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";

fn draw() -> Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::with_capacity(LENGTH));
    let mut random = Zeroizing::new([0_u8; 64]);
    while text.len() < LENGTH {
        getrandom::fill(random.as_mut_slice()).map_err(|error| {
            Error::io(
                "read random numbers from",
                Path::new("the system"),
                io::Error::other(error.to_string()),
            )
        })?;
        // Six bits have 64 values: the one that has no character is dropped, so every character is equally likely.
        let characters = random.iter().filter_map(|byte| ALPHABET.get(usize::from(byte & 63)));
        let left = LENGTH - text.len();
        text.extend(characters.take(left).map(|&byte| char::from(byte)));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;

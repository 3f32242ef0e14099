//! The public key put on the server, once, with the account's password.

use std::sync::Arc;

use engine_api::{StoreError, StoreErrorKind};
use russh::keys::PublicKey;

use super::blobs::temporary_name;
use super::client::Client;
use super::errors::{Context, Problem};
use super::link::Link;
use super::requests::{Answer, Requests};
use super::root::{join, make_one};
use super::settings::Settings;
use super::ssh::Login;
use super::transfer::{self, Writes};
use super::wire::{Attributes, flag};
use crate::Secret;

/// No list of keys is longer, in bytes.
const LONGEST: u64 = 4 << 20;

/// Logs in with `password` and adds `public_key`, a line of `authorized_keys`, to those the account takes, where it is
/// not there yet; then makes sure that the server takes the keys of `settings`, if they name any.
///
/// The server must be the pinned one before it is told the password.
///
/// # Errors
/// [`Unauthenticated`](StoreErrorKind::Unauthenticated) when the password is wrong, or the key is in place and the server
/// does not take it all the same; any other kind when it could not be put there.
pub fn install_key(settings: &Settings, password: &Secret, public_key: &str) -> Result<(), StoreError> {
    let location = settings.location();
    let context = Context::new("install the key", b"", &location);
    install(settings, password, public_key).map_err(|problem| context.error(problem))
}

/// Logs in with the keys of `settings` and out again.
///
/// # Errors
/// [`Unauthenticated`](StoreErrorKind::Unauthenticated) when the server takes none of them; any other kind when it cannot be
/// asked.
pub fn try_keys(settings: &Settings) -> Result<(), StoreError> {
    let location = settings.location();
    let context = Context::new("log in to", b"", &location);
    let tried = Client::new(settings.clone()).and_then(|client| client.open(Login::Keys).map(drop));
    tried.map_err(|problem| context.error(problem))
}

fn install(settings: &Settings, password: &Secret, public_key: &str) -> Result<(), Problem> {
    let key = PublicKey::from_openssh(public_key.trim())
        .map_err(|error| Problem::known(StoreErrorKind::Other, format!("it is no public key: {error}")))?;
    let line = key
        .to_openssh()
        .map_err(|error| Problem::known(StoreErrorKind::Other, error.to_string()))?;
    let client = Client::new(settings.clone())?;
    let link = client.open(Login::Password(password.clone()))?;
    add(&link, &line)?;
    drop(link);
    if settings.keys.is_empty() {
        return Ok(());
    }
    match client.open(Login::Keys) {
        Ok(_) => Ok(()),
        Err(problem) if problem.is(StoreErrorKind::Unauthenticated) => Err(Problem::hinted(
            StoreErrorKind::Unauthenticated,
            "the key is in .ssh/authorized_keys, but the server does not take it",
            "check on the server that the home folder is writable by its owner only, that sshd_config allows keys, and \
             where it looks for them (AuthorizedKeysFile)",
        )),
        Err(problem) => Err(problem),
    }
}

fn add(link: &Arc<Link>, line: &str) -> Result<(), Problem> {
    let home = link.real_path(b".")?.name()?;
    let folder = join(&home, b".ssh");
    make_one(link, &folder, 0o700)?;
    let mut file = join(&folder, b"authorized_keys");
    let before = link.stat(&file)?.attributes();
    let (mut text, mode) = match before {
        Ok(found) => {
            // A symbolic link stays one.
            file = link.real_path(&file)?.name()?;
            (read(link, &file)?, found.mode.unwrap_or(0o600) & 0o7755)
        }
        Err(problem) if problem.is(StoreErrorKind::NotFound) => (Vec::new(), 0o600),
        Err(problem) => return Err(problem),
    };
    tighten(link, &folder)?;
    if holds(&text, line) {
        return tighten(link, &file);
    }
    if text.last().is_some_and(|&byte| byte != b'\n') {
        text.push(b'\n');
    }
    text.extend_from_slice(line.as_bytes());
    text.push(b'\n');
    replace(link, &file, &text, mode)
}

/// Servers take no keys from where others may write.
fn tighten(link: &Arc<Link>, path: &[u8]) -> Result<(), Problem> {
    let mode = link.stat(path)?.attributes()?.mode.unwrap_or(0) & 0o7777;
    if mode & 0o022 == 0 {
        return Ok(());
    }
    link.set(path, &Attributes::with_mode(mode & !0o022))?.done()
}

/// Whether the key of `line` stands in `text`, with whatever options and comment.
fn holds(text: &[u8], line: &str) -> bool {
    let blob = line.split(' ').nth(1).unwrap_or(line).as_bytes();
    text.split(|&byte| byte == b'\n')
        .filter(|one| !one.trim_ascii_start().starts_with(b"#"))
        .any(|one| one.split(u8::is_ascii_whitespace).any(|field| field == blob))
}

fn read(link: &Arc<Link>, path: &[u8]) -> Result<Vec<u8>, Problem> {
    let file = link.open_file(path, flag::READ, &Attributes::default())?.handle()?;
    let size = file.attributes()?.attributes()?.size.unwrap_or(0);
    if size > LONGEST {
        return Err(Problem::known(StoreErrorKind::Other, "authorized_keys is too large"));
    }
    let mut text = vec![0; usize::try_from(size).unwrap_or(0)];
    let length = transfer::read(&file, 0, &mut text)?;
    text.truncate(length);
    Ok(text)
}

/// Writes the file anew, whole or not at all: whoever logs in meanwhile must find every key.
fn replace(link: &Arc<Link>, path: &[u8], text: &[u8], mode: u32) -> Result<(), Problem> {
    let slash = path.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
    let temporary = join(path.get(..slash).unwrap_or_default(), &temporary_name());
    let written = write(link, &temporary, text, mode).and_then(|()| {
        if link.extensions().posix_rename {
            return link.rename_over(&temporary, path)?.done();
        }
        let _ = link.remove(path)?.done();
        link.rename_new(&temporary, path)?.done()
    });
    if written.is_err() {
        let _ = link.remove(&temporary).and_then(Answer::done);
    }
    written
}

fn write(link: &Arc<Link>, path: &[u8], mut text: &[u8], mode: u32) -> Result<(), Problem> {
    let flags = flag::WRITE | flag::CREATE | flag::EXCLUSIVE;
    let file = link.open_file(path, flags, &Attributes::with_mode(0o600))?.handle()?;
    let (mut writes, mut offset) = (Writes::default(), 0);
    while !text.is_empty() {
        let most = text.len();
        offset += writes.send(&file, offset, &mut text, most)? as u64;
    }
    writes.finish()?;
    file.set(&Attributes::with_mode(mode))?.done()?;
    if link.extensions().fsync {
        file.sync()?.done()?;
    }
    file.close()?.done()
}

#[cfg(test)]
mod tests {
    use super::holds;

    #[test]
    fn a_key_is_found_whatever_stands_around_it() {
        let line = "ssh-ed25519 AAAAkey holdfast";
        assert!(holds(b"x\nssh-ed25519 AAAAkey other comment\n", line));
        assert!(holds(b"from=\"1.2.3.4\",no-pty ssh-ed25519 AAAAkey\r\n", line));
        assert!(!holds(b"# ssh-ed25519 AAAAkey\nssh-ed25519 AAAAkeyAndMore\n", line));
        assert!(!holds(b"", line));
    }
}

//! Private keys: made, and read.

use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine_api::{StoreError, StoreErrorKind};
use russh::keys::key::safe_rng;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, PrivateKey, PublicKey};

use crate::sftp::errors::{Context, Problem};

/// Makes an Ed25519 key at `path`, readable by its owner only, and its public half beside it as `.pub`; a key that is
/// there stays. Gives the public key as the line for a server's `authorized_keys`.
///
/// # Errors
/// When it could not be written, or what is there is no key.
pub fn make_key(path: &Path) -> Result<String, StoreError> {
    let location = path.to_string_lossy();
    let context = Context::new("make the key", location.as_bytes(), "this machine");
    make(path).map_err(|problem| context.error(problem))
}

/// The public half of the private key at `path`, as the line for a server's `authorized_keys`.
///
/// # Errors
/// When there is none, or what is there is no key.
pub fn public_key(path: &Path) -> Result<String, StoreError> {
    let location = path.to_string_lossy();
    let context = Context::new("read the key", location.as_bytes(), "this machine");
    let key = read(path).map_err(|problem| context.error(problem))?;
    line_of(key.public_key()).map_err(|problem| context.error(problem))
}

fn make(path: &Path) -> Result<String, Problem> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => return line_of(read(path)?.public_key()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(local(path, &error)),
    }
    let mut key = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).map_err(|error| broken(path, &error))?;
    key.set_comment("holdfast");
    let line = line_of(key.public_key())?;
    let text = key.to_openssh(LineEnding::LF).map_err(|error| broken(path, &error))?;
    replace_file(path, text.as_bytes()).map_err(|error| local(path, &error))?;
    let public = path.with_added_extension("pub");
    replace_file(&public, format!("{line}\n").as_bytes()).map_err(|error| local(&public, &error))?;
    Ok(line)
}

fn line_of(key: &PublicKey) -> Result<String, Problem> {
    key.to_openssh()
        .map_err(|error| Problem::known(StoreErrorKind::Other, error.to_string()))
}

/// Reads those of `paths` that are there.
pub(super) fn read_all(paths: &[PathBuf]) -> Result<Vec<Arc<PrivateKey>>, Problem> {
    let mut keys = Vec::new();
    for path in paths {
        match std::fs::symlink_metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            _ => keys.push(Arc::new(read(path)?)),
        }
    }
    Ok(keys)
}

/// Reads a key in OpenSSH's form, or in an older one: NethServer's is RSA in PEM.
fn read(path: &Path) -> Result<PrivateKey, Problem> {
    let metadata = std::fs::metadata(path).map_err(|error| local(path, &error))?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(Problem::hinted(
            StoreErrorKind::Unauthenticated,
            format!("the key {} can be read by others", path.display()),
            format!("run `chmod 600 {}`", path.display()),
        ));
    }
    let text = zeroize::Zeroizing::new(std::fs::read_to_string(path).map_err(|error| local(path, &error))?);
    russh::keys::decode_secret_key(&text, None).map_err(|error| broken(path, &error))
}

/// Writes a file that only its owner may read, whole or not at all.
pub(super) fn replace_file(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut file = tempfile::Builder::new()
        .permissions(std::fs::Permissions::from_mode(0o600))
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    let flags = i32::try_from(rustix::fs::OFlags::DIRECTORY.bits()).unwrap_or(0);
    std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(folder)?
        .sync_all()
}

fn local(path: &Path, error: &std::io::Error) -> Problem {
    Problem::known(StoreErrorKind::Unauthenticated, format!("{}: {error}", path.display()))
}

fn broken(path: &Path, error: &dyn std::error::Error) -> Problem {
    Problem::hinted(
        StoreErrorKind::Unauthenticated,
        format!("the key {} cannot be used: {error}", path.display()),
        "a key without a passphrase is needed; move it away to have a new one made",
    )
}

#[cfg(test)]
mod tests;

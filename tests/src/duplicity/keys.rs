//! A keyring of GnuPG's that is thrown away, with keys of both families.

use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A keyring in a folder of its own; its agent ends with it.
pub struct Keyring {
    home: TempDir,
    /// The full fingerprint of an RSA key that can encrypt and sign.
    pub rsa: String,
    /// The full fingerprint of a key of Curve25519 that can encrypt and sign.
    pub curve: String,
}

impl Keyring {
    /// Makes a keyring with both keys; `None` when there is no gpg.
    ///
    /// # Panics
    /// When gpg is there and cannot make keys.
    #[must_use]
    pub fn new() -> Option<Self> {
        Command::new("gpg")
            .arg("--version")
            .stdout(Stdio::null())
            .status()
            .ok()?;
        let mut keyring = Self {
            // The agent's socket lies in it, and its path must be short.
            home: tempfile::Builder::new().prefix("gpg").tempdir_in("/tmp").unwrap(),
            rsa: String::new(),
            curve: String::new(),
        };
        std::fs::write(
            keyring.home.path().join("gpg.conf"),
            "trust-model always\nbatch\nno-tty\npinentry-mode loopback\n",
        )
        .unwrap();
        keyring.rsa = keyring.make("rsa@example.net", ["rsa2048", "rsa2048"]);
        keyring.curve = keyring.make("curve@example.net", ["ed25519", "cv25519"]);
        Some(keyring)
    }

    /// The folder to name as `GNUPGHOME`.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    fn make(&self, name: &str, [sign, encrypt]: [&str; 2]) -> String {
        self.gpg(&["--passphrase", "", "--quick-gen-key", name, sign, "sign", "never"]);
        let listed = self.gpg(&["--with-colons", "--list-keys", name]);
        let listed = String::from_utf8(listed).unwrap();
        let line = listed.lines().find(|line| line.starts_with("fpr:")).unwrap();
        let fingerprint = line.split(':').nth(9).unwrap().to_owned();
        self.gpg(&[
            "--passphrase",
            "",
            "--quick-add-key",
            &fingerprint,
            encrypt,
            "encrypt",
            "never",
        ]);
        fingerprint
    }

    /// The public half of a key, in binary.
    #[must_use]
    pub fn public(&self, fingerprint: &str) -> Vec<u8> {
        self.gpg(&["--export", fingerprint])
    }

    /// A key with its secret, which has no passphrase, in binary.
    #[must_use]
    pub fn secret(&self, fingerprint: &str) -> Vec<u8> {
        self.gpg(&["--passphrase", "", "--export-secret-keys", fingerprint])
    }

    /// Runs gpg in this keyring and returns what it printed.
    ///
    /// # Panics
    /// When it fails.
    pub fn gpg(&self, arguments: &[&str]) -> Vec<u8> {
        let output = Command::new("gpg")
            .env("GNUPGHOME", self.home.path())
            .args(["--quiet", "--batch", "--yes"])
            .args(arguments)
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "gpg {arguments:?}: {errors}");
        output.stdout
    }
}

impl Drop for Keyring {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf")
            .env("GNUPGHOME", self.home.path())
            .args(["--kill", "all"])
            .status();
    }
}

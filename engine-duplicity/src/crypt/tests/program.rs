//! The program GnuPG, with keys of its own in a folder of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use zeroize::Zeroizing;

/// A home of GnuPG's.
pub(super) struct Gpg {
    home: TempDir,
}

impl Gpg {
    /// Nothing, and a line that says so, when the program is not installed.
    pub(super) fn new() -> Option<Self> {
        let found = Command::new("gpg")
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if found.is_err() {
            println!("skipped: the program gpg is not installed");
            return None;
        }
        let only_ours = fs::Permissions::from_mode(0o700);
        let home = tempfile::Builder::new()
            .prefix("gpg")
            .permissions(only_ours)
            .tempdir()
            .unwrap();
        fs::write(
            home.path().join("gpg.conf"),
            "batch\nno-tty\nyes\ntrust-model always\npinentry-mode loopback\n",
        )
        .unwrap();
        Some(Self { home })
    }

    pub(super) fn path(&self) -> &Path {
        self.home.path()
    }

    /// Makes a key that signs, with a subkey that encrypts.
    pub(super) fn generate(&self, user: &str, primary: &str, subkey: &str, passphrase: &str) {
        let parameters = format!(
            "Key-Type: {primary}\nSubkey-Type: {subkey}\nName-Real: {user}\nExpire-Date: 0\n{}%commit\n",
            if passphrase.is_empty() {
                "%no-protection\n".to_owned()
            } else {
                format!("Passphrase: {passphrase}\n")
            },
        );
        let file = self.path().join("parameters");
        fs::write(&file, parameters).unwrap();
        self.run(&["--gen-key", file.to_str().unwrap()]);
    }

    pub(super) fn public(&self, user: &str) -> Vec<u8> {
        self.run(&["--export", user]).stdout
    }

    pub(super) fn secret(&self, user: &str, passphrase: &str) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(
            self.run(&["--passphrase", passphrase, "--armor", "--export-secret-keys", user])
                .stdout,
        )
    }

    /// What the program makes of `input`.
    pub(super) fn filter(&self, arguments: &[&str], input: &[u8]) -> Output {
        let file = self.path().join("input");
        fs::write(&file, input).unwrap();
        let file = file.to_str().unwrap().to_owned();
        self.run(&[arguments, &["-o", "-", &file]].concat())
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Output {
        let output = self.command().args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "gpg {arguments:?}: {said}");
        output
    }

    fn command(&self) -> Command {
        let mut command = Command::new("gpg");
        command
            .env("GNUPGHOME", self.path())
            .env("LC_ALL", "C")
            .stdin(Stdio::null());
        command
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        // The agent that the program started for this home.
        let mut kill = Command::new("gpgconf");
        let _ = kill
            .env("GNUPGHOME", self.path())
            .args(["--kill", "gpg-agent"])
            .status();
    }
}

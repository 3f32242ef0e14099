use std::path::{Path, PathBuf};
use std::process::Command;

use super::{PASSWORD, Peer, Place, command, version};

pub struct Borg {
    program: PathBuf,
    title: String,
}

impl Borg {
    pub fn find(program: &Path) -> Option<Self> {
        Some(Self {
            program: program.to_owned(),
            title: version(program, "--version")?,
        })
    }

    fn command(&self, place: &Place<'_>, arguments: &[&str]) -> Command {
        let mut command = command(&self.program, place);
        command
            .env("BORG_REPO", &place.repository)
            .env("BORG_PASSPHRASE", PASSWORD)
            .env("BORG_BASE_DIR", &place.home)
            .args(arguments);
        command
    }
}

impl Peer for Borg {
    fn title(&self) -> String {
        self.title.clone()
    }

    fn init(&self, place: &Place<'_>) -> Option<Command> {
        Some(self.command(place, &["init", "--encryption", "repokey-blake2"]))
    }

    /// The compression that the others use.
    fn backup(&self, place: &Place<'_>) -> Command {
        let mut command = self.command(
            place,
            &["create", "--compression", "zstd,3", "::{utcnow:%Y%m%d%H%M%S%f}"],
        );
        command.arg(place.corpus);
        command
    }

    /// It has no name for the newest archive, so a shell asks for it.
    fn list(&self, place: &Place<'_>) -> Command {
        self.shell(place, "\"$0\" list \"::$(\"$0\" list --last 1 --short)\"")
    }

    fn restore(&self, place: &Place<'_>) -> Command {
        let mut command = self.shell(place, "\"$0\" extract \"::$(\"$0\" list --last 1 --short)\"");
        command.current_dir(&place.target);
        command
    }

    fn check(&self, place: &Place<'_>) -> Command {
        self.command(place, &["check", "--verify-data"])
    }

    fn forget(&self, place: &Place<'_>, keep: u32) -> Command {
        self.command(place, &["prune", "--keep-last", &keep.to_string()])
    }

    fn prune(&self, place: &Place<'_>) -> Command {
        self.command(place, &["compact", "--threshold", "5"])
    }
}

impl Borg {
    fn shell(&self, place: &Place<'_>, script: &str) -> Command {
        let mut shell = command(Path::new("/bin/sh"), place);
        shell
            .env("BORG_REPO", &place.repository)
            .env("BORG_PASSPHRASE", PASSWORD)
            .env("BORG_BASE_DIR", &place.home)
            .args(["-c", script])
            .arg(&self.program);
        shell
    }
}

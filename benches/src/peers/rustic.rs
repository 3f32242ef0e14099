use std::path::{Path, PathBuf};
use std::process::Command;

use super::{PASSWORD, Peer, Place, command, version};

pub struct Rustic {
    program: PathBuf,
    title: String,
}

impl Rustic {
    pub fn find(program: &Path) -> Option<Self> {
        Some(Self {
            program: program.to_owned(),
            title: version(program, "--version")?,
        })
    }

    fn command(&self, place: &Place<'_>, arguments: &[&str]) -> Command {
        let mut command = command(&self.program, place);
        command
            .env("RUSTIC_REPOSITORY", &place.repository)
            .env("RUSTIC_PASSWORD", PASSWORD)
            .arg("--no-progress")
            .args(arguments);
        command
    }
}

impl Peer for Rustic {
    fn title(&self) -> String {
        self.title.clone()
    }

    fn init(&self, place: &Place<'_>) -> Option<Command> {
        Some(self.command(place, &["init"]))
    }

    fn backup(&self, place: &Place<'_>) -> Command {
        let mut command = self.command(place, &["backup"]);
        command.arg(place.corpus);
        command
    }

    fn list(&self, place: &Place<'_>) -> Command {
        self.command(place, &["ls", "latest"])
    }

    fn restore(&self, place: &Place<'_>) -> Command {
        let mut command = self.command(place, &["restore", "latest"]);
        command.arg(&place.target);
        command
    }

    fn check(&self, place: &Place<'_>) -> Command {
        self.command(place, &["check", "--read-data"])
    }

    fn forget(&self, place: &Place<'_>, keep: u32) -> Command {
        self.command(place, &["forget", "--keep-last", &keep.to_string()])
    }

    /// Without `--instant-delete` it would only mark the packs.
    fn prune(&self, place: &Place<'_>) -> Command {
        self.command(place, &["prune", "--instant-delete", "--keep-pack", "0s"])
    }
}

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Peer, Place, command, version};

pub struct Duplicity {
    program: PathBuf,
    title: String,
}

impl Duplicity {
    pub fn find(program: &Path) -> Option<Self> {
        Some(Self {
            program: program.to_owned(),
            title: version(program, "--version")?,
        })
    }

    /// Without encryption, as NethServer runs it.
    fn command(&self, place: &Place<'_>, arguments: &[&str]) -> Command {
        let mut command = command(&self.program, place);
        command.args(arguments).arg("--no-encryption");
        command.arg("--archive-dir").arg(place.home.join("archive"));
        command
    }
}

fn url(place: &Place<'_>) -> OsString {
    let mut url = OsString::from("file://");
    url.push(&place.repository);
    url
}

impl Peer for Duplicity {
    fn title(&self) -> String {
        self.title.clone()
    }

    fn init(&self, _place: &Place<'_>) -> Option<Command> {
        None
    }

    /// Without an action it makes a full backup where there is none, else an increment.
    fn backup(&self, place: &Place<'_>) -> Command {
        let mut command = self.command(place, &[]);
        command.arg(place.corpus).arg(url(place));
        command
    }

    fn list(&self, place: &Place<'_>) -> Command {
        let mut command = self.command(place, &["list-current-files"]);
        command.arg(url(place));
        command
    }

    /// Its root becomes the target itself.
    fn restore(&self, place: &Place<'_>) -> Command {
        let mut command = self.command(place, &["restore"]);
        let target = place.target.join(place.corpus.file_name().unwrap_or_default());
        command.arg(url(place)).arg(target);
        command
    }

    /// Everything is read and put together, and compared with nothing.
    fn check(&self, place: &Place<'_>) -> Command {
        let mut command = self.command(place, &["verify"]);
        command.arg(url(place)).arg(place.corpus);
        command
    }

    /// It forgets whole chains only, and here is one.
    fn forget(&self, place: &Place<'_>, _keep: u32) -> Command {
        let mut command = self.command(place, &["remove-all-but-n-full", "1", "--force"]);
        command.arg(url(place));
        command
    }

    fn prune(&self, place: &Place<'_>) -> Command {
        let mut command = self.command(place, &["cleanup", "--force"]);
        command.arg(url(place));
        command
    }
}

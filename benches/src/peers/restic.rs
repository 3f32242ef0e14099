use std::path::{Path, PathBuf};
use std::process::Command;

use crate::remote::{ACCESS, BUCKET, Over, Remote, SECRET};

use super::{PASSWORD, Peer, Place, command, version};

pub struct Restic {
    program: PathBuf,
    title: String,
}

impl Restic {
    pub fn find(program: &Path) -> Option<Self> {
        Some(Self {
            program: program.to_owned(),
            title: version(program, "version")?,
        })
    }

    fn command(&self, place: &Place<'_>, arguments: &[&str]) -> Command {
        let mut command = command(&self.program, place);
        command.env("RESTIC_PASSWORD", PASSWORD);
        match place.remote {
            None => command.env("RESTIC_REPOSITORY", &place.repository),
            Some(remote) => command.env("RESTIC_REPOSITORY", address(remote, place)),
        };
        if let Some(remote) = place.remote {
            command
                .env("AWS_ACCESS_KEY_ID", ACCESS)
                .env("AWS_SECRET_ACCESS_KEY", SECRET);
            if remote.over == Over::Sftp {
                let ssh = format!("sftp.command={} root@127.0.0.1 -s sftp", remote.ssh());
                command.args(["-o", &ssh]);
            }
        }
        command.args(arguments);
        command
    }
}

fn address(remote: &Remote, place: &Place<'_>) -> String {
    let name = place.repository.file_name().unwrap_or_default().to_string_lossy();
    match remote.over {
        Over::Sftp => format!("sftp:root@127.0.0.1:{}", place.repository.display()),
        Over::S3 => format!("s3:http://{}/{BUCKET}/{name}", remote.address),
        Over::Rest => format!("rest:http://{}/{name}/", remote.address),
    }
}

impl Peer for Restic {
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
        let mut command = self.command(place, &["restore", "latest", "--target"]);
        command.arg(&place.target);
        command
    }

    fn check(&self, place: &Place<'_>) -> Command {
        self.command(place, &["check", "--read-data"])
    }

    fn forget(&self, place: &Place<'_>, keep: u32) -> Command {
        self.command(place, &["forget", "--keep-last", &keep.to_string()])
    }

    fn prune(&self, place: &Place<'_>) -> Command {
        self.command(place, &["prune"])
    }
}

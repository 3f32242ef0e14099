use std::path::{Path, PathBuf};
use std::process::Command;

use super::{KEEP, Peer, Place, command, version};
use crate::error::Error;
use crate::measure;
use crate::options::{Engine, Options};
use crate::remote::{ACCESS, BUCKET, Over, Remote, SECRET};

/// The configured backup, where one is needed.
const JOB: &str = "bench";

pub struct Holdfast {
    program: PathBuf,
    title: String,
    engine: Engine,
    properties: Vec<(String, String)>,
}

impl Holdfast {
    /// The program that was named, or the one of this workspace, built now.
    pub fn find(options: &Options) -> Result<Self, Error> {
        let program = match &options.holdfast {
            Some(program) => program.clone(),
            None => build(&options.folder())?,
        };
        let title = version(&program, "--version").ok_or_else(|| Error::NoSuchPeer("holdfast".to_owned()))?;
        let engine = options.engine;
        Ok(Self {
            program,
            title,
            engine,
            properties: options.properties.clone(),
        })
    }

    fn command(&self, place: &Place<'_>, arguments: &[&str]) -> Command {
        let mut command = command(&self.program, place);
        command.env("HOLDFAST_ROOT", &place.home).args(arguments);
        command
    }
}

impl Holdfast {
    /// A command about the repository of the round.
    fn on_repository(&self, place: &Place<'_>, arguments: &[&str]) -> Command {
        let mut command = self.command(place, arguments);
        match place.remote {
            None => command.arg("--repo").arg(&place.repository),
            Some(_) => command.args(["-b", JOB]),
        };
        command
    }

    /// Writes a record for the server, and makes the repository.
    fn configure(&self, place: &Place<'_>, remote: &Remote) -> Command {
        let script = "cd \"$HOLDFAST_ROOT\"
            mkdir -p etc/holdfast/db etc/holdfast/backup-data var/lib/holdfast/secrets
            printf '%s\\n' \"$2\" >etc/holdfast/db/backups
            printf '%s\\n' \"$3\" >etc/holdfast/backup-data/bench.include
            [ -z \"$4\" ] || install -m 600 \"$4\" var/lib/holdfast/secrets/sftp_bench
            exec \"$1\" init -b bench";
        let mut command = command(Path::new("sh"), place);
        command.env("HOLDFAST_ROOT", &place.home).args(["-euc", script, "sh"]);
        command.arg(std::path::absolute(&self.program).unwrap_or_else(|_| self.program.clone()));
        command.arg(self.record(place, remote));
        command.arg(place.corpus).arg(&remote.key);
        command
    }

    fn record(&self, place: &Place<'_>, remote: &Remote) -> String {
        let name = place.repository.file_name().unwrap_or_default().to_string_lossy();
        let (host, port) = (remote.address.ip(), remote.address.port());
        let place = match remote.over {
            Over::Sftp => format!(
                "sftp|SftpHost|{host}|SftpPort|{port}|SftpUser|root|SftpDirectory|{}",
                place.repository.display()
            ),
            Over::S3 => format!(
                "s3|S3Host|http://{host}:{port}|S3Bucket|{BUCKET}/{name}|S3AccessKey|{ACCESS}|S3SecretKey|{SECRET}"
            ),
            Over::Rest => format!("rest|RestProtocol|http|RestHost|{host}|RestPort|{port}|RestDirectory|{name}"),
        };
        let properties = self.properties.iter().map(|(name, value)| format!("|{name}|{value}"));
        let properties: String = properties.collect();
        format!(
            "{JOB}={}|status|enabled|VFSType|{place}{properties}",
            self.engine.name()
        )
    }
}

/// Cargo says where it is when it runs this program; this program lies beside the one that it builds.
fn build(folder: &Path) -> Result<PathBuf, Error> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--quiet", "--package", "holdfast"]);
    measure::run(command, &folder.join("build.log"))?;
    let beside = std::env::current_exe().ok();
    beside
        .map(|path| path.with_file_name("holdfast"))
        .filter(|path| path.is_file())
        .ok_or_else(|| Error::NoSuchPeer("holdfast".to_owned()))
}

impl Peer for Holdfast {
    fn title(&self) -> String {
        self.title.clone()
    }

    /// The rsync engine wants to be told that a place is meant for backups.
    fn init(&self, place: &Place<'_>) -> Option<Command> {
        if let Some(remote) = place.remote {
            return Some(self.configure(place, remote));
        }
        let mut command = command(Path::new("sh"), place);
        command.args(["-euc", "mkdir -p \"$1\" && touch \"$1/backup.marker\"", "sh"]);
        command.arg(&place.repository);
        (self.engine == Engine::Rsync).then_some(command)
    }

    fn backup(&self, place: &Place<'_>) -> Command {
        if place.remote.is_some() {
            return self.on_repository(place, &["backup"]);
        }
        let mut command = self.command(place, &["backup"]);
        command.arg(place.corpus).arg("--to").arg(&place.repository);
        command.args(["--engine", self.engine.name()]);
        command
    }

    fn list(&self, place: &Place<'_>) -> Command {
        self.on_repository(place, &["ls"])
    }

    fn restore(&self, place: &Place<'_>) -> Command {
        let mut command = self.on_repository(place, &["restore"]);
        command.arg("--target").arg(&place.target);
        command
    }

    fn check(&self, place: &Place<'_>) -> Command {
        self.on_repository(place, &["check", "--read-data"])
    }

    fn forget(&self, place: &Place<'_>, keep: u32) -> Command {
        if self.engine == Engine::Rsync {
            // There it is what takes the time, and has its turn as the prune.
            return command(Path::new("true"), place);
        }
        self.on_repository(place, &["forget", "--keep-last", &keep.to_string()])
    }

    fn prune(&self, place: &Place<'_>) -> Command {
        if self.engine == Engine::Rsync {
            return self.on_repository(place, &["forget", "--keep-last", &KEEP.to_string()]);
        }
        self.on_repository(place, &["prune"])
    }
}

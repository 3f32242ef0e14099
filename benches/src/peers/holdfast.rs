use std::path::{Path, PathBuf};
use std::process::Command;

use super::{KEEP, Peer, Place, command, version};
use crate::error::Error;
use crate::measure;
use crate::options::{Engine, Options};

pub struct Holdfast {
    program: PathBuf,
    title: String,
    engine: Engine,
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
        Ok(Self { program, title, engine })
    }

    fn command(&self, place: &Place<'_>, arguments: &[&str]) -> Command {
        let mut command = command(&self.program, place);
        command.env("HOLDFAST_ROOT", &place.home).args(arguments);
        command
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
        let mut command = command(Path::new("sh"), place);
        command.args(["-euc", "mkdir -p \"$1\" && touch \"$1/backup.marker\"", "sh"]);
        command.arg(&place.repository);
        (self.engine == Engine::Rsync).then_some(command)
    }

    fn backup(&self, place: &Place<'_>) -> Command {
        let mut command = self.command(place, &["backup"]);
        command.arg(place.corpus).arg("--to").arg(&place.repository);
        command.args(["--engine", self.engine.name()]);
        command
    }

    fn list(&self, place: &Place<'_>) -> Command {
        let mut command = self.command(place, &["ls", "--repo"]);
        command.arg(&place.repository);
        command
    }

    fn restore(&self, place: &Place<'_>) -> Command {
        let mut command = self.command(place, &["restore", "--repo"]);
        command.arg(&place.repository).arg("--target").arg(&place.target);
        command
    }

    fn check(&self, place: &Place<'_>) -> Command {
        let mut command = self.command(place, &["check", "--read-data", "--repo"]);
        command.arg(&place.repository);
        command
    }

    fn forget(&self, place: &Place<'_>, keep: u32) -> Command {
        if self.engine == Engine::Rsync {
            // There it is what takes the time, and has its turn as the prune.
            return command(Path::new("true"), place);
        }
        let mut command = self.command(place, &["forget", "--keep-last", &keep.to_string(), "--repo"]);
        command.arg(&place.repository);
        command
    }

    fn prune(&self, place: &Place<'_>) -> Command {
        if self.engine == Engine::Rsync {
            let mut command = self.command(place, &["forget", "--keep-last", &KEEP.to_string(), "--repo"]);
            command.arg(&place.repository);
            return command;
        }
        let mut command = self.command(place, &["prune", "--repo"]);
        command.arg(&place.repository);
        command
    }
}

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Peer, Place, command, version};
use crate::error::Error;
use crate::measure;
use crate::options::Options;

pub struct Holdfast {
    program: PathBuf,
    title: String,
    engine: &'static str,
}

impl Holdfast {
    /// The program that was named, or the one of this workspace, built now.
    pub fn find(options: &Options) -> Result<Self, Error> {
        let program = match &options.holdfast {
            Some(program) => program.clone(),
            None => build(&options.folder())?,
        };
        let title = version(&program, "--version").ok_or_else(|| Error::NoSuchPeer("holdfast".to_owned()))?;
        let engine = options.engine.name();
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

    fn init(&self, _place: &Place<'_>) -> Option<Command> {
        None
    }

    fn backup(&self, place: &Place<'_>) -> Command {
        let mut command = self.command(place, &["backup"]);
        command.arg(place.corpus).arg("--to").arg(&place.repository);
        command.args(["--engine", self.engine]);
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
        let mut command = self.command(place, &["forget", "--keep-last", &keep.to_string(), "--repo"]);
        command.arg(&place.repository);
        command
    }

    fn prune(&self, place: &Place<'_>) -> Command {
        let mut command = self.command(place, &["prune", "--repo"]);
        command.arg(&place.repository);
        command
    }
}

//! The programs that are compared, each as the commands it takes.

mod borg;
mod duplicity;
mod holdfast;
mod restic;
mod rsync;
mod rustic;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;
use crate::options::{Engine, Options};
use crate::remote::Remote;

/// How many snapshots are kept in the end.
pub const KEEP: u32 = 3;

/// The password of every repository.
const PASSWORD: &str = "benchmark";

/// Where one round of one program takes place.
pub struct Place<'a> {
    pub corpus: &'a Path,
    pub repository: PathBuf,
    pub target: PathBuf,
    pub home: PathBuf,
    /// The server that has the repository, where it is one.
    pub remote: Option<&'a Remote>,
}

/// A backup program, as the commands of the steps.
pub trait Peer {
    /// Name and version.
    fn title(&self) -> String;
    /// Makes the repository; nothing when the first backup does.
    fn init(&self, place: &Place<'_>) -> Option<Command>;
    fn backup(&self, place: &Place<'_>) -> Command;
    fn list(&self, place: &Place<'_>) -> Command;
    fn restore(&self, place: &Place<'_>) -> Command;
    fn check(&self, place: &Place<'_>) -> Command;
    fn forget(&self, place: &Place<'_>, keep: u32) -> Command;
    fn prune(&self, place: &Place<'_>) -> Command;
}

/// Every program of `options` that this machine has; Holdfast is the first.
pub fn find(options: &Options) -> Result<Vec<Box<dyn Peer>>, Error> {
    let named = |name: &str| options.peers.iter().any(|other| other == name);
    let mut peers: Vec<Box<dyn Peer>> = Vec::new();
    if options.peers.is_empty() || named("holdfast") {
        peers.push(Box::new(holdfast::Holdfast::find(options)?));
    }
    let others = match options.engine {
        // The others know other servers, or none.
        Engine::Restic if options.over.is_some() => vec![("restic", boxed(restic::Restic::find(&options.restic)))],
        Engine::Rsync if options.over.is_some() => {
            vec![("link-dest", boxed(rsync::Rsync::find(rsync::Kind::LinkDest)))]
        }
        Engine::Restic => vec![
            ("restic", boxed(restic::Restic::find(&options.restic))),
            ("rustic", boxed(rustic::Rustic::find(&options.rustic))),
            ("borg", boxed(borg::Borg::find(&options.borg))),
        ],
        Engine::Duplicity => vec![("duplicity", boxed(duplicity::Duplicity::find(&options.duplicity)))],
        Engine::Rsync => vec![
            ("link-dest", boxed(rsync::Rsync::find(rsync::Kind::LinkDest))),
            ("rsync", boxed(rsync::Rsync::find(rsync::Kind::Mirror))),
            ("rsnapshot", boxed(rsync::Rsnapshot::find())),
        ],
    };
    for (name, peer) in others {
        match peer {
            Some(peer) if named(name) || options.peers.is_empty() => peers.push(peer),
            None if named(name) => return Err(Error::NoSuchPeer(name.to_owned())),
            None => eprintln!("{name} is not on this machine"),
            Some(_) => {}
        }
    }
    Ok(peers)
}

fn boxed<P: Peer + 'static>(peer: Option<P>) -> Option<Box<dyn Peer>> {
    peer.map(|peer| Box::new(peer) as Box<dyn Peer>)
}

/// What the program prints when it is asked for its version, when it is there.
fn version(program: &Path, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let words: Vec<&str> = text.split_whitespace().take(2).collect();
    output.status.success().then(|| words.join(" "))
}

/// `program` with a home of its own and nothing of this machine's settings.
fn command(program: &Path, place: &Place<'_>) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", &place.home)
        .env("XDG_CACHE_HOME", place.home.join("cache"))
        .env("LC_ALL", "C.UTF-8");
    command
}

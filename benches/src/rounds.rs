use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::corpus::Corpus;
use crate::error::{At, Error};
use crate::measure::{self, Cost};
use crate::options::{Options, Step};
use crate::peers::{KEEP, Peer, Place};
use crate::remote::Remote;

/// Changed backups in one round: with the first and the unchanged one they make six snapshots.
const GENERATIONS: u32 = 4;
/// Sets of the duplicity format are named by the second: whoever begins in the second of the set before has to wait, and
/// a file that changed in it has to be read once more. No program's time is to have that in it.
const TICK: Duration = Duration::from_millis(1100);

/// What one program took for its steps, one value for each round.
pub struct Measured {
    pub title: String,
    pub costs: Vec<(Step, Vec<Cost>)>,
    /// Bytes of the repository after the first backup and after the prune.
    pub sizes: Vec<(u64, u64)>,
}

/// Runs every peer in turn, round after round.
pub fn run(
    corpus: &Corpus,
    peers: &[Box<dyn Peer>],
    options: &Options,
    folder: &Path,
    remote: Option<&Remote>,
) -> Result<Vec<Measured>, Error> {
    let aside = Aside::new(folder, options.spare);
    let mut results: Vec<Measured> = peers.iter().map(|peer| empty(peer.as_ref(), options)).collect();
    for round in 1..=options.rounds {
        for (number, (peer, result)) in peers.iter().zip(&mut results).enumerate() {
            eprintln!("round {round} of {}: {}", options.rounds, result.title);
            // The round before, or a run that was broken off, left its changes.
            corpus.revert(GENERATIONS)?;
            // Servers remember for a while what was at a name before.
            let name = format!("repository-{round}-{number}");
            Round::new(corpus, peer.as_ref(), folder, remote, &name, &aside)?.run(result)?;
        }
    }
    Ok(results)
}

fn empty(peer: &dyn Peer, options: &Options) -> Measured {
    let wanted = Step::ALL.into_iter().filter(|step| options.wants(*step));
    Measured {
        title: peer.title(),
        costs: wanted.map(|step| (step, Vec::new())).collect(),
        sizes: Vec::new(),
    }
}

/// Where trees that are needed no more wait for the end, if that is wished.
struct Aside(Option<PathBuf>);

impl Aside {
    fn new(folder: &Path, spare: bool) -> Self {
        Self(spare.then(|| folder.join("aside")))
    }

    /// Takes a tree that is needed no more.
    fn take(&self, tree: &Path) -> Result<(), Error> {
        if !tree.exists() {
            return Ok(());
        }
        let Some(folder) = &self.0 else {
            return fs::remove_dir_all(tree).at("remove", tree);
        };
        fs::create_dir_all(folder).at("make", folder)?;
        let number = fs::read_dir(folder).at("list", folder)?.count();
        fs::rename(tree, folder.join(number.to_string())).at("move away", tree)
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if let Some(folder) = &self.0 {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

struct Round<'a> {
    corpus: &'a Corpus,
    peer: &'a dyn Peer,
    place: Place<'a>,
    work: PathBuf,
    aside: &'a Aside,
}

impl Drop for Round<'_> {
    fn drop(&mut self) {
        let _ = self.aside.take(&self.place.repository);
        let _ = self.aside.take(&self.work);
    }
}

impl<'a> Round<'a> {
    fn new(
        corpus: &'a Corpus,
        peer: &'a dyn Peer,
        folder: &Path,
        remote: Option<&'a Remote>,
        name: &str,
        aside: &'a Aside,
    ) -> Result<Self, Error> {
        let work = folder.join("work");
        if work.exists() {
            fs::remove_dir_all(&work).at("remove", &work)?;
        }
        let place = Place {
            corpus: corpus.root(),
            repository: match remote {
                Some(remote) => remote.stored(folder, name),
                None => work.join("repository"),
            },
            target: work.join("target"),
            home: work.join("home"),
            remote,
        };
        if place.repository.exists() {
            fs::remove_dir_all(&place.repository).at("remove", &place.repository)?;
        }
        for dir in [&place.home, &place.target] {
            fs::create_dir_all(dir).at("make", dir)?;
        }
        Ok(Self {
            corpus,
            peer,
            place,
            work,
            aside,
        })
    }

    fn run(&self, result: &mut Measured) -> Result<(), Error> {
        // Every program finds the corpus in the page cache.
        read_all(self.corpus.root())?;
        if let Some(init) = self.peer.init(&self.place) {
            self.untimed(init)?;
        }
        self.step(result, Step::First, self.peer.backup(&self.place))?;
        let first = size(&self.place.repository)?;
        self.step(result, Step::Unchanged, self.peer.backup(&self.place))?;
        self.corpus.change(1)?;
        self.step(result, Step::Changed, self.peer.backup(&self.place))?;
        if wants(result, Step::Pages) {
            self.pages(result)?;
        }
        self.optional(result, Step::List, || self.peer.list(&self.place))?;
        if self.optional(result, Step::Restore, || self.peer.restore(&self.place))? {
            self.compare()?;
            self.aside.take(&self.place.target)?;
        }
        self.optional(result, Step::Check, || self.peer.check(&self.place))?;
        for generation in 2..=GENERATIONS {
            self.corpus.change(generation)?;
            if wants(result, Step::Prune) {
                self.untimed(self.peer.backup(&self.place))?;
            }
        }
        if wants(result, Step::Prune) {
            self.untimed(self.peer.forget(&self.place, KEEP))?;
            self.step(result, Step::Prune, self.peer.prune(&self.place))?;
        }
        result.sizes.push((first, size(&self.place.repository)?));
        Ok(())
    }

    /// One large file of which a little changed; it is gone again when the next step begins.
    fn pages(&self, result: &mut Measured) -> Result<(), Error> {
        let pages = self.corpus.pages()?;
        self.untimed(self.peer.backup(&self.place))?;
        pages.change()?;
        self.step(result, Step::Pages, self.peer.backup(&self.place))?;
        pages.remove()?;
        self.untimed(self.peer.backup(&self.place))
    }

    fn optional(
        &self,
        result: &mut Measured,
        step: Step,
        command: impl FnOnce() -> std::process::Command,
    ) -> Result<bool, Error> {
        let wanted = wants(result, step);
        if wanted {
            self.step(result, step, command())?;
        }
        Ok(wanted)
    }

    fn step(&self, result: &mut Measured, step: Step, command: std::process::Command) -> Result<(), Error> {
        // What the step before left to write must not slow this one down.
        measure::run(std::process::Command::new("sync"), &self.log())?;
        thread::sleep(TICK);
        let sent_before = self.place.remote.and_then(Remote::sent);
        let cost = measure::run(command, &self.log())?;
        let sent = self.place.remote.and_then(Remote::sent);
        let sent = sent.map(|bytes| bytes - sent_before.unwrap_or(0));
        let sent = sent.map_or_else(String::new, |bytes| format!(", {bytes} bytes sent"));
        eprintln!("    {}: {:.2} s{sent}", step.title(), cost.wall.as_secs_f64());
        let row = result.costs.iter_mut().find(|(other, _)| *other == step);
        if let Some((_, costs)) = row {
            costs.push(cost);
        }
        Ok(())
    }

    fn untimed(&self, command: std::process::Command) -> Result<(), Error> {
        measure::run(command, &self.log()).map(|_| ())
    }

    fn log(&self) -> PathBuf {
        self.work.join("log")
    }

    /// A fast restore of the wrong bytes is worth nothing.
    fn compare(&self) -> Result<(), Error> {
        let root = self.corpus.root();
        let below = root.strip_prefix("/").unwrap_or(root);
        let whole = self.place.target.join(below);
        // Some programs restore the path with all its folders, some only the last of them.
        let last = self.place.target.join(root.file_name().unwrap_or_default());
        let restored = if whole.is_dir() { whole } else { last };
        let mut wrong = None;
        each_file(root, &mut |path| {
            let other = restored.join(path.strip_prefix(root).unwrap_or(path));
            if !same_content(path, &other)? {
                wrong = Some(other);
            }
            Ok(())
        })?;
        wrong.map_or(Ok(()), |path| {
            Err(Error::Restored {
                peer: self.peer.title(),
                path,
            })
        })
    }
}

/// Compares piece by piece: the peak memory of this process would count as that of the programs it starts.
fn same_content(first: &Path, second: &Path) -> Result<bool, Error> {
    let mut files = [first, second].map(|path| fs::File::open(path).map(|file| (file, vec![0; 64 << 10])));
    let [Ok((one, left)), Ok((other, right))] = &mut files else {
        return Ok(false);
    };
    loop {
        let read = one.read(left).at("read", first)?;
        let Some(wanted) = left.get(..read).filter(|bytes| !bytes.is_empty()) else {
            return Ok(other.read(right).at("read", second)? == 0);
        };
        let found = right.get_mut(..read).unwrap_or_default();
        if other.read_exact(found).is_err() || wanted != found {
            return Ok(false);
        }
    }
}

fn wants(result: &Measured, step: Step) -> bool {
    result.costs.iter().any(|(other, _)| *other == step)
}

fn read_all(dir: &Path) -> Result<(), Error> {
    each_file(dir, &mut |path| {
        let mut file = fs::File::open(path).at("open", path)?;
        std::io::copy(&mut file, &mut std::io::sink())
            .at("read", path)
            .map(|_| ())
    })
}

/// Bytes of all files below `dir`.
fn size(dir: &Path) -> Result<u64, Error> {
    let mut total = 0;
    each_file(dir, &mut |path| {
        total += fs::symlink_metadata(path).at("look at", path)?.len();
        Ok(())
    })?;
    Ok(total)
}

fn each_file(dir: &Path, act: &mut dyn FnMut(&Path) -> Result<(), Error>) -> Result<(), Error> {
    for item in fs::read_dir(dir).at("list", dir)? {
        let item = item.at("list", dir)?;
        let path = item.path();
        if item.file_type().at("look at", &path)?.is_dir() {
            each_file(&path, act)?;
        } else {
            act(&path)?;
        }
    }
    Ok(())
}

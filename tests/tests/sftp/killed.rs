//! OpenSSH's server with all its sessions, killed in the middle of backups and started again: whatever was good before is
//! good after, bit for bit, and the next run goes on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use backends::layers::{Listener, Retry, RetryFiles, RetryPolicy};
use backends::sftp::{Compress, Settings};
use engine_api::{CheckRequest, Destination, Engine, ReadData, Silent, SnapshotRef, StoreError, Timestamp};
use engine_rsync::{Marker, RsyncEngine};
use holdfast_tests::corpus::{self, Random};
use holdfast_tests::holdfast::{Repository, backup_of, settings};
use holdfast_tests::mortal::{After, Mortal};
use holdfast_tests::need;
use holdfast_tests::proxy::Way;
use holdfast_tests::restic::PASSWORD;
use holdfast_tests::seal::cheapen;
use holdfast_tests::sshd::Sshd;
use holdfast_tests::tree::{Compare, Picture, assert_same, below, picture};

use crate::common::NO_SERVER;

const WAITING: RetryPolicy = After::Back.policy();

fn quiet() -> Listener {
    Box::new(|_| std::ops::ControlFlow::Continue(()))
}

/// A server that can be killed, a tree to save, and a place on it.
struct Ground {
    mortal: Mortal<Sshd>,
    settings: Settings,
    tree: PathBuf,
    place: PathBuf,
    random: Random,
    kills: u64,
    failures: u64,
}

impl Ground {
    fn start(seed: u64) -> Option<Self> {
        let server = Sshd::start()?;
        let (tree, place) = (server.folder().join("tree"), server.folder().join("place"));
        corpus::plain_tree(&tree, seed, 40, 20_000);
        let mut settings = server.settings(&place);
        let mortal = Mortal::behind(server);
        settings.port = mortal.address().port();
        Some(Self {
            mortal,
            settings,
            tree,
            place,
            random: Random::new(seed),
            kills: 0,
            failures: 0,
        })
    }

    fn open(&self, policy: RetryPolicy) -> Result<Destination, StoreError> {
        Retry::opening(policy, quiet(), || backends::sftp::open(self.settings.clone(), true))
    }

    /// Changes the tree, and runs `work` on it with a strike in the middle.
    fn round(&mut self, round: u64, way: Way, work: impl FnOnce(&Self, RetryPolicy) -> engine_api::Result<()>) {
        corpus::edit_plain_tree(&self.tree, 200 + round, 5);
        std::fs::write(self.tree.join("new"), self.random.noise(200_000)).unwrap();
        let after = if round.is_multiple_of(2) {
            After::Away
        } else {
            After::Back
        };
        // A third of them fall while the connection is made.
        let most = if self.random.below(3) == 0 { 10_000 } else { 220_000 };
        let at = self.random.below(most);
        self.mortal.strike(way, at, after);
        let outcome = work(self, after.policy());
        let killed = self.mortal.revive();
        self.kills += u64::from(killed);
        self.failures += u64::from(outcome.is_err());
        if let Err(error) = outcome {
            assert!(killed && after == After::Away, "round {round}: {}", error.chain());
        }
    }

    fn assert_felt(&self, rounds: u64) {
        let (kills, failures) = (self.kills, self.failures);
        println!("{kills} kills in {rounds} runs, of which {failures} failed");
        assert!(kills * 4 >= rounds * 3, "only {kills} kills in {rounds} runs");
        assert!(failures > 0, "no kill was felt");
    }
}

#[test]
fn restic_on_a_server_that_is_killed() {
    const ROUNDS: u64 = 32;
    let mut ground = need!(Ground::start(105), NO_SERVER);
    drop(ground.open(WAITING).unwrap());
    drop(Repository::init(&ground.place));
    cheapen(&ground.place, PASSWORD);
    let mut good: BTreeMap<String, Picture> = BTreeMap::new();
    let on = |destination: Destination, policy| {
        let store = Retry::new(destination.blobs, policy, quiet());
        engine_restic::ResticEngine::open(Arc::new(store), settings(PASSWORD)).map(|engine| Repository { engine })
    };
    for round in 0..=ROUNDS {
        if round > 0 {
            let reads = round % 4 == 0;
            let way = if reads { Way::Down } else { Way::Up };
            ground.round(round, way, |ground, policy| {
                let repository = on(ground.open(policy)?, policy)?;
                if reads {
                    repository.prune()?;
                    let report = repository.check_report()?;
                    assert_eq!(report.errors, 0, "{:?}", report.findings);
                    return Ok(());
                }
                repository.try_backup(&[&ground.tree]).map(|_| ())
            });
        } else {
            Repository::open(&ground.place).backup(&[&ground.tree]);
        }
        // The server's own folder tells, whatever was said over the line.
        let repository = Repository::open(&ground.place);
        repository.engine.unlock(true).unwrap();
        repository.check();
        let found: Vec<String> = repository.snapshots().into_iter().map(|found| found.id.0).collect();
        assert!(good.keys().all(|known| found.contains(known)), "after round {round}");
        for id in found {
            good.entry(id).or_insert_with(|| picture(&ground.tree));
        }
        let turn = usize::try_from(round).unwrap() % good.len();
        for (id, saved) in good.iter().take(1).chain(good.iter().nth(turn)) {
            let target = tempfile::tempdir().unwrap();
            repository.restore(SnapshotRef::Id(id.clone()), target.path());
            assert_same(saved, &picture(&below(target.path(), &ground.tree)), Compare::default());
        }
    }
    ground.assert_felt(ROUNDS);
}

fn rsync_engine(destination: Destination, policy: RetryPolicy) -> RsyncEngine {
    let files = RetryFiles::over(destination.files.unwrap(), policy, quiet());
    let settings = engine_rsync::Settings {
        host: "suite".to_owned(),
        user: "suite".to_owned(),
        marker: Marker::Create,
        // Nothing goes by its age here.
        strategy: None,
        ..engine_rsync::Settings::default()
    };
    RsyncEngine::open(files, settings)
}

/// The snapshots in a place of the engine of plain trees, by their folders.
fn snapshots(place: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(place)
        .unwrap()
        .map(|item| item.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            path.is_dir() && !path.is_symlink() && name.starts_with("20")
        })
        .collect();
    found.sort();
    found
}

/// A picture without the names that files have in other snapshots, and with times as the protocol has them.
fn plain_picture(folder: &Path) -> Picture {
    let mut picture = picture(folder);
    for item in picture.values_mut() {
        item.first_name = None;
        item.mtime.1 = 0;
    }
    picture
}

#[test]
fn plain_trees_on_a_server_that_is_killed() {
    const ROUNDS: u64 = 16;
    let mut ground = need!(Ground::start(106), NO_SERVER);
    ground.settings.compress = Compress::Always;
    let mut good: BTreeMap<PathBuf, Picture> = BTreeMap::new();
    let save = |ground: &Ground, policy, day: u64| {
        let mut request = backup_of(&[&ground.tree]);
        request.time = Some(Timestamp {
            seconds: 1_704_067_200 + i64::try_from(day).unwrap() * 86_400,
            nanos: 0,
        });
        let engine = rsync_engine(ground.open(policy)?, policy);
        let report = engine.backup(&request, &Silent)?;
        assert!(report.problems.is_empty(), "{:?}", report.problems);
        Ok(())
    };
    let first = save(&ground, WAITING, 0);
    first.unwrap_or_else(|error: engine_api::Error| panic!("{}", error.chain()));
    for round in 1..=ROUNDS {
        for folder in snapshots(&ground.place) {
            good.entry(folder).or_insert_with_key(|folder| plain_picture(folder));
        }
        ground.round(round, Way::Up, |ground, policy| save(ground, policy, round));
        for (folder, saved) in &good {
            assert_same(saved, &plain_picture(folder), Compare::default());
        }
        // The next run is another process, to which the lock of one that has ended is stale.
        let _ = std::fs::remove_file(ground.place.join(".holdfast/lock"));
        // What is there as a snapshot is whole: the tree as it was in this round, or in an earlier one.
        let newest = snapshots(&ground.place).pop().unwrap();
        if !good.contains_key(&newest) {
            let stored = plain_picture(&below(&newest, &ground.tree));
            assert_same(&plain_picture(&ground.tree), &stored, Compare::default());
        }
    }
    ground.assert_felt(ROUNDS);
    let save = save(&ground, WAITING, ROUNDS + 1);
    save.unwrap_or_else(|error| panic!("{}", error.chain()));
    let engine = rsync_engine(ground.open(WAITING).unwrap(), WAITING);
    let report = engine.check(&CheckRequest { read: ReadData::All }, &Silent).unwrap();
    assert_eq!(report.errors, 0, "{:?}", report.findings);
}

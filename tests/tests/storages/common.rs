//! What is asked of every storage.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use backends::layers::{Listener, Retry, RetryPolicy};
use engine_api::{BlobStore, Body, Key, PutMode, SnapshotRef, StoreError, StoreErrorKind};
use holdfast_tests::corpus::{self, Random};
use holdfast_tests::holdfast::{Repository, local};
use holdfast_tests::proxy::{Fault, Plan};
use holdfast_tests::restic::{self, PASSWORD, Program, Restic};
use holdfast_tests::seal::cheapen;
use holdfast_tests::tree::{Compare, assert_same, below, picture};

pub type Store = Arc<dyn BlobStore>;

/// A folder for one test: what the server serves, a tree to save, and room for more.
pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("served")).unwrap();
        Self { folder }
    }

    pub fn served(&self) -> PathBuf {
        self.folder.path().join("served")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// The public suite without the checks of `left_out`, each with the reason; `allowed` are those that this storage may skip.
pub fn conforms_without(store: &dyn BlobStore, allowed: &[&str], left_out: &[(&'static str, &'static str)]) {
    let summary =
        backends::conformance::run_without(store, "suite", left_out).unwrap_or_else(|broken| panic!("{broken}"));
    let allowed: Vec<&str> = allowed
        .iter()
        .copied()
        .chain(left_out.iter().map(|(check, _)| *check))
        .collect();
    for (check, reason) in summary.skipped {
        assert!(allowed.contains(&check), "{check} was skipped: {reason}");
    }
}

/// The real restic on an S3 server's `repository`.
pub fn restic_on_s3<'a>(repository: &'a str, access: &'a str, secret: &'a str) -> impl Fn(&Program) -> Restic + 'a {
    move |program| {
        Restic::new(program, Path::new(repository))
            .with_env("AWS_ACCESS_KEY_ID", access)
            .with_env("AWS_SECRET_ACCESS_KEY", secret)
    }
}

/// `store` with retries, for a server that stumbles over its own feet.
pub fn patient(store: Store) -> Retry {
    Retry::new(store, PATIENCE, quiet())
}

/// The checks of exclusive create, which not every server offers.
pub const EXCLUSIVE: [&str; 2] = [
    "exclusive create refuses an existing object",
    "one of many creators wins",
];

/// Back up, list, restore, prune and check; then the real restic reads the same repository over the same server.
pub fn carries_a_repository(place: &Place, open: &dyn Fn() -> Store, restic: Option<&dyn Fn(&Program) -> Restic>) {
    let tree = place.path("tree");
    corpus::plain_tree(&tree, 11, 120, 40_000);
    std::fs::write(tree.join("large"), Random::new(12).noise(9_000_000)).unwrap();
    init(place, open());
    Repository::on(open()).unwrap().backup(&[&tree]);
    corpus::edit_plain_tree(&tree, 13, 3);
    let repository = Repository::on(open()).unwrap();
    let report = repository.backup(&[&tree]);
    assert!(report.problems.is_empty());
    assert_eq!(repository.snapshots().len(), 2);
    restores(place, &repository, &tree);
    repository.keep_last(1).unwrap();
    repository.prune().unwrap();
    repository.check();
    restores(place, &repository, &tree);
    let program = restic.and_then(|restic| Some(restic(&restic::newest()?)));
    let Some(program) = program else {
        holdfast_tests::skip::partly("the real restic", "it is not installed, or cannot reach this storage");
        return;
    };
    program.check();
    let target = place.path("restored-by-restic");
    program.restore("latest", &target);
    assert_same(&picture(&tree), &picture(&below(&target, &tree)), Compare::default());
    program.backup(&[&tree]);
    let repository = Repository::on(open()).unwrap();
    assert_eq!(repository.snapshots().len(), 2);
    repository.check();
}

/// A new repository in `store`, whose key is cheap to open: it is made beside and carried over.
pub fn init(place: &Place, store: Store) {
    let beside = place.path("beside");
    drop(Repository::init(&beside));
    cheapen(&beside, PASSWORD);
    let made = local(&beside);
    let mut keys: Vec<Key> = Vec::new();
    made.list("", &mut |object| {
        keys.push(object.key);
        ControlFlow::Continue(())
    })
    .unwrap();
    for key in keys {
        store
            .put(&key, Body::Bytes(&made.get(&key).unwrap()), PutMode::Create)
            .unwrap();
    }
}

fn restores(place: &Place, repository: &Repository, tree: &Path) {
    let target = tempfile::tempdir_in(place.path("")).unwrap();
    repository.restore(SnapshotRef::Latest, target.path());
    assert_same(
        &picture(tree),
        &picture(&below(target.path(), tree)),
        Compare::default(),
    );
}

/// Retries as jobs have them, in less time.
const PATIENCE: RetryPolicy = RetryPolicy {
    tries: 8,
    first_wait: Duration::from_millis(5),
    longest_wait: Duration::from_millis(50),
    total: Duration::from_secs(60),
};

pub fn quiet() -> Listener {
    Box::new(|_| ControlFlow::Continue(()))
}

/// A network on which about one connection in `one_in` has trouble, of all kinds in `kinds`.
pub fn bad_network(seed: u64, one_in: u64, kinds: &'static [fn(&mut Random) -> Fault]) -> Plan {
    Arc::new(move |number| {
        let mut random = Random::new(seed.wrapping_mul(1_000_003).wrapping_add(number));
        random.number();
        if random.below(one_in) != 0 {
            // No connection lasts for ever, so that there are many to choose from.
            return if number % 2 == 0 {
                Fault::CutDown(1_500_000 + random.below(500_000))
            } else {
                Fault::CutUp(100_000 + random.below(200_000))
            };
        }
        let kind = usize::try_from(random.below(kinds.len() as u64)).unwrap();
        kinds[kind](&mut random)
    })
}

/// What may happen on any network, save corruption.
pub const TROUBLES: &[fn(&mut Random) -> Fault] = &[
    |random| Fault::CutUp(random.below(20_000)),
    |random| Fault::CutDown(random.below(5_000)),
    |random| Fault::CutDown(random.below(400)),
    |_| Fault::Answer(500),
    |_| Fault::Answer(503),
    |_| Fault::Answer(429),
    |_| Fault::Refuse,
    |_| Fault::Delay(Duration::from_millis(2)),
];

/// The same with bits that flip, for connections that notice.
pub const ALL_TROUBLES: &[fn(&mut Random) -> Fault] = &[
    |random| Fault::CutUp(random.below(20_000)),
    |random| Fault::CutDown(random.below(5_000)),
    |_| Fault::Refuse,
    |_| Fault::Delay(Duration::from_millis(2)),
    |random| Fault::FlipUp(random.below(6_000)),
    |random| Fault::FlipDown(random.below(4_000)),
];

/// Backups, prunes and restores over a bad network: what was good before is good after each, and the next run goes on.
/// `through` opens the storage over the proxy, `direct` past it. Returns how many runs failed.
pub fn survives(
    place: &Place,
    rounds: u64,
    direct: &dyn Fn() -> Store,
    through: &dyn Fn() -> Result<Store, StoreError>,
) -> u64 {
    let direct = || -> Store { Arc::new(patient(direct())) };
    let tree = place.path("tree");
    corpus::plain_tree(&tree, 21, 60, 30_000);
    init(place, direct());
    Repository::on(direct()).unwrap().backup(&[&tree]);
    let first = picture(&tree);
    let first_id = Repository::on(direct()).unwrap().snapshots()[0].id.clone();
    let mut failed = 0;
    for round in 0..rounds {
        corpus::edit_plain_tree(&tree, 30 + round, 4);
        let opened = Retry::opening(PATIENCE, quiet(), through);
        if let Err(error) = run(opened, &tree, round) {
            eprintln!("round {round}: {}", error.chain());
            failed += 1;
        }
        let repository = Repository::on(direct()).unwrap();
        repository.engine.unlock(true).unwrap();
        let report = repository.check_report().unwrap();
        assert_eq!(report.errors, 0, "after round {round}: {:?}", report.findings);
    }
    // The first snapshot was kept through all of it, and the next run goes on.
    let repository = Repository::on(direct()).unwrap();
    let target = place.path("first-restored");
    repository.restore(SnapshotRef::Id(first_id.to_string()), &target);
    assert_same(&first, &picture(&below(&target, &tree)), Compare::default());
    repository.backup(&[&tree]);
    repository.prune().unwrap();
    repository.check();
    restores(place, &repository, &tree);
    failed
}

fn run(store: Result<Store, StoreError>, tree: &Path, round: u64) -> engine_api::Result<()> {
    let repository = Repository::on(Arc::new(patient(store?)))?;
    repository.try_backup(&[tree])?;
    if round % 3 == 2 {
        repository.prune()?;
    }
    repository.check_report().map(|_| ())
}

/// The kind of error that opening gives.
pub fn refusal(opened: Result<Store, StoreError>) -> (StoreErrorKind, String, String) {
    use engine_api::Failure;
    let error = opened.err().expect("it must be refused");
    let hint = error.hint().unwrap_or_default();
    (error.kind, engine_api::Error::from(error).chain(), hint)
}

/// Runs `attempt` and checks that it fails within `limit`.
pub fn within<T>(limit: Duration, attempt: impl FnOnce() -> T) -> T {
    let start = std::time::Instant::now();
    let value = attempt();
    assert!(start.elapsed() < limit, "it took {:?}", start.elapsed());
    value
}

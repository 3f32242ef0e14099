//! A machine with configured backups: what `jobs` needs of one, in a folder.

use std::path::{Path, PathBuf};

use engine_api::{Event, Progress, Silent, SnapshotFilter, SnapshotRef};
use jobs::esmith::Record;
use jobs::{
    Access, Context, JobName, Layout, Plan, Repository, RunOptions, RunReport, Status, Step, Surroundings, Watcher,
    Which,
};

use crate::corpus;
use crate::holdfast::{keep_last, prune_all, restore_to};
use crate::restic::PASSWORD;
use crate::tree::{Compare, Picture, assert_same, below, picture};

/// A machine of NethServer's kind whose files are all below one folder.
pub struct Machine {
    folder: tempfile::TempDir,
    /// What the library is told of it.
    pub context: Context,
}

/// Listens to a run and keeps nothing.
struct Deaf;

impl Progress for Deaf {
    fn event(&self, _event: Event<'_>) {}

    fn cancelled(&self) -> bool {
        false
    }
}

impl Watcher for Deaf {
    fn step(&self, _step: &Step<'_>) {}
}

impl Machine {
    /// A new one, called `suite`.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir_all(root.join("var/lib/nethserver/db")).unwrap();
        let surroundings = Surroundings {
            root: Some(root),
            superuser: true,
            ..Surroundings::default()
        };
        let context = Context {
            layout: Layout::find(&surroundings).unwrap(),
            host: "suite.example.org".to_owned(),
            user: "suite".to_owned(),
            zone: jiff::tz::TimeZone::UTC,
        };
        Self { folder, context }
    }

    /// A path in its folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Configures a backup of `tree`, whose repository will have the password of the suites.
    pub fn job(&self, name: &str, engine: &str, properties: &[(&str, String)], tree: &Path) -> JobName {
        let name = JobName::new(name).unwrap();
        let mut record = Record::of_kind(engine).with("status", "enabled");
        for (property, value) in properties {
            record = record.with(*property, value.as_bytes());
        }
        jobs::catalog::add(&self.context, &name, &record, &[tree.to_owned()])
            .unwrap_or_else(|error| panic!("{}", engine_api::Error::from(error).chain()));
        let secrets = &self.context.layout.secrets;
        std::fs::create_dir_all(secrets).unwrap();
        std::fs::write(secrets.join(format!("{engine}_{name}")), format!("{PASSWORD}\n")).unwrap();
        name
    }

    /// Runs the backup, whatever comes of it.
    pub fn run(&self, name: &JobName) -> engine_api::Result<RunReport> {
        let plan = Plan::make(&self.context, name, RunOptions::of(name.clone()))?;
        Ok(plan.execute(&Deaf))
    }

    /// Runs the backup, which must succeed.
    pub fn good_run(&self, name: &JobName) {
        let report = self.run(name).unwrap_or_else(|error| panic!("{}", error.chain()));
        let why = report.error.as_ref().map(engine_api::Error::chain);
        assert_eq!(report.status, Status::Success, "{why:?}");
        let saved = report.backup.unwrap();
        assert!(saved.problems.is_empty(), "{:?}", saved.problems);
    }

    /// Opens its repository.
    pub fn repository(&self, name: &JobName) -> engine_api::Result<Repository> {
        Repository::open(&self.context, &Access::to(Which::Job(name.clone())))
    }

    fn opened(&self, name: &JobName) -> Repository {
        self.repository(name)
            .unwrap_or_else(|error| panic!("{}", error.chain()))
    }

    /// What comes back when `which` is restored.
    pub fn restored(&self, name: &JobName, which: SnapshotRef, tree: &Path) -> Picture {
        let target = tempfile::tempdir_in(self.folder.path()).unwrap();
        let repository = self.opened(name);
        let report = repository.engine().restore(&restore_to(which, target.path()), &Silent);
        let report = report.unwrap_or_else(|error| panic!("{}", error.chain()));
        assert!(report.problems.is_empty(), "{:?}", report.problems);
        picture(&below(target.path(), tree))
    }

    /// Everything that a pair of engine and storage has to do, on a tree of `files` files that changes: back up twice, list,
    /// restore both, forget, prune, check with all data, and restore again.
    pub fn carries(&self, name: &JobName, tree: &Path, files: u64) {
        self.carries_on(name, tree, files, || {});
    }

    /// The same, with something done between the two backups.
    pub fn carries_on(&self, name: &JobName, tree: &Path, files: u64, between: impl FnOnce()) {
        corpus::plain_tree(tree, 41, files, 30_000);
        let first = picture(tree);
        self.good_run(name);
        between();
        next_second();
        corpus::edit_plain_tree(tree, 42, 3);
        self.good_run(name);
        let second = picture(tree);
        let repository = self.opened(name);
        let snapshots = repository
            .engine()
            .snapshots(&SnapshotFilter::default(), &Silent)
            .unwrap();
        assert_eq!(snapshots.len(), 2);
        let mut listed = 0;
        let entries = repository.engine().entries(&snapshots[1].id, None, &mut |_| {
            listed += 1;
            std::ops::ControlFlow::Continue(())
        });
        entries.unwrap_or_else(|error| panic!("{}", error.chain()));
        assert!(listed >= second.len(), "{listed} of {} are listed", second.len());
        let oldest = SnapshotRef::Id(snapshots[0].id.0.clone());
        drop(repository);
        assert_same(&first, &self.restored(name, oldest, tree), Compare::default());
        assert_same(
            &second,
            &self.restored(name, SnapshotRef::Latest, tree),
            Compare::default(),
        );
        let repository = self.opened(name);
        let engine = repository.engine();
        engine
            .forget(&keep_last(1), &Silent)
            .unwrap_or_else(|error| panic!("forget: {}", error.chain()));
        engine
            .prune(&prune_all(), &Silent)
            .unwrap_or_else(|error| panic!("prune: {}", error.chain()));
        let request = engine_api::CheckRequest {
            read: engine_api::ReadData::All,
        };
        let report = engine
            .check(&request, &Silent)
            .unwrap_or_else(|error| panic!("check: {}", error.chain()));
        assert_eq!(report.errors, 0, "{:?}", report.findings);
        drop(repository);
        assert_same(
            &second,
            &self.restored(name, SnapshotRef::Latest, tree),
            Compare::default(),
        );
    }
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}

/// Sets and folders are named by the second.
pub fn next_second() {
    let second = || {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs()
    };
    let now = second();
    while second() == now {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

//! What fails on the way, and what is there afterwards.

use engine_api::{Event, FileStore, Progress, StoreErrorKind};

use super::*;

/// Stops the run when so many files are done.
struct StopAfter {
    files: std::sync::atomic::AtomicI64,
}

impl Progress for StopAfter {
    fn event(&self, event: Event<'_>) {
        if matches!(event, Event::Finished { .. }) {
            self.files.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
        }
    }

    fn cancelled(&self) -> bool {
        self.files.load(std::sync::atomic::Ordering::Relaxed) <= 0
    }
}

#[test]
fn a_run_that_is_stopped_anywhere_shows_nothing_and_is_resumed() {
    let mut bench = Bench::zoo();
    let (first, _) = bench.backup();
    std::fs::write(bench.source.path().join("files/regular"), "changed").unwrap();
    for files in [0, 1, 10, 100, 300] {
        let stop = StopAfter { files: files.into() };
        bench.time += 60;
        let error = run(&bench.engine, &bench.request(), &stop).unwrap_err();
        assert!(matches!(error, Error::Interrupted), "{error:?}");
        let dated = crate::snapshots::dated(bench.engine.store(), bench.engine.zone()).unwrap();
        assert_eq!(dated.len(), 1);
    }
    let (second, report) = bench.backup();
    assert_eq!(report.problems.first, []);
    bench.assert_same(&second);
    assert_eq!(
        std::fs::read_to_string(first.join("files/regular")).unwrap(),
        "some text\n"
    );
}

#[test]
fn a_snapshot_that_somebody_spoiled_is_not_linked_on() {
    let mut bench = Bench::zoo();
    let (first, _) = bench.backup();
    std::fs::write(first.join("files/regular"), "spoiled and longer").unwrap();
    std::fs::remove_file(first.join("files/zeros")).unwrap();
    std::fs::remove_dir_all(first.join("many")).unwrap();
    let (second, report) = bench.backup();
    bench.assert_same(&second);
    assert_eq!(report.problems.first, []);
}

#[test]
fn a_damaged_manifest_costs_only_time() {
    let mut bench = Bench::zoo();
    let (first, report) = bench.backup();
    let manifest = bench
        .place
        .path()
        .join(format!(".holdfast/{}.manifest", report.snapshot.unwrap().0));
    std::fs::write(&manifest, "nonsense").unwrap();
    let (second, _) = bench.backup();
    bench.assert_same(&second);
    assert_eq!(inode(&first.join("files/random")), inode(&second.join("files/random")));
}

#[test]
fn a_full_destination_loses_its_oldest_and_takes_the_new_one() {
    let place = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"])
        .arg(place.path())
        .status()
        .unwrap();
    if !mounted.success() {
        return;
    }
    std::fs::write(place.path().join("backup.marker"), "").unwrap();
    let files = backends::local::open(place.path(), false).unwrap().files.unwrap();
    let mut bench = Bench::new();
    bench.engine = RsyncEngine::open(files, bench.engine.settings().clone());
    let mut names = Vec::new();
    for round in 0..4_u8 {
        let data = fstree::testing::Dice::new(u64::from(round)).bytes(6 << 20);
        std::fs::write(bench.source.path().join("data"), data).unwrap();
        bench.time += 3600;
        let report = run(&bench.engine, &bench.request(), &Silent).unwrap();
        names.push(report.snapshot.unwrap().0);
    }
    let dated = crate::snapshots::dated(bench.engine.store(), bench.engine.zone()).unwrap();
    let left: Vec<&str> = dated.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(left, names[1..].iter().map(String::as_str).collect::<Vec<_>>());
    // What does not fit however much goes is refused, and the newest is still there.
    std::fs::write(bench.source.path().join("data"), vec![3; 30 << 20]).unwrap();
    bench.time += 3600;
    let error = run(&bench.engine, &bench.request(), &Silent).unwrap_err();
    assert!(
        matches!(&error, Error::Store(store) if store.kind == StoreErrorKind::NoSpace),
        "{error:?}"
    );
    let tree = place
        .path()
        .join(names.last().unwrap())
        .join(bench.source.path().strip_prefix("/").unwrap());
    assert_eq!(std::fs::metadata(tree.join("data")).unwrap().len(), 6 << 20);
    let _ = Command::new("umount").arg("-l").arg(place.path()).status();
}

#[test]
fn a_place_without_links_is_refused_in_a_sentence() {
    let bench = Bench::zoo();
    let files = bench.engine.shared_store().clone();
    let error = super::super::plan::check_capabilities("there", &poor(files.as_ref())).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there has no hard links and no symbolic links, which hard-linked snapshots need"
    );
}

/// A lost connection is no lack of links.
#[test]
fn a_place_that_gave_no_answer_is_not_told_to_have_no_links() {
    let mut unknown = engine_api::FileCapabilities::default();
    unknown.unanswered = Some(engine_api::Unanswered {
        kind: StoreErrorKind::Connection,
        cause: "the connection was lost".to_owned(),
    });
    let error = super::super::plan::check_capabilities("there", &unknown).unwrap_err();
    assert_eq!(error.to_string(), "cannot try out the folder in there");
}

fn poor(store: &dyn FileStore) -> engine_api::FileCapabilities {
    let mut can = store.capabilities().clone();
    can.hard_links = false;
    can.symlinks = false;
    can
}

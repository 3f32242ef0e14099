use std::sync::Arc;

use engine_api::retention::{Count, Keep};
use engine_api::{
    CheckRequest, Engine, Error, ErrorKind, ForgetReport, ForgetRequest, PruneRequest, Silent, SnapshotFilter,
    SnapshotId,
};
use proptest::prelude::*;

use crate::ResticEngine;
use crate::testing::{Memory, Model, Restic, noise, prune};

fn forget(engine: &ResticEngine, ids: &[&SnapshotId]) -> engine_api::Result<ForgetReport> {
    let request = ForgetRequest {
        filter: SnapshotFilter::default(),
        group_by: engine_api::retention::GroupBy::default(),
        keep: Keep::default(),
        ids: ids.iter().map(|id| id.0.clone()).collect(),
        dry_run: false,
    };
    engine.forget(&request, &Silent)
}

/// Snapshots that share much and waste some.
fn model(snapshots: u64) -> Model {
    let mut model = Model::new();
    for number in 0..12 {
        model.write(&format!("{}/file-{number}", number % 3), &noise(number, 3000));
    }
    for turn in 0..snapshots {
        model.write(&format!("0/file-{turn}"), &noise(100 + turn, 5000));
        model.write("always", &noise(200 + turn, 20_000));
        model.backup();
    }
    model
}

fn assert_restic_agrees(store: &Memory) {
    let dir = tempfile::tempdir().unwrap();
    store.export(dir.path());
    for restic in Restic::all(dir.path()) {
        restic.check().unwrap();
    }
}

#[test]
fn nothing_is_done_when_nothing_is_to_do() {
    let model = model(2);
    let before = model.store.names("");
    let report = prune(&model.engine, 0.0).unwrap();
    assert_eq!(
        (report.packs_removed, report.packs_repacked, report.bytes_unused),
        (0, 0, 0)
    );
    assert_eq!(model.store.names(""), before);
    assert_eq!(report.packs_before, 4);
}

#[test]
fn what_is_forgotten_goes_and_the_rest_stays() {
    let mut model = model(4);
    let ids = model.ids.clone();
    forget(&model.engine, &[&ids[0], &ids[2]]).unwrap();
    model.saved.retain(|id, _| *id != ids[0] && *id != ids[2]);
    let bytes = model.store.bytes();
    let report = prune(&model.engine, 0.0).unwrap();
    assert!(report.bytes_unused > 0 && report.bytes_left_unused == 0, "{report:?}");
    assert!(report.packs_removed + report.packs_repacked > 0);
    let freed = bytes - model.store.bytes();
    let told = report.bytes_freed;
    assert!(freed.abs_diff(told) < 2000, "{freed} bytes freed, {told} told");
    model.assert_good(&model.engine);
    let again = prune(&model.engine, 0.0).unwrap();
    assert_eq!((again.packs_removed, again.packs_repacked), (0, 0), "{again:?}");
    assert_restic_agrees(&model.store);
}

#[test]
fn waste_within_the_limit_stays() {
    let mut model = model(3);
    let first = model.ids[0].clone();
    model.saved.remove(&first);
    forget(&model.engine, &[&first]).unwrap();
    let report = prune(&model.engine, 0.99).unwrap();
    assert_eq!(report.packs_repacked, 0);
    assert!(report.bytes_left_unused > 0);
    model.assert_good(&model.engine);
}

#[test]
fn a_dry_run_tells_and_changes_nothing() {
    let mut model = model(3);
    let first = model.ids[0].clone();
    model.saved.remove(&first);
    forget(&model.engine, &[&first]).unwrap();
    let before = model.store.names("");
    let request = PruneRequest {
        max_unused: 0.0,
        max_repack: None,
        dry_run: true,
    };
    let planned = model.engine.prune(&request, &Silent).unwrap();
    assert_eq!(model.store.names(""), before);
    assert_eq!(prune(&model.engine, 0.0).unwrap(), planned);
}

#[test]
fn a_limit_on_repacking_is_kept() {
    let mut model = model(3);
    let first = model.ids[0].clone();
    model.saved.remove(&first);
    forget(&model.engine, &[&first]).unwrap();
    let request = PruneRequest {
        max_unused: 0.0,
        max_repack: Some(100),
        dry_run: false,
    };
    let report = model.engine.prune(&request, &Silent).unwrap();
    assert_eq!(report.packs_repacked, 0);
    model.assert_good(&model.engine);
}

/// Whatever cannot be read, nothing is removed then.
#[test]
fn damage_stops_it_before_anything_is_removed() {
    let model = model(3);
    let ids = model.ids.clone();
    forget(&model.engine, &[&ids[0]]).unwrap();
    for folder in ["snapshots", "index", "data"] {
        for victim in model.store.names(folder) {
            let (store, engine) = model.on(model.store.copy());
            store.change(&victim, |mut bytes| {
                bytes.truncate(bytes.len() / 2);
                Some(bytes)
            });
            let before = store.names("");
            match prune(&engine, 0.0) {
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Damaged, "{victim}: {}", error.chain());
                    assert_eq!(store.names(""), before, "{victim}");
                }
                // A pack that nobody needs may be spoiled.
                Ok(_) => assert_eq!(folder, "data", "{victim}"),
            }
        }
    }
}

#[test]
fn a_share_that_is_none_is_refused() {
    let model = model(1);
    for share in [-0.1, f64::NAN] {
        assert_eq!(prune(&model.engine, share).unwrap_err().kind(), ErrorKind::Usage);
    }
}

/// Every storage call fails from some point on: what is left is good, and the next run ends the work.
#[test]
fn it_may_die_at_any_call() {
    let mut model = model(4);
    let ids = model.ids.clone();
    forget(&model.engine, &[&ids[0], &ids[1]]).unwrap();
    model.saved.retain(|id, _| *id != ids[0] && *id != ids[1]);
    for n in 1.. {
        let store = Arc::new(model.store.copy());
        let engine = model.open(&store);
        store.die_in(n);
        let outcome = prune(&engine, 0.0);
        let died = store.has_died();
        assert!(died || outcome.is_ok());
        let (store, engine) = model.on(store.copy());
        model.assert_good(&engine);
        if n % 10 == 0 {
            assert_restic_agrees(&store);
        }
        let again = prune(&engine, 0.0).map_err(|error: Error| error.chain()).unwrap();
        assert_eq!(again.bytes_left_unused, 0, "after call {n}");
        model.assert_good(&engine);
        let left = engine.check(&CheckRequest::default(), &Silent).unwrap().findings;
        assert_eq!(left, [], "after call {n}");
        if !died {
            assert!(n > 20);
            return;
        }
    }
}

/// Copies of blobs, as two backups at once leave them: one of each is kept.
#[test]
fn one_copy_of_each_blob_is_kept() {
    let mut model = model(1);
    let (other_store, other) = model.on(model.store.copy());
    model.write("new", &noise(900, 30_000));
    let first = model.backup();
    let second = crate::testing::backup(&other, model.tree.path());
    other_store
        .names("")
        .iter()
        .for_each(|name| model.store.take_from(&other_store, name));
    let files = model.saved[&first].clone();
    model.saved.insert(second, files);
    let report = prune(&model.engine, 0.0).unwrap();
    assert!(report.bytes_unused > 30_000, "{report:?}");
    model.assert_good(&model.engine);
    assert_eq!(prune(&model.engine, 0.0).unwrap().bytes_unused, 0);
    assert_restic_agrees(&model.store);
}

/// Old programs put listings and file content into one pack, and did not compress.
#[test]
fn mixed_packs_are_sorted_and_listings_compressed() {
    use crate::format::{BlobKind, IndexWriter};
    use crate::pack::PackWriter;
    use crate::repository::FileKind;

    let model = model(2);
    let repository = model.engine.repository();
    let (index, files) = crate::index::load(&repository).unwrap();
    let mut writer = PackWriter::new(Vec::new(), 0);
    for location in index.iter() {
        let (id, kind) = (location.blob.id, location.blob.kind);
        let plain = repository.read_blob(&index, kind, id).unwrap();
        writer.add(id, kind, &repository.seal(&plain), None).unwrap();
    }
    let old = model.store.names("data");
    let (pack, blobs) = repository.write_pack(writer);
    let mut list = IndexWriter::new();
    list.add(&pack, &blobs);
    repository.write_file(FileKind::Index, &list.finish()).unwrap();
    files
        .iter()
        .for_each(|id| repository.remove(FileKind::Index, *id).unwrap());
    old.iter().for_each(|name| model.store.change(name, |_| None));
    model.assert_good(&model.engine);

    let report = prune(&model.engine, 1.0).unwrap();
    assert_eq!(report.packs_repacked, 1);
    let (index, _) = crate::index::load(&repository).unwrap();
    assert_eq!(index.pack_count(), 2);
    let trees = |blob: &crate::index::Location| blob.blob.kind == BlobKind::Tree;
    assert!(index.iter().filter(trees).all(|tree| tree.blob.uncompressed.is_some()));
    model.assert_good(&model.engine);
    assert_eq!(prune(&model.engine, 1.0).unwrap().packs_repacked, 0);
    assert_restic_agrees(&model.store);
}

/// Many small packs become few, and stay so.
#[test]
fn many_small_packs_are_put_together() {
    let model = model(11);
    assert_eq!(model.store.names("data").len(), 22);
    let report = prune(&model.engine, 1.0).unwrap();
    assert_eq!((report.packs_repacked, report.packs_removed), (22, 0));
    assert_eq!(model.store.names("data").len(), 2);
    assert_eq!(model.store.names("index").len(), 1);
    model.assert_good(&model.engine);
    assert_eq!(prune(&model.engine, 1.0).unwrap().packs_repacked, 0);
    assert_restic_agrees(&model.store);
}

#[derive(Debug, Clone)]
enum Step {
    Write(u8, u16),
    Backup,
    Forget(u8),
    Prune(u8),
    DieWhilePruning(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (any::<u8>(), any::<u16>()).prop_map(|(file, length)| Step::Write(file % 8, length % 9000)),
        4 => Just(Step::Backup),
        2 => any::<u8>().prop_map(Step::Forget),
        2 => (0..60_u8).prop_map(Step::Prune),
        1 => (1..60_u8).prop_map(Step::DieWhilePruning),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn every_remaining_snapshot_stays_whole(steps in prop::collection::vec(step(), 1..25)) {
        let mut model = Model::new();
        model.write("first", b"first");
        for (turn, step) in steps.into_iter().enumerate() {
            match step {
                Step::Write(file, length) => {
                    let content = noise(turn as u64, usize::from(length));
                    model.write(&format!("{}/{file}", file % 2), &content);
                }
                Step::Backup => drop(model.backup()),
                Step::Forget(which) if model.saved.len() > 1 => {
                    let position = usize::from(which) % model.saved.len();
                    let id = model.saved.keys().nth(position).unwrap().clone();
                    forget(&model.engine, &[&id]).unwrap();
                    model.saved.remove(&id);
                }
                Step::Forget(_) => {}
                Step::Prune(share) => drop(prune(&model.engine, f64::from(share) / 100.0).unwrap()),
                Step::DieWhilePruning(calls) => {
                    model.store.die_in(u64::from(calls));
                    let _ = prune(&model.engine, 0.0);
                    model.store.live();
                }
            }
            model.assert_good(&model.engine);
        }
    }
}

#[test]
fn a_policy_that_keeps_nothing_is_refused() {
    let model = model(2);
    let mut request = ForgetRequest {
        filter: SnapshotFilter::default(),
        group_by: engine_api::retention::GroupBy::default(),
        keep: Keep::default(),
        ids: Vec::new(),
        dry_run: false,
    };
    let refused = |request: &ForgetRequest| model.engine.forget(request, &Silent).unwrap_err().kind();
    assert_eq!(refused(&request), ErrorKind::Usage);
    request.keep.last = Count::Last(0);
    assert_eq!(refused(&request), ErrorKind::Usage);
    request.keep.tags = vec![vec!["no snapshot has this".to_owned()]];
    assert_eq!(refused(&request), ErrorKind::Usage);
    assert_eq!(model.store.names("snapshots").len(), 2);
    request.keep = Keep {
        last: Count::Last(1),
        ..Keep::default()
    };
    request.dry_run = true;
    let report = model.engine.forget(&request, &Silent).unwrap();
    assert_eq!((report.kept.len(), report.removed.len()), (1, 1));
    assert_eq!(model.store.names("snapshots").len(), 2);
    request.dry_run = false;
    assert_eq!(model.engine.forget(&request, &Silent).unwrap(), report);
    assert_eq!(model.store.names("snapshots").len(), 1);
}

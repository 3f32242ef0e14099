use engine_api::{CheckRequest, Engine, ReadData, RepairReport, RepairRequest, Silent, SnapshotFilter};

use crate::ResticEngine;
use crate::testing::{Memory, Model, Restic, noise, repair};

fn model() -> Model {
    let mut model = Model::new();
    for number in 0..6 {
        model.write(&format!("folder/{number}"), &noise(number, 4_000));
        model.write(&format!("other/{number}"), &noise(100 + number, 400));
    }
    model.backup();
    model.write("folder/3", b"changed");
    model.write("third/new", &noise(200, 4_000));
    model.backup();
    model
}

fn request(index: bool, snapshots: bool, forget: bool, dry_run: bool) -> RepairRequest {
    RepairRequest {
        index,
        snapshots,
        forget,
        dry_run,
    }
}

fn errors(engine: &ResticEngine) -> u64 {
    let report = engine.check(&CheckRequest { read: ReadData::All }, &Silent).unwrap();
    report.errors
}

fn assert_restic_content(store: &Memory) {
    let dir = tempfile::tempdir().unwrap();
    store.export(dir.path());
    for restic in Restic::all(dir.path()) {
        restic.check().unwrap();
    }
}

fn flip(store: &Memory, name: &str, part: usize) {
    store.change(name, |mut bytes| {
        let position = bytes.len() * part / 8;
        bytes[position] ^= 4;
        Some(bytes)
    });
}

fn truncate(store: &Memory, name: &str) {
    store.change(name, |mut bytes| {
        bytes.truncate(bytes.len() / 2);
        Some(bytes)
    });
}

fn delete(store: &Memory, name: &str) {
    store.change(name, |_| None);
}

#[test]
fn a_good_repository_stays_as_it_is() {
    let model = model();
    let before = model.store.names("");
    let report = repair(&model.engine).unwrap();
    assert_eq!(report, RepairReport::default());
    assert_eq!(model.store.names(""), before);
}

#[test]
fn a_lost_index_is_built_from_the_packs() {
    let damages: [fn(&Memory, &str); 3] = [delete, truncate, |store, name| flip(store, name, 3)];
    for damage in damages {
        for count in 1..=2 {
            let model = model();
            let (store, engine) = model.on(model.store.copy());
            store
                .names("index")
                .iter()
                .take(count)
                .for_each(|name| damage(&store, name));
            assert!(errors(&engine) > 0);
            let report = engine.repair(&request(true, false, false, false), &Silent).unwrap();
            assert!(report.left.is_empty(), "{report:?}");
            model.assert_good(&engine);
            assert_restic_content(&store);
        }
    }
}

#[test]
fn whatever_is_damaged_the_rest_is_saved() {
    type Damage = fn(&Memory, &str);
    let damages: [(&str, Damage); 5] = [
        ("deleted", delete),
        ("truncated", truncate),
        ("flipped in front", |store, name| flip(store, name, 1)),
        ("flipped in the middle", |store, name| flip(store, name, 4)),
        ("flipped at the end", |store, name| flip(store, name, 7)),
    ];
    for (what, damage) in damages {
        let model = model();
        for victim in model.store.names("data") {
            let (store, engine) = model.on(model.store.copy());
            damage(&store, &victim);
            let planned = engine.repair(&request(true, true, true, true), &Silent).unwrap();
            assert!(errors(&engine) > 0, "{what} {victim}: a dry run changed something");
            let report = repair(&engine).unwrap();
            assert_eq!(
                planned.snapshots_rewritten, report.snapshots_rewritten,
                "{what} {victim}"
            );
            assert_eq!(planned.left, report.left);
            assert!(!report.actions.is_empty());
            assert_eq!(errors(&engine), 0, "{what} {victim}: {report:?}");
            assert_restic_content(&store);
            assert_eq!(repair(&engine).unwrap(), RepairReport::default(), "{what} {victim}");
            // What was lost and still is in the folder is saved again.
            crate::testing::backup(&engine, model.tree.path());
            assert_eq!(errors(&engine), 0, "{what} {victim}");
        }
    }
}

#[test]
fn intact_files_of_a_damaged_pack_are_kept() {
    let model = model();
    let (store, engine) = model.on(model.store.copy());
    // The largest pack is that of the first backup's chunks.
    let victim = store
        .names("data")
        .into_iter()
        .max_by_key(|name| store.size(name))
        .unwrap();
    flip(&store, &victim, 4);
    let report = repair(&engine).unwrap();
    assert!((1..=2).contains(&report.snapshots_rewritten), "{report:?}");
    let mut files = 0;
    for snapshot in engine.snapshots(&SnapshotFilter::default(), &Silent).unwrap() {
        engine
            .entries(&snapshot.id, None, &mut |entry| {
                files += u64::from(entry.metadata.size > 0 && entry.metadata.kind == engine_api::EntryKind::File);
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
    }
    // One chunk is lost, which is a whole file in one snapshot or in both.
    assert!((23..=24).contains(&files), "{files} files are left");
}

#[test]
fn without_forget_the_damaged_snapshots_stay_beside_the_mended() {
    let model = model();
    let (store, engine) = model.on(model.store.copy());
    let victim = store
        .names("data")
        .into_iter()
        .max_by_key(|name| store.size(name))
        .unwrap();
    delete(&store, &victim);
    let report = engine.repair(&request(false, true, false, false), &Silent).unwrap();
    assert_eq!(report.snapshots_rewritten, 2);
    let snapshots = engine.snapshots(&SnapshotFilter::default(), &Silent).unwrap();
    assert_eq!(snapshots.len(), 4);
    let mended = snapshots.iter().filter(|snapshot| snapshot.tags == ["repaired"]);
    assert_eq!(mended.count(), 2);
}

#[test]
fn a_snapshot_that_cannot_be_read_goes_only_when_asked() {
    let model = model();
    let (store, engine) = model.on(model.store.copy());
    let victim = store.names("snapshots").remove(0);
    flip(&store, &victim, 4);
    let report = engine.repair(&request(true, true, false, false), &Silent).unwrap();
    assert_eq!(report.left.len(), 1, "{report:?}");
    assert!(store.names("snapshots").contains(&victim));
    repair(&engine).unwrap();
    assert!(!store.names("snapshots").contains(&victim));
    model.assert_good(&engine);
    assert_restic_content(&store);
}

/// A storage that lost everything is not mounted, rather than empty.
#[test]
fn a_repository_without_any_pack_is_not_touched() {
    let model = model();
    let (store, engine) = model.on(model.store.copy());
    store.names("data").iter().for_each(|name| delete(&store, name));
    let before = store.names("");
    let error = repair(&engine).unwrap_err();
    assert!(error.to_string().contains("data"), "{}", error.chain());
    assert_eq!(store.names(""), before);
}

/// What cannot be read now may be good: it is named, and nothing is touched.
#[test]
fn a_pack_that_cannot_be_read_is_no_damaged_one() {
    let model = model();
    for victim in model.store.names("data") {
        let (store, engine) = model.on(model.store.copy());
        store.fail_to_read(&victim);
        assert!(errors(&engine) > 0);
        let before = store.names("");
        let error = repair(&engine).unwrap_err();
        assert_eq!(error.kind(), engine_api::ErrorKind::Storage);
        assert!(error.to_string().contains(&victim), "{}", error.chain());
        assert_eq!(store.names(""), before);
    }
}

/// Every storage call fails from some point on: the next run mends as much as one that was not interrupted.
#[test]
fn it_may_die_at_any_call() {
    let model = model();
    let (damaged, engine) = model.on(model.store.copy());
    delete(&damaged, &damaged.names("index")[0]);
    let victim = damaged
        .names("data")
        .into_iter()
        .max_by_key(|name| damaged.size(name))
        .unwrap();
    flip(&damaged, &victim, 4);
    let (whole_store, whole) = model.on(damaged.copy());
    repair(&whole).unwrap();
    drop(engine);
    for n in 1.. {
        let store = std::sync::Arc::new(damaged.copy());
        let engine = model.open(&store);
        store.die_in(n);
        let outcome = repair(&engine);
        let died = store.has_died();
        assert!(died || outcome.is_ok());
        let (store, engine) = model.on(store.copy());
        engine.unlock(true).unwrap();
        repair(&engine).unwrap();
        assert_eq!(errors(&engine), 0, "after call {n}");
        assert_eq!(contents(&engine), contents(&whole), "after call {n}");
        if n % 10 == 0 {
            assert_restic_content(&store);
        }
        if !died {
            assert!(n > 20);
            assert_eq!(errors(&whole), 0);
            assert_restic_content(&whole_store);
            return;
        }
    }
}

/// Path, kind and size of everything in every snapshot, whatever the snapshots are called.
fn contents(engine: &ResticEngine) -> Vec<String> {
    let mut contents = std::collections::BTreeSet::new();
    for snapshot in engine.snapshots(&SnapshotFilter::default(), &Silent).unwrap() {
        let mut lines = vec![format!("{:?} {:?}", snapshot.time, snapshot.tags)];
        engine
            .entries(&snapshot.id, None, &mut |entry| {
                lines.push(format!("{} {}", entry.path.display(), entry.metadata.size));
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
        contents.insert(lines.join("\n"));
    }
    contents.into_iter().collect()
}

/// Where a pack is gone, what is left of the snapshots is what the real restic leaves of them.
#[test]
fn the_result_is_that_of_restic() {
    let model = model();
    for victim in model.store.names("data") {
        let (store, engine) = model.on(model.store.copy());
        delete(&store, &victim);
        let dir = tempfile::tempdir().unwrap();
        store.export(dir.path());
        repair(&engine).unwrap();
        // Programs before 0.16 cannot do it.
        let mended = |restic: &Restic| {
            let steps: [&[&str]; 2] = [&["repair", "index"], &["repair", "snapshots", "--forget"]];
            steps.iter().all(|step| restic.run(step).status.success())
        };
        if Restic::all(dir.path()).iter().any(mended) {
            let (_, theirs) = model.on(Memory::import(dir.path()));
            assert_eq!(contents(&engine), contents(&theirs), "{victim}");
        } else {
            println!("skipped: no restic here repairs snapshots");
        }
    }
}

#[test]
fn nothing_chosen_is_refused() {
    let model = Model::new();
    let error = model.engine.repair(&request(false, false, true, false), &Silent);
    assert_eq!(error.unwrap_err().kind(), engine_api::ErrorKind::Usage);
}

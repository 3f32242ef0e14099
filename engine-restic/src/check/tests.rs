use engine_api::{CheckReport, CheckRequest, Engine, ReadData, Severity, Silent};

use crate::ResticEngine;
use crate::testing::{Memory, Model, noise};

fn check(engine: &ResticEngine, read: ReadData) -> CheckReport {
    engine.check(&CheckRequest { read }, &Silent).unwrap()
}

fn model() -> Model {
    let mut model = Model::new();
    for number in 0..6_u8 {
        model.write(&format!("folder/{number}"), &noise(u64::from(number), 4_000));
    }
    model.write("other/file", b"other");
    model.backup();
    model.write("folder/3", b"changed");
    model.backup();
    model
}

/// The objects of every finding that is an error.
fn errors(report: &CheckReport) -> Vec<&str> {
    let errors = report
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error);
    errors.map(|finding| finding.object.as_str()).collect()
}

fn name_of(object: &str) -> &str {
    object.rsplit('/').next().unwrap()
}

fn flip(store: &Memory, name: &str) {
    store.change(name, |mut bytes| {
        // Early enough to be in a blob where there are some: the header comes last.
        let position = bytes.len() / 4;
        bytes[position] ^= 4;
        Some(bytes)
    });
}

#[test]
fn a_good_repository_has_no_findings() {
    let model = model();
    for read in [ReadData::Nothing, ReadData::All, ReadData::Percent(1.0)] {
        let report = check(&model.engine, read);
        assert_eq!(report.findings, [], "{read:?}");
        assert_eq!((report.snapshots, report.packs), (2, 4));
    }
    let report = check(&model.engine, ReadData::All);
    assert_eq!(report.packs_read, 4);
    assert!(report.bytes_read > 1000);
}

#[test]
fn shares_read_every_pack_once() {
    let model = model();
    let read = |part| check(&model.engine, ReadData::Share { part, of: 3 }).packs_read;
    assert_eq!(read(1) + read(2) + read(3), 4);
}

#[test]
fn every_kind_of_damage_is_named_with_what_it_hurts() {
    let model = model();
    for folder in ["data", "index", "snapshots"] {
        for victim in model.store.names(folder) {
            let (store, engine) = model.on(model.store.copy());
            flip(&store, &victim);
            let report = check(&engine, ReadData::All);
            let named = errors(&report).iter().any(|object| object.ends_with(name_of(&victim)));
            assert!(named, "{victim}: {:?}", report.findings);
            let spoiled = report.findings.iter().any(|finding| finding.message.contains(" blob "));
            assert!(spoiled || folder != "data", "{victim}: {:?}", report.findings);
            if spoiled {
                let hurt = report
                    .findings
                    .iter()
                    .find(|finding| finding.object.starts_with("snapshot"));
                let hurt = &hurt.unwrap().message;
                let tree = model.tree.path().to_str().unwrap();
                assert!(hurt.contains(tree) || hurt.contains("such as /;"), "{hurt}");
            }
        }
    }
}

#[test]
fn what_is_missing_or_short_is_found_without_reading_data() {
    let model = model();
    for victim in model.store.names("data") {
        for cut in [None, Some(2000)] {
            let (store, engine) = model.on(model.store.copy());
            store.change(&victim, |mut bytes| {
                bytes.truncate(bytes.len().saturating_sub(cut?));
                Some(bytes)
            });
            let report = check(&engine, ReadData::Nothing);
            let errors = errors(&report);
            assert!(
                errors.iter().any(|object| object.ends_with(name_of(&victim))),
                "{errors:?}"
            );
            assert!(errors.iter().any(|object| object.starts_with("snapshot")), "{errors:?}");
        }
    }
}

#[test]
fn a_pack_in_no_index_is_only_a_hint() {
    let model = model();
    let (store, engine) = model.on(model.store.copy());
    let pack = "data/00/00000000000000000000000000000000000000000000000000000000000000aa";
    let key = engine_api::Key::new(pack).unwrap();
    let put = engine_api::BlobStore::put(
        store.as_ref(),
        &key,
        engine_api::Body::Bytes(b"left over"),
        engine_api::PutMode::Create,
    );
    put.unwrap();
    let report = check(&engine, ReadData::All);
    assert_eq!(report.errors, 0);
    assert_eq!(report.findings.len(), 1);
}

#[test]
fn the_real_restic_calls_the_same_damaged() {
    use crate::testing::Restic;
    let model = model();
    for folder in ["data", "index", "snapshots"] {
        let victim = model.store.names(folder).remove(0);
        let (store, engine) = model.on(model.store.copy());
        flip(&store, &victim);
        assert!(check(&engine, ReadData::All).errors > 0);
        let dir = tempfile::tempdir().unwrap();
        store.export(dir.path());
        for restic in Restic::all(dir.path()) {
            assert!(restic.check().is_err(), "{victim}");
        }
    }
}

use std::fs;
use std::os::unix::fs::symlink;

use engine_api::{CheckReport, CheckRequest, PruneRequest, ReadData, RepairRequest, Silent};
use fstree::testing::{ZooOptions, build_zoo};

use super::restoring::rot;
use crate::testing::Model;
use crate::{check, prune, repair};

const FIRST: &str = "2024-01-01-000000";
const SECOND: &str = "2024-01-02-000000";

fn messages(report: &CheckReport) -> Vec<String> {
    let line =
        |finding: &engine_api::Finding| format!("{:?} {}: {}", finding.severity, finding.object, finding.message);
    report.findings.iter().map(line).collect()
}

#[track_caller]
fn assert_told(report: &CheckReport, words: &[&str]) {
    let lines = messages(report);
    let fits = |line: &&String| words.iter().all(|word| line.contains(word));
    assert!(lines.iter().any(|line| fits(&line)), "{words:?} is not in {lines:#?}");
}

#[test]
fn a_good_destination_is_found_good() {
    let model = Model::new();
    build_zoo(
        model.tree.path(),
        ZooOptions {
            deep: false,
            ..ZooOptions::default()
        },
    )
    .unwrap();
    model.plant(FIRST);
    let report = model.check();
    assert_eq!(report.errors, 0, "{:#?}", messages(&report));
    assert_told(&report, &["Hint", FIRST, "no manifest", "repair index"]);
    model.adopt();
    let report = model.check();
    assert_eq!(messages(&report), [] as [String; 0]);
    assert_eq!(report.snapshots, 1);
    assert!(report.bytes_read > 20 << 20);
}

#[test]
fn each_kind_of_harm_has_its_words() {
    let model = Model::new();
    for name in ["changed", "rotten", "gone", "replaced", "mode", "good"] {
        fs::write(model.tree.path().join(name), vec![b'a'; 3000]).unwrap();
    }
    model.plant(FIRST);
    model.plant_on(SECOND, FIRST);
    model.adopt();
    let at = |name: &str| model.at(FIRST, name);
    fs::write(at("changed"), "other").unwrap();
    rot(&at("rotten"));
    fs::remove_file(at("gone")).unwrap();
    fs::remove_file(at("replaced")).unwrap();
    symlink("x", at("replaced")).unwrap();
    fs::set_permissions(at("mode"), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    fs::write(at("extra"), "").unwrap();
    let report = model.check();
    assert_told(
        &report,
        &["Error", FIRST, "/changed", "by somebody", "5 bytes instead of 3000"],
    );
    assert_told(&report, &["Error", FIRST, "/gone", "removed"]);
    assert_told(&report, &["Error", FIRST, "/replaced", "something else"]);
    assert_told(&report, &["Error", FIRST, "/rotten", "rotted", "--force"]);
    assert_told(&report, &["Hint", FIRST, "/mode", "mode"]);
    assert_told(&report, &["Hint", FIRST, "/extra", "put there"]);
    // One inode, two snapshots.
    assert_told(&report, &["Error", SECOND, "/rotten", "rotted"]);
    assert_told(&report, &["Error", SECOND, "/changed", "by somebody"]);
    assert_eq!(report.errors, 6, "{:#?}", messages(&report));

    let shares: u64 = (1..=3)
        .map(|part| {
            let read = ReadData::Share { part, of: 3 };
            let report = check::run(&model.engine, &CheckRequest { read }, &Silent).unwrap();
            report.errors - 4
        })
        .sum();
    assert_eq!(shares, 2, "each share finds its own rot");

    let request = RepairRequest {
        snapshots: true,
        ..RepairRequest::default()
    };
    let repaired = repair::run(&model.engine, &request, &Silent).unwrap();
    assert_eq!(repaired.snapshots_rewritten, 2, "{:?}", repaired.actions);
    // What was lost stays lost, and is no longer promised.
    let report = model.check();
    assert_eq!(report.errors, 0, "{:#?}", messages(&report));
}

#[test]
fn leftovers_are_told_and_cleaned() {
    let model = Model::new();
    fs::write(model.tree.path().join("file"), "x").unwrap();
    model.plant(FIRST);
    model.plant(SECOND);
    model.adopt();
    let place = model.place.path();
    fs::rename(place.join(SECOND), place.join("2024-01-03-000000")).unwrap();
    fs::write(place.join(".holdfast/2024-01-09-000000.manifest.part"), "half").unwrap();
    fs::remove_file(place.join("backup.marker")).unwrap();
    let report = model.check();
    assert_eq!(report.errors, 0);
    assert_told(&report, &["Hint", "backup.marker"]);
    assert_told(&report, &["Hint", "latest", "2024-01-03-000000"]);
    assert_told(&report, &["Hint", SECOND, "no snapshot", "prune"]);
    assert_told(&report, &["Hint", "part", "prune"]);
    assert_told(&report, &["Hint", "2024-01-03-000000", "no manifest"]);
    let request = PruneRequest {
        max_unused: 0.0,
        max_repack: None,
        dry_run: false,
    };
    assert!(prune::run(&model.engine, &request, &Silent).unwrap().bytes_freed > 0);
    model.adopt();
    fs::write(place.join("backup.marker"), "").unwrap();
    assert_eq!(messages(&model.check()), [] as [String; 0]);
}

#[test]
fn a_damaged_manifest_is_told_and_made_again() {
    let model = Model::new();
    fs::write(model.tree.path().join("file"), "x").unwrap();
    model.plant(FIRST);
    model.adopt();
    let manifest = model.place.path().join(format!(".holdfast/{FIRST}.manifest"));
    let good = fs::read(&manifest).unwrap();
    for len in [0, 10, good.len() / 2, good.len() - 1] {
        fs::write(&manifest, &good[..len]).unwrap();
        let report = model.check();
        assert_eq!(report.errors, 1);
        assert_told(&report, &["Error", FIRST, "manifest", "repair index"]);
        model.adopt();
        assert_eq!(messages(&model.check()), [] as [String; 0]);
    }
}

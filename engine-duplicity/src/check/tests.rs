use std::fs;

use engine_api::{CheckReport, CheckRequest, ReadData, Severity, Silent};
use fstree::testing::Dice;

use crate::format::TreePath;
use crate::testing::Bench;

fn bench() -> Bench {
    let mut bench = Bench::new();
    let root = bench.source();
    let mut long = Dice::new(3).bytes(2 << 20);
    fs::write(root.join("a"), b"short").unwrap();
    fs::write(root.join("long"), &long).unwrap();
    bench.backup().unwrap();
    long[77] ^= 1;
    fs::write(root.join("long"), &long).unwrap();
    fs::write(root.join("b"), b"new").unwrap();
    bench.backup().unwrap();
    bench
}

fn check(bench: &Bench, read: ReadData) -> CheckReport {
    super::run(&bench.engine(), &CheckRequest { read }, &Silent).unwrap()
}

fn errors(report: &CheckReport) -> Vec<String> {
    let errors = report
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error);
    errors
        .map(|finding| format!("{}: {}", finding.object, finding.message))
        .collect()
}

fn spoil(bench: &Bench, part: &str) {
    let mut objects = bench.memory.objects.lock().unwrap();
    let (_, bytes) = objects
        .iter_mut()
        .find(|(key, _)| key.to_string().contains(part))
        .unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
}

#[test]
fn what_is_whole_is_found_whole() {
    let bench = bench();
    for read in [ReadData::Nothing, ReadData::All, ReadData::Percent(30.0)] {
        let report = check(&bench, read);
        assert_eq!(errors(&report), [""; 0], "{read:?}");
        assert_eq!(report.snapshots, 2);
    }
    let shares = (1..=3).map(|part| check(&bench, ReadData::Share { part, of: 3 }).packs_read);
    assert_eq!(shares.sum::<u64>(), check(&bench, ReadData::All).packs_read);
}

#[test]
fn damage_is_named_and_the_next_backup_heals_it() {
    let mut bench = bench();
    spoil(&bench, ".vol1.");
    assert!(errors(&check(&bench, ReadData::Nothing)).is_empty());
    let shares: Vec<_> = (1..=2)
        .flat_map(|part| errors(&check(&bench, ReadData::Share { part, of: 2 })))
        .collect();
    assert_eq!(shares.len(), 1, "{shares:?}");
    let found = errors(&check(&bench, ReadData::All));
    assert!(found.iter().any(|error| error.contains("`long`")), "{found:?}");
    bench.backup().unwrap();
    bench.assert_latest_is_the_tree("after the damage was found");
    // The old state stays lost, and nothing is left for a backup to mend.
    assert!(!errors(&check(&bench, ReadData::All)).is_empty());
    assert!(!bench.archive().join("holdfast-damaged").exists());
}

#[test]
fn what_is_missing_is_told_without_reading() {
    let bench = bench();
    bench.memory.lose("full.");
    let found = errors(&check(&bench, ReadData::Nothing));
    assert!(
        found.iter().any(|error| error.contains("the set it needs is gone")),
        "{found:?}"
    );
    let other = self::bench();
    other.memory.lose(".vol2.");
    let found = errors(&check(&other, ReadData::Nothing));
    assert!(found.iter().any(|error| error.starts_with("volume 2")), "{found:?}");
    let third = self::bench();
    spoil(&third, "new-signatures");
    assert_eq!(errors(&check(&third, ReadData::Nothing)).len(), 1);
}

/// What a resumed run of the original loses: it is in the signatures and not in the volumes.
#[test]
fn signatures_without_data_are_seen() {
    let bench = bench();
    let increment = bench.engine().collection().unwrap();
    let set = increment.latest_set().unwrap().clone();
    // The increment's volume says what another one said: only of `long`.
    let text = fs::read(bench.archive().join(set.manifest.as_ref().unwrap().key.to_string())).unwrap();
    assert!(!text.is_empty());
    let plans = super::structure::look(&bench.engine(), &increment, &super::Findings::default(), &Silent).unwrap();
    let mut lost = std::collections::BTreeSet::new();
    let engine = bench.engine();
    let signatures = crate::manifests::Signatures::of(&engine, increment.chains[0].sets.clone());
    let source = crate::source::Source::of(&engine, &Silent, &signatures);
    let findings = super::Findings::default();
    // The full set's volumes beside the increment's signatures: `b` is missing there, `long` is older.
    let mixed = crate::source::SetPlan {
        set: set.id,
        ..plans[0].clone()
    };
    super::content::one_set(source, &set, &mixed, &findings, &mut lost).unwrap();
    assert!(lost.contains(&TreePath::parse(b"b").unwrap()), "{lost:?}");
}

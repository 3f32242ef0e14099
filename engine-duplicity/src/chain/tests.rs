use super::*;

/// A listing of sets `(start, end)`, a full one where both are the same; `kinds` of v(olume), m(anifest), s(ignatures).
fn listing(sets: &[(i64, i64, &str)]) -> Collection {
    let mut files = Vec::new();
    for &(start, end, kinds) in sets {
        let (start, end) = (SetTime::new(start).unwrap(), SetTime::new(end).unwrap());
        let set = if start == end {
            SetId::Full(end)
        } else {
            SetId::Increment { start, end }
        };
        for kind in kinds.chars() {
            let kind = match kind {
                'v' => FileKind::Volume(1),
                'm' => FileKind::Manifest,
                _ => FileKind::Signatures,
            };
            let name = FileName::new(kind, set, Container::Plain);
            let key = Key::new(name.write(&Prefixes::default())).unwrap();
            let stored = Stored {
                key,
                size: 1,
                container: Container::Plain,
            };
            files.push((name, stored));
        }
    }
    Collection::new(files)
}

fn ends(sets: &[Set]) -> Vec<i64> {
    sets.iter().map(|set| set.id.end().seconds()).collect()
}

#[test]
fn increments_join_by_equal_times() {
    let found = listing(&[(20, 30, "vms"), (10, 10, "vms"), (10, 20, "vms"), (40, 40, "vms")]);
    assert_eq!(found.chains.len(), 2);
    assert_eq!(ends(&found.chains[0].sets), [10, 20, 30]);
    assert_eq!(found.latest_set().unwrap().id.end().seconds(), 40);
    assert_eq!(ends(found.chains[0].until(SetTime::new(25).unwrap())), [10, 20]);
    assert!(found.overlaps().is_empty());
    assert_eq!(found.restorable().len(), 4);
}

#[test]
fn a_set_without_manifest_is_in_no_chain() {
    let found = listing(&[(10, 10, "vms"), (10, 20, "vs"), (10, 30, "s")]);
    assert_eq!(ends(&found.chains[0].sets), [10]);
    assert_eq!(ends(&found.incomplete), [20]);
    assert_eq!(ends(&found.stray_signatures), [30]);
    assert_eq!(found.last_time().unwrap().seconds(), 30);
}

#[test]
fn an_increment_whose_predecessor_is_gone_is_an_orphan() {
    let found = listing(&[(10, 10, "vms"), (20, 30, "vms"), (30, 40, "vms")]);
    assert_eq!(ends(&found.chains[0].sets), [10]);
    assert_eq!(ends(&found.orphans), [30, 40]);
}

#[test]
fn a_later_increment_from_the_same_start_replaces_the_earlier() {
    let found = listing(&[(10, 10, "vms"), (10, 20, "vms"), (10, 30, "vms")]);
    assert_eq!(ends(&found.chains[0].sets), [10, 30]);
    assert_eq!(ends(&found.orphans), [20]);
}

#[test]
fn overlapping_chains_are_seen() {
    let found = listing(&[(10, 10, "vms"), (10, 50, "vms"), (40, 40, "vms")]);
    assert_eq!(found.overlaps().len(), 1);
}

#[test]
fn removal_begins_with_the_manifest() {
    let found = listing(&[(10, 10, "vms")]);
    let order: Vec<_> = found.chains[0].sets[0]
        .files_to_remove()
        .map(|file| file.key.to_string())
        .collect();
    assert!(order[0].ends_with("manifest") && order[2].contains("vol1"), "{order:?}");
}

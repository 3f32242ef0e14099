use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::path::PathBuf;

use engine_api::{DiffKind, Entry, FindRequest, Silent, SnapshotFilter, SnapshotId, SnapshotRef, Timestamp};
use fstree::testing::{Dice, ZooOptions, build_zoo, mutate, random_tree};
use proptest::prelude::*;

use crate::testing::Model;
use crate::{Error, content, diff, find, snapshots};

const FIRST: &str = "2024-01-01-000000";
const SECOND: &str = "2024-01-02-120000";

/// What only a manifest has, and what it has in common with the tree.
fn plain(mut entries: Vec<Entry>) -> Vec<Entry> {
    for entry in &mut entries {
        (entry.metadata.atime, entry.metadata.ctime) = (Timestamp::default(), Timestamp::default());
    }
    entries
}

#[test]
fn a_manifest_lists_what_the_tree_has() {
    let model = Model::new();
    let options = ZooOptions {
        deep: false,
        ..ZooOptions::default()
    };
    build_zoo(model.tree.path(), options).unwrap();
    let id = model.plant(FIRST);
    let folder = model.tree.path().join("links");
    let before = (
        plain(model.entries(&id, None)),
        plain(model.entries(&id, Some(&folder))),
    );
    model.adopt();
    let after = (
        plain(model.entries(&id, None)),
        plain(model.entries(&id, Some(&folder))),
    );
    assert_eq!(before, after);
    assert_eq!(before.1.first().unwrap().path, folder);
    assert!(before.0.len() > 350 && before.1.len() < 20);
}

fn differences(
    model: &Model,
    first: &SnapshotId,
    second: &SnapshotId,
    under: Option<&PathBuf>,
) -> Vec<(PathBuf, DiffKind)> {
    let mut lines = Vec::new();
    let outcome = diff::run(&model.engine, first, second, under, &mut |entry| {
        lines.push((entry.path, entry.kind));
        ControlFlow::Continue(())
    });
    outcome.unwrap();
    lines
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn manifests_and_trees_differ_in_the_same(seed in any::<u64>()) {
        let model = Model::new();
        let mut dice = Dice::new(seed);
        random_tree(model.tree.path(), &mut dice, 40).unwrap();
        let first = model.plant(FIRST);
        mutate(model.tree.path(), &mut dice, 10).unwrap();
        let second = model.plant(SECOND);
        let trees = differences(&model, &first, &second, None);
        model.adopt();
        prop_assert_eq!(&differences(&model, &first, &second, None), &trees);
        fs::remove_file(model.place.path().join(format!(".holdfast/{FIRST}.manifest"))).unwrap();
        let mixed = differences(&model, &first, &second, None);
        // One side cannot tell of attributes.
        prop_assert!(mixed.iter().all(|line| trees.contains(line)));
        prop_assert!(differences(&model, &first, &first, None).is_empty());
    }
}

#[test]
fn differences_have_their_kinds() {
    let model = Model::new();
    let file = |name: &str| model.tree.path().join(name);
    fs::create_dir(file("folder")).unwrap();
    for name in ["content", "metadata", "type", "gone", "folder/same"] {
        fs::write(file(name), "x").unwrap();
    }
    let first = model.plant(FIRST);
    let time = file("content").metadata().unwrap().modified().unwrap();
    fs::write(file("content"), "y").unwrap();
    fs::File::options()
        .write(true)
        .open(file("content"))
        .unwrap()
        .set_modified(time)
        .unwrap();
    fs::set_permissions(file("metadata"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    fs::remove_file(file("type")).unwrap();
    fs::create_dir(file("type")).unwrap();
    fs::write(file("type/new"), "").unwrap();
    fs::remove_file(file("gone")).unwrap();
    let second = model.plant(SECOND);
    let expected = [
        ("content", DiffKind::Content),
        ("gone", DiffKind::Removed),
        ("metadata", DiffKind::Metadata),
        ("type", DiffKind::Type),
        ("type/new", DiffKind::Added),
    ]
    .map(|(name, kind)| (file(name), kind));
    for adopt in [false, true] {
        if adopt {
            model.adopt();
        }
        let mut found = differences(&model, &first, &second, None);
        // The folder itself, and what is above it, got another time.
        found.retain(|(path, _)| path.starts_with(model.tree.path()) && path != model.tree.path());
        assert_eq!(found, expected);
        assert_eq!(differences(&model, &first, &second, Some(&file("type"))), expected[3..]);
    }
}

#[test]
fn paths_are_found_in_every_snapshot() {
    let model = Model::new();
    fs::write(model.tree.path().join("One.txt"), "").unwrap();
    model.plant(FIRST);
    fs::write(model.tree.path().join("two.txt"), "").unwrap();
    model.plant(SECOND);
    let search = |pattern: &str, ignore_case| {
        let request = FindRequest {
            filter: SnapshotFilter::default(),
            patterns: vec![pattern.as_bytes().to_vec()],
            ignore_case,
        };
        let mut found = Vec::new();
        let outcome = find::run(&model.engine, &request, &mut |hit| {
            found.push((
                hit.snapshot.0,
                hit.entry.path.file_name().unwrap().to_string_lossy().into_owned(),
            ));
            ControlFlow::Continue(())
        });
        outcome.unwrap();
        found
    };
    let hit = |snapshot: &str, name: &str| (snapshot.to_owned(), name.to_owned());
    for adopt in [false, true] {
        if adopt {
            model.adopt();
        }
        assert_eq!(search("one.txt", false), []);
        assert_eq!(search("one.txt", true), [hit(FIRST, "One.txt"), hit(SECOND, "One.txt")]);
        assert_eq!(search("t*.txt", false), [hit(SECOND, "two.txt")]);
    }
}

#[test]
fn a_file_is_read_from_anywhere() {
    let model = Model::new();
    fs::write(model.tree.path().join("file"), b"0123456789").unwrap();
    let id = model.plant(FIRST);
    let mut file = content::open(&model.engine, &id, &model.tree.path().join("file")).unwrap();
    let mut text = String::new();
    assert_eq!(file.seek(SeekFrom::End(-3)).unwrap(), 7);
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "789");
    assert!(file.seek(SeekFrom::Current(-11)).is_err());
    for (path, expected) in [("", true), ("none", false), ("file/below", false), ("../x", false)] {
        let outcome = content::open(&model.engine, &id, &model.tree.path().join(path));
        match outcome.err().unwrap() {
            Error::NotAFile { .. } => assert!(expected, "{path}"),
            Error::PathNotFound { .. } => assert!(!expected, "{path}"),
            other => panic!("{path}: {other}"),
        }
    }
}

#[test]
fn snapshots_have_the_names_of_their_folders() {
    let model = Model::new();
    model.plant(FIRST);
    model.plant(SECOND);
    fs::create_dir(model.place.path().join("2024-99-01-000000")).unwrap();
    fs::write(model.place.path().join("2024-02-01-000000"), "no folder").unwrap();
    let list = || {
        let all = snapshots::list(&model.engine, &SnapshotFilter::default(), &Silent).unwrap();
        all.into_iter().map(|stored| stored.snapshot.id.0).collect::<Vec<_>>()
    };
    assert_eq!(list(), [FIRST, SECOND]);
    let resolve = |which| {
        let found = snapshots::resolve(&model.engine, &which, &SnapshotFilter::default());
        found
            .map(|stored| stored.snapshot.id.0)
            .map_err(|error| error.to_string())
    };
    let at = |text: &str| SnapshotRef::At(Timestamp::from_jiff(text.parse().unwrap()));
    let id = |text: &str| SnapshotRef::Id(text.to_owned());
    assert_eq!(resolve(SnapshotRef::Latest).unwrap(), SECOND);
    assert_eq!(resolve(id("latest")).unwrap(), SECOND);
    assert_eq!(resolve(id("2024-01-02")).unwrap(), SECOND);
    assert_eq!(resolve(id("2024-01")).unwrap_err(), "`2024-01` fits 2 snapshots");
    assert_eq!(resolve(at("2024-01-02T11:59:59Z")).unwrap(), FIRST);
    assert_eq!(resolve(at("2024-01-02T12:00:00Z")).unwrap(), SECOND);
    assert!(resolve(at("2023-01-02T12:00:00Z")).is_err());
    // A run came to its end but for its mark.
    fs::write(model.place.path().join("backup.inprogress"), "1\n").unwrap();
    assert_eq!(list(), [FIRST, SECOND]);
    // A run is going on, or was interrupted: its folder is no snapshot.
    let latest = model.place.path().join("latest");
    fs::remove_file(&latest).unwrap();
    std::os::unix::fs::symlink(FIRST, &latest).unwrap();
    assert_eq!(list(), [FIRST]);
}

//! Finding, comparing and forgetting over many snapshots.

use std::ops::ControlFlow;
use std::path::PathBuf;

use engine_api::{DiffKind, Engine, FindRequest};
use holdfast_tests::need;
use holdfast_tests::restic;

use crate::common::Bench;

#[test]
fn differences_are_those_that_were_made() {
    let bench = Bench::with_plain_tree(1);
    let first = bench.init().backup(&[&bench.tree]).snapshot.unwrap();
    let folder = bench.tree.join("folder-000");
    std::fs::write(folder.join("added"), b"new").unwrap();
    std::fs::remove_file(folder.join("file-00001")).unwrap();
    std::fs::write(folder.join("file-00002"), b"other content").unwrap();
    let touched = std::fs::File::options()
        .write(true)
        .open(folder.join("file-00003"))
        .unwrap();
    touched.set_modified(std::time::UNIX_EPOCH).unwrap();
    std::fs::remove_file(folder.join("file-00004")).unwrap();
    std::fs::create_dir(folder.join("file-00004")).unwrap();
    let second = bench.open().backup(&[&bench.tree]).snapshot.unwrap();

    let mut found = Vec::new();
    let repository = bench.open();
    let each = &mut |entry: engine_api::DiffEntry| {
        found.push((entry.path, entry.kind));
        ControlFlow::Continue(())
    };
    repository.engine.diff(&first, &second, None, each).unwrap();
    // The folders above the tree are not ours alone.
    found.retain(|(path, _)| path.starts_with(&bench.tree) && path != &folder);
    let wanted: Vec<(PathBuf, DiffKind)> = [
        ("added", DiffKind::Added),
        ("file-00001", DiffKind::Removed),
        ("file-00002", DiffKind::Content),
        ("file-00003", DiffKind::Metadata),
        ("file-00004", DiffKind::Type),
    ]
    .map(|(name, kind)| (folder.join(name), kind))
    .into();
    assert_eq!(found, wanted);
}

#[test]
fn a_path_is_found_in_the_snapshots_that_have_it() {
    let bench = Bench::with_plain_tree(1);
    let repository = bench.init();
    let wanted = bench.tree.join("folder-001").join("invoice.pdf");
    let mut having = Vec::new();
    for turn in 0..5 {
        if turn == 1 {
            std::fs::write(&wanted, b"pdf").unwrap();
        }
        if turn == 4 {
            std::fs::remove_file(&wanted).unwrap();
        }
        let id = repository.backup(&[&bench.tree]).snapshot.unwrap();
        if (1..4).contains(&turn) {
            having.push((id, wanted.clone()));
        }
    }
    let find = |pattern: &str, ignore_case| {
        let request = FindRequest {
            patterns: vec![pattern.as_bytes().to_vec()],
            ignore_case,
            ..FindRequest::default()
        };
        let mut found = Vec::new();
        let each = &mut |hit: engine_api::Found| {
            found.push((hit.snapshot, hit.entry.path));
            ControlFlow::Continue(())
        };
        repository.engine.find(&request, each).unwrap();
        found
    };
    assert_eq!(find("invoice.pdf", false), having);
    assert_eq!(find("*.PDF", true), having);
    assert_eq!(find("*.PDF", false), []);
}

/// The same policy over the same snapshots keeps the same ones as restic does.
#[test]
fn forgetting_keeps_what_restic_keeps() {
    // Before that, a rule that was not used up did not keep the oldest.
    let program = need!(restic::at_least(&[0, 17]), "no restic of 0.17 or newer is here");
    let bench = Bench::new();
    std::fs::write(bench.tree.join("file"), b"x").unwrap();
    let restic = bench.restic_init(&program);
    for day in 1..=28 {
        for hour in [3, 15] {
            let time = format!("2024-02-{day:02} {hour:02}:30:00");
            let tree = bench.tree.to_str().unwrap();
            if day % 3 != 0 {
                restic.run(&["backup", "--host", "suite", "--time", &time, tree]);
            }
        }
    }
    let policies: [(&[&str], engine_api::retention::Keep); 3] = {
        use engine_api::retention::{Count, Keep};
        [
            (
                &["--keep-daily", "5", "--keep-weekly", "3"],
                Keep {
                    daily: Count::Last(5),
                    weekly: Count::Last(3),
                    ..Keep::default()
                },
            ),
            (
                &["--keep-within", "9d"],
                Keep {
                    within: Some(engine_api::Age::parse("9d").unwrap()),
                    ..Keep::default()
                },
            ),
            (
                &["--keep-last", "2", "--keep-monthly", "12"],
                Keep {
                    last: Count::Last(2),
                    monthly: Count::Last(12),
                    ..Keep::default()
                },
            ),
        ]
    };
    for (arguments, keep) in policies {
        let mut words = vec!["forget", "--dry-run", "--group-by", "host"];
        words.extend(arguments);
        let said = restic.json(&words);
        let kept = said[0]["keep"].as_array().unwrap();
        let mut theirs: Vec<String> = kept.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
        let request = engine_api::ForgetRequest {
            keep,
            dry_run: true,
            ..holdfast_tests::holdfast::keep_last(1)
        };
        let report = bench.open().engine.forget(&request, &engine_api::Silent).unwrap();
        let mut ours: Vec<String> = report.kept.into_iter().map(|(snapshot, _)| snapshot.id.0).collect();
        theirs.sort();
        ours.sort();
        assert_eq!(ours, theirs, "{arguments:?}");
    }
}

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use engine_api::{ErrorKind, Failure, Overwrite, RestoreReport, RestoreRequest, Silent, SnapshotFilter, SnapshotRef};
use fstree::testing::Dice;

use crate::error::Result;
use crate::testing::{Bench, assert_equal};

/// A tree with a long file in the middle that changed twice.
fn bench() -> Bench {
    let mut bench = Bench::new();
    let root = bench.source();
    let mut long = Dice::new(7).bytes(3 << 20);
    for folder in ["a/b", "z"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    for (name, content) in [
        ("a/one", &b"one"[..]),
        ("a/b/two", b"two"),
        ("m", &long),
        ("z/last", b"last"),
    ] {
        fs::write(root.join(name), content).unwrap();
    }
    bench.backup().unwrap();
    long[1_000_000] ^= 1;
    long.truncate(2_900_000);
    fs::write(root.join("m"), &long).unwrap();
    fs::write(root.join("z/new"), b"new").unwrap();
    bench.backup().unwrap();
    long.splice(5..5, *b"in front");
    fs::write(root.join("m"), &long).unwrap();
    fs::remove_file(root.join("a/one")).unwrap();
    bench.backup().unwrap();
    bench
}

fn request(target: &Path) -> RestoreRequest {
    RestoreRequest {
        snapshot: SnapshotRef::Latest,
        filter: SnapshotFilter::default(),
        paths: Vec::new(),
        target: target.to_owned(),
        overwrite: Overwrite::IfChanged,
        delete_extra: false,
        numeric_owners: false,
        sparse: false,
        verify: false,
        dry_run: false,
    }
}

fn run(bench: &Bench, request: &RestoreRequest) -> Result<RestoreReport> {
    super::run(&bench.engine(), request, &Silent)
}

fn under(target: &Path, bench: &Bench) -> PathBuf {
    target.join(bench.source().strip_prefix("/").unwrap())
}

#[test]
fn what_is_right_already_is_left_and_what_is_not_is_mended() {
    let bench = bench();
    let target = tempfile::tempdir().unwrap();
    let request = RestoreRequest {
        verify: true,
        delete_extra: true,
        ..request(target.path())
    };
    let first = run(&bench, &request).unwrap();
    assert_eq!((first.files_restored, first.files_verified), (4, 4));
    let restored = under(target.path(), &bench);
    assert_equal(&bench.source(), &restored, "a first restore");
    // One byte of the long file, the time of a short one, something extra.
    let mut long = fs::read(restored.join("m")).unwrap();
    long[2_000_000] ^= 1;
    fs::write(restored.join("m"), long).unwrap();
    fs::write(restored.join("z/last"), b"lasT").unwrap();
    fs::create_dir_all(restored.join("aa/deep")).unwrap();
    fs::write(restored.join("z/zz"), b"").unwrap();
    let inode = fs::metadata(restored.join("m")).unwrap().ino();
    let second = run(&bench, &request).unwrap();
    assert!(second.problems.is_empty(), "{:?}", second.problems);
    assert_eq!((second.files_restored, second.files_skipped, second.deleted), (2, 2, 3));
    assert!(second.bytes_restored < 600_000, "{}", second.bytes_restored);
    assert_eq!(fs::metadata(restored.join("m")).unwrap().ino(), inode);
    assert_equal(&bench.source(), &restored, "a second restore");
}

#[test]
fn a_part_is_restored_alone_and_what_is_missing_is_said() {
    let bench = bench();
    let target = tempfile::tempdir().unwrap();
    let part = |name: &str| RestoreRequest {
        paths: vec![bench.source().join(name)],
        ..request(target.path())
    };
    run(&bench, &part("a/b/two")).unwrap();
    run(&bench, &part("m")).unwrap();
    let restored = under(target.path(), &bench);
    let names = |folder: &Path| {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(&restored), ["a", "m"]);
    assert_eq!(names(&restored.join("a")), ["b"]);
    assert_eq!(
        fs::read(restored.join("m")).unwrap(),
        fs::read(bench.source().join("m")).unwrap()
    );
    assert_eq!(fs::metadata(&restored).unwrap().permissions().mode() & 0o7777, 0o755);
    for missing in ["a/one", "m/below", "n"] {
        assert_eq!(
            run(&bench, &part(missing)).unwrap_err().kind(),
            ErrorKind::Usage,
            "{missing}"
        );
    }
    let elsewhere = RestoreRequest {
        paths: vec![PathBuf::from("/nowhere")],
        ..request(target.path())
    };
    assert_eq!(run(&bench, &elsewhere).unwrap_err().kind(), ErrorKind::Usage);
}

#[test]
fn a_dry_run_writes_nothing() {
    let bench = bench();
    let target = tempfile::tempdir().unwrap();
    let absent = target.path().join("absent");
    let request = RestoreRequest {
        dry_run: true,
        ..request(&absent)
    };
    assert_eq!(run(&bench, &request).unwrap().files_restored, 4);
    assert!(!absent.exists());
}

/// A volume that is gone or spoiled costs the files in it, which are named, and nothing else.
#[test]
fn damage_costs_what_it_hit() {
    for (spoil, with_signatures) in [(true, true), (true, false), (false, true), (false, false)] {
        let bench = bench();
        let name = bench
            .memory
            .names()
            .into_iter()
            .find(|name| name.contains("full") && name.contains(".vol2."));
        let name = name.unwrap();
        if spoil {
            let mut objects = bench.memory.objects.lock().unwrap();
            let (_, bytes) = objects.iter_mut().find(|(key, _)| key.to_string() == name).unwrap();
            bytes[1000] ^= 1;
        } else {
            bench.memory.lose(&name);
        }
        if !with_signatures {
            bench.memory.lose("signatures");
        }
        let (restored, report) = bench.restore(SnapshotRef::Latest);
        let named = report.problems.first.iter().any(|problem| problem.path.ends_with("m"));
        assert!(named, "{:?}", report.problems);
        assert!(!restored.join("m").exists());
        for name in ["a/b/two", "z/last", "z/new"] {
            let there = fs::read(restored.join(name)).unwrap();
            assert_eq!(there, fs::read(bench.source().join(name)).unwrap(), "{name}");
        }
    }
}

/// A delta does not know what it belongs to: on another content it would make something that never was.
#[test]
fn no_delta_is_put_on_what_is_not_its_own() {
    let bench = bench();
    let name = bench
        .memory
        .names()
        .into_iter()
        .find(|name| name.contains("inc") && name.contains(".vol1."));
    bench.memory.lose(&name.unwrap());
    bench.memory.lose("new-signatures");
    let (restored, report) = bench.restore(SnapshotRef::Latest);
    assert!(!restored.join("m").exists());
    assert!(report.problems.first.iter().any(|problem| problem.path.ends_with("m")));
}

#[test]
fn times_choose_the_state() {
    let bench = bench();
    let at = |seconds| SnapshotRef::At(engine_api::Timestamp { seconds, nanos: 0 });
    let (restored, _) = bench.restore(at(bench.clock - 21));
    assert!(restored.join("a/one").exists() && !restored.join("z/new").exists());
    let (restored, _) = bench.restore(at(bench.clock - 11));
    assert!(restored.join("a/one").exists() && restored.join("z/new").exists());
    let too_early = RestoreRequest {
        snapshot: at(1000),
        ..request(Path::new("/nowhere"))
    };
    assert_eq!(run(&bench, &too_early).unwrap_err().kind(), ErrorKind::Usage);
}

#[test]
fn overlapping_chains_need_a_name() {
    let mut bench = bench();
    let first = bench.engine().collection().unwrap();
    bench.mode = crate::BackupMode::Full;
    bench.backup().unwrap();
    let full = bench.engine().collection().unwrap().latest_set().unwrap().id.end();
    // The last increment of the first chain ends after the full set now.
    let last = first.latest_set().unwrap().id.end().to_string();
    let later = crate::format::SetTime::new(full.seconds() + 5).unwrap().to_string();
    let mut objects = bench.memory.objects.lock().unwrap();
    let names: Vec<_> = objects
        .keys()
        .filter(|key| key.to_string().contains(&format!("to.{last}")))
        .cloned()
        .collect();
    for key in names {
        let bytes = objects.remove(&key).unwrap();
        let renamed = key.to_string().replace(&format!("to.{last}"), &format!("to.{later}"));
        objects.insert(engine_api::Key::new(renamed).unwrap(), bytes);
    }
    drop(objects);
    let target = tempfile::tempdir().unwrap();
    let latest = request(target.path());
    assert!(matches!(run(&bench, &latest), Err(crate::Error::Overlap { .. })));
    let by_name = RestoreRequest {
        snapshot: SnapshotRef::Id(full.to_string()),
        ..latest
    };
    run(&bench, &by_name).unwrap();
    assert_equal(&bench.source(), &under(target.path(), &bench), "a chain by its name");
}

/// The records of names that do not change keep the number of names there were when they were written.
#[test]
fn names_of_one_file_come_and_go() {
    let mut bench = Bench::new();
    let root = bench.source();
    fs::write(root.join("a"), b"content").unwrap();
    fs::hard_link(root.join("a"), root.join("d")).unwrap();
    bench.backup().unwrap();
    fs::hard_link(root.join("a"), root.join("b")).unwrap();
    bench.backup().unwrap();
    bench.assert_latest_is_the_tree("a name has come");
    fs::hard_link(root.join("a"), root.join("e")).unwrap();
    bench.backup().unwrap();
    bench.assert_latest_is_the_tree("and another");
    fs::remove_file(root.join("d")).unwrap();
    bench.backup().unwrap();
    bench.assert_latest_is_the_tree("a name has gone");
    for name in ["b", "e"] {
        fs::remove_file(root.join(name)).unwrap();
    }
    bench.backup().unwrap();
    bench.assert_latest_is_the_tree("one is left");
}

#[test]
fn a_copy_in_the_place_of_a_name_is_no_name() {
    let mut bench = Bench::new();
    let [a, b, c, copy] = ["a", "b", "c", "copy"].map(|name| bench.source().join(name));
    fs::write(&a, b"content").unwrap();
    fs::hard_link(&a, &b).unwrap();
    bench.backup().unwrap();
    fs::write(&copy, b"content").unwrap();
    let mtime = fs::metadata(&a).unwrap().modified().unwrap();
    let file = fs::File::options().write(true).open(&copy).unwrap();
    file.set_modified(mtime).unwrap();
    fs::rename(&copy, &a).unwrap();
    fs::hard_link(&b, &c).unwrap();
    bench.backup().unwrap();
    bench.assert_latest_is_the_tree("a copy and two names");
}

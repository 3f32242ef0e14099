//! The walk: order, threads, excludes, caches, other filesystems, deep and wide trees, what changes meanwhile.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use engine_api::Selection;
use fstree::testing::{Dice, ZooOptions, build_zoo, random_tree};
use fstree::{Names, Step, Target, TargetOptions, Walk, WalkOptions};
use proptest::prelude::*;

use crate::support::{all_of, as_nobody, folder, grow, is_root, select, walk};

/// The same the simple way.
fn naive(dir: &Path, root: &Path, entries: &mut Vec<String>) {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    for name in names {
        let path = dir.join(name);
        let shown = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        if path.symlink_metadata().unwrap().is_dir() {
            entries.push(shown + "/");
            naive(&path, root, entries);
        } else {
            entries.push(shown);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_order_is_that_of_a_simple_sorted_walk(seed: u64, entries in 0_usize..200, threads in 0_usize..4) {
        let dir = folder();
        random_tree(dir.path(), &mut Dice::new(seed), entries).unwrap();
        let mut expected = Vec::new();
        naive(dir.path(), dir.path(), &mut expected);
        let delivered = walk(dir.path(), &all_of(dir.path()), threads);
        prop_assert_eq!(delivered.entries, expected);
        prop_assert_eq!(delivered.problems, []);
    }
}

#[test]
fn the_order_is_by_component_and_not_by_path() {
    let dir = folder();
    grow(
        dir.path(),
        &["a/z", "a-b/c", "a.b", "a", "B/x"].map(|name| if name == "a" { "a/" } else { name }),
    );
    let delivered = walk(dir.path(), &all_of(dir.path()), 2);
    assert_eq!(delivered.entries, ["B/", "B/x", "a/", "a/z", "a-b/", "a-b/c", "a.b"]);
}

#[test]
fn a_wide_folder_is_delivered_whole_and_in_order() {
    let dir = folder();
    for number in 0..5000 {
        let name = dir.path().join(format!("{number:05}"));
        if number % 10 == 0 {
            grow(&name, &["below"])
        } else {
            fs::write(name, "").unwrap()
        }
    }
    let mut expected = Vec::new();
    naive(dir.path(), dir.path(), &mut expected);
    for threads in [0, 1, 4] {
        assert_eq!(walk(dir.path(), &all_of(dir.path()), threads).entries, expected);
    }
}

#[test]
fn excludes_beat_includes_and_take_all_below() {
    let dir = folder();
    grow(
        dir.path(),
        &[
            "keep/a.txt",
            "keep/a.iso",
            "keep/Download/x",
            "MyDownloads/y",
            "cache",
            "tmp/cache/z",
            "w/.git/o",
        ],
    );
    let excludes = ["*.iso", "**Download**", "cache/", ".git"];
    for threads in [0, 2] {
        let delivered = walk(dir.path(), &select(dir.path(), &[""], &excludes), threads);
        assert_eq!(delivered.entries, ["cache", "keep/", "keep/a.txt", "tmp/", "w/"]);
        assert_eq!(delivered.notices, [] as [String; 0]);
    }
    let anchored = format!("{}/keep/", dir.path().display());
    let delivered = walk(dir.path(), &select(dir.path(), &["keep/a.txt", "w"], &[&anchored]), 0);
    assert_eq!(delivered.entries, ["w/", "w/.git/", "w/.git/o"]);
    assert_eq!(
        delivered.notices,
        [format!("{}a.txt: an include, but an exclude leaves it out", anchored)]
    );
}

#[test]
fn a_cache_is_delivered_with_nothing_but_its_tag() {
    let dir = folder();
    grow(
        dir.path(),
        &["cache/a/b", "cache/keep/this", "fake/a", "plain/CACHEDIR.TAG.txt"],
    );
    fs::write(
        dir.path().join("cache/CACHEDIR.TAG"),
        "Signature: 8a477f597d28d172789f06886806bc55\n# more",
    )
    .unwrap();
    fs::write(dir.path().join("fake/CACHEDIR.TAG"), "Signature: 8a477f59").unwrap();
    let mut selection = all_of(dir.path());
    assert!(
        walk(dir.path(), &selection, 0)
            .entries
            .contains(&"cache/a/b".to_owned())
    );
    selection.exclude_caches = true;
    let delivered = walk(dir.path(), &selection, 0);
    let rest = [
        "fake/",
        "fake/CACHEDIR.TAG",
        "fake/a",
        "plain/",
        "plain/CACHEDIR.TAG.txt",
    ];
    assert_eq!(delivered.entries[..2], ["cache/", "cache/CACHEDIR.TAG"]);
    assert_eq!(delivered.entries[2..], rest);
    assert_eq!(delivered.notices.len(), 2, "{:?}", delivered.notices);
    // What is named itself is saved all the same.
    selection
        .includes
        .push(dir.path().join("cache/keep").as_os_str().as_bytes().to_vec());
    let delivered = walk(dir.path(), &selection, 0);
    assert_eq!(
        delivered.entries[..4],
        ["cache/", "cache/CACHEDIR.TAG", "cache/keep/", "cache/keep/this"]
    );
}

#[test]
fn another_filesystem_is_left_out_when_asked() {
    let dir = folder();
    grow(dir.path(), &["a/mounted/", "a/file", "b"]);
    let mounted = dir.path().join("a/mounted");
    if !is_root()
        || !Command::new("mount")
            .args(["-t", "tmpfs", "none"])
            .arg(&mounted)
            .status()
            .unwrap()
            .success()
    {
        eprintln!("skipped: only root can mount");
        return;
    }
    grow(&mounted, &["inside/deep", "also"]);
    let outcome = std::panic::catch_unwind(|| {
        let mut selection = all_of(dir.path());
        let all = walk(dir.path(), &selection, 2);
        assert!(all.entries.contains(&"a/mounted/inside/deep".to_owned()));
        selection.one_file_system = true;
        let delivered = walk(dir.path(), &selection, 2);
        assert_eq!(delivered.entries, ["a/", "a/file", "a/mounted/", "b"]);
        let text = "another filesystem is mounted here; its content is left out";
        assert_eq!(delivered.notices, [format!("{}: {text}", mounted.display())]);
        // An include that lies on it is another matter.
        selection
            .includes
            .push(mounted.join("inside").as_os_str().as_bytes().to_vec());
        let delivered = walk(dir.path(), &selection, 2);
        assert_eq!(
            delivered.entries,
            [
                "a/",
                "a/file",
                "a/mounted/",
                "a/mounted/inside/",
                "a/mounted/inside/deep",
                "b"
            ]
        );
        selection.includes.push(mounted.as_os_str().as_bytes().to_vec());
        assert_eq!(walk(dir.path(), &selection, 2).entries, all.entries);
    });
    assert!(Command::new("umount").arg(&mounted).status().unwrap().success());
    outcome.unwrap();
}

#[test]
fn thousands_of_nested_folders_are_walked_read_and_removed() {
    const DEPTH: usize = 3000;
    let dir = folder();
    let target = Target::open(dir.path(), TargetOptions::default()).unwrap();
    let mut path = std::path::PathBuf::new();
    for level in 0..DEPTH {
        path.push(format!("l{level}"));
        target.make_dir(&path, false).unwrap();
        let file = target.create_file(&path.with_file_name("z"), 4).unwrap();
        file.write_at(b"here", 0).unwrap();
    }
    let names = Names::new();
    for threads in [0, 2] {
        let (mut entered, mut items, mut deepest) = (0, Vec::new(), 0);
        for step in Walk::new(&all_of(dir.path()), WalkOptions { threads }).unwrap() {
            match step {
                Step::Enter(found) if found.path().starts_with(dir.path()) => {
                    entered += 1;
                    deepest = deepest.max(found.path().as_os_str().len());
                }
                Step::Item(found) => items.push(found),
                Step::Problem(problem) => panic!("{problem:?}"),
                _ => {}
            }
        }
        assert_eq!((entered, items.len()), (DEPTH + 1, DEPTH));
        // Other tests of this program run at the same time and have a tree or two of their own.
        let open = fs::read_dir("/proc/self/fd").unwrap().count();
        assert!(open < 900, "{open} files are open");
        assert!(deepest > 4 * 4096);
        // Long after the walk is over, in an order of one's own.
        for found in items.iter().step_by(97).chain(items.last()) {
            assert!(found.metadata(&names).1.is_empty());
            assert_eq!(found.open().unwrap().1.size, 4);
        }
    }
    assert_eq!(target.remove("l0".as_ref()).unwrap(), 2 * DEPTH as u64 - 1);
    assert_eq!(target.list("".as_ref()).unwrap(), ["z"]);
}

#[test]
fn what_vanishes_is_no_problem_and_what_changes_is_read_afresh() {
    let dir = folder();
    grow(dir.path(), &["a/gone", "b/file", "c/"]);
    let mut seen = Vec::new();
    for step in Walk::new(&all_of(dir.path()), WalkOptions { threads: 0 }).unwrap() {
        match &step {
            Step::Enter(found) if found.name() == "a" => fs::remove_dir_all(found.path()).unwrap(),
            Step::Item(found) if found.name() == "file" => {
                fs::write(found.path(), "it has grown").unwrap();
                let (_, stat) = found.open().unwrap();
                assert_eq!((found.stat().size, stat.size), (6, 12));
                fs::remove_file(found.path()).unwrap();
                let problem = found.open().unwrap_err();
                assert_eq!((problem.path.as_path(), problem.action), (found.path(), "open"));
                Command::new("mkfifo").arg(found.path()).status().unwrap();
                assert_eq!(found.open().unwrap_err().cause, "it is no regular file any more");
                fs::remove_file(found.path()).unwrap();
                std::os::unix::fs::symlink("/etc/passwd", found.path()).unwrap();
                assert!(found.open().is_err());
            }
            Step::Enter(found) if found.name() == "c" => {
                fs::remove_dir(found.path()).unwrap();
                std::os::unix::fs::symlink("b", found.path()).unwrap();
            }
            _ => {}
        }
        seen.push(step);
    }
    let problems: Vec<_> = seen
        .iter()
        .filter_map(|step| {
            if let Step::Problem(problem) = step {
                Some(problem)
            } else {
                None
            }
        })
        .collect();
    assert_eq!(problems.len(), 1, "only the folder that became a link: {problems:?}");
    assert_eq!(
        (problems[0].path.as_path(), problems[0].action),
        (dir.path().join("c").as_path(), "list")
    );
}

#[test]
fn a_folder_that_cannot_be_read_is_a_problem_and_the_walk_goes_on() {
    if is_root() {
        return as_nobody("walk::a_folder_that_cannot_be_read_is_a_problem_and_the_walk_goes_on");
    }
    let dir = folder();
    grow(dir.path(), &["a/x", "b/y"]);
    fs::set_permissions(dir.path().join("a"), fs::Permissions::from_mode(0o300)).unwrap();
    let delivered = walk(dir.path(), &all_of(dir.path()), 1);
    assert_eq!(delivered.entries, ["a/", "b/", "b/y"]);
    assert_eq!(delivered.problems[0].action, "list");
    // It may be gone through, though.
    assert_eq!(
        walk(dir.path(), &select(dir.path(), &["a/x"], &[]), 1).entries,
        ["a/", "a/x"]
    );
}

#[test]
fn metadata_is_all_there() {
    let dir = folder();
    build_zoo(
        dir.path(),
        ZooOptions {
            deep: false,
            many: 1,
            socket: true,
        },
    )
    .unwrap();
    let names = Names::new();
    let mut sockets = 0;
    for step in Walk::new(&all_of(dir.path()), WalkOptions::default()).unwrap() {
        let (Step::Enter(found) | Step::Item(found)) = step else {
            continue;
        };
        let (metadata, problems) = found.metadata(&names);
        assert_eq!(problems, []);
        sockets += usize::from(metadata.kind == engine_api::EntryKind::Socket);
        assert!(metadata.xattrs.is_sorted_by(|a, b| a.name < b.name));
        if found.name() == "daemon" {
            let owner = (
                metadata.uid,
                metadata.user.as_deref(),
                metadata.gid,
                metadata.group.as_deref(),
            );
            assert!(
                !is_root() || owner == (1, Some("daemon"), 1, Some("daemon")),
                "{owner:?}"
            );
        }
        if found.stat().is_file() && (is_root() || found.stat().mode & 0o400 != 0) {
            let (file, stat) = found.open().unwrap();
            assert_eq!(found.metadata_of(&file, &stat, &names).0.xattrs, metadata.xattrs);
        }
        assert_eq!(
            metadata.link_target.is_some(),
            metadata.kind == engine_api::EntryKind::Symlink
        );
    }
    assert_eq!(sockets, 1);
}

#[test]
fn reading_leaves_the_access_time_alone() {
    let dir = folder();
    grow(dir.path(), &["file"]);
    let times = fs::FileTimes::new().set_accessed(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1000));
    fs::File::options()
        .write(true)
        .open(dir.path().join("file"))
        .unwrap()
        .set_times(times)
        .unwrap();
    for step in Walk::new(&all_of(dir.path()), WalkOptions { threads: 0 }).unwrap() {
        if let Step::Item(found) = step {
            std::io::Read::read_to_end(&mut found.open().unwrap().0, &mut Vec::new()).unwrap();
            assert_eq!(found.open().unwrap().1.atime.seconds, 1000);
        }
    }
}

#[test]
fn an_estimate_counts_what_the_walk_delivers() {
    let dir = folder();
    grow(dir.path(), &["a/one", "a/two", "b/three.iso", "c/"]);
    let selection = select(dir.path(), &[""], &["*.iso"]);
    let mut told = Vec::new();
    fstree::estimate(&selection, &|| false, &mut |files, bytes| told.push((files, bytes))).unwrap();
    assert_eq!(told.last(), Some(&(2, 10)));
    told.clear();
    fstree::estimate(&selection, &|| true, &mut |files, bytes| told.push((files, bytes))).unwrap();
    assert_eq!(told, []);
}

#[test]
fn a_selection_that_cannot_be_used_is_refused() {
    let refuse = |includes: &[&[u8]], excludes: &[&[u8]]| {
        let selection = Selection {
            includes: includes.iter().map(|include| include.to_vec()).collect(),
            excludes: excludes.iter().map(|exclude| exclude.to_vec()).collect(),
            ..Selection::default()
        };
        Walk::new(&selection, WalkOptions::default())
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    };
    assert_eq!(refuse(&[], &[]), "cannot walk a selection with no include");
    assert_eq!(
        refuse(&[b"home"], &[]),
        "cannot use the include \"home\": it is not absolute"
    );
    assert_eq!(
        refuse(&[b"/a/../b"], &[]),
        "cannot use the include \"/a/../b\": it goes up by `..`"
    );
    assert_eq!(refuse(&[b"/tmp"], &[b""]), "cannot use the pattern \"\": it is empty");
    assert!(refuse(&[b"/tmp"], &[b"a\0b"]).contains("NUL"));
}

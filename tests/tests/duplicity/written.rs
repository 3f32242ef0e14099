//! Group B: the real programs read, check and continue what Holdfast wrote.

use std::fs;
use std::path::{Path, PathBuf};

use engine_duplicity::BlockRule;
use holdfast_tests::corpus::Random;
use holdfast_tests::duplicity::cipher::{keys_for, passphrase};
use holdfast_tests::duplicity::equal::assert_part_equal;
use holdfast_tests::duplicity::history::{History, Side, Step};
use holdfast_tests::duplicity::keys::Keyring;
use holdfast_tests::duplicity::ours::Holdfast;
use holdfast_tests::duplicity::programs::Program;
use holdfast_tests::duplicity::real::{Duplicity, Wrap};
use holdfast_tests::duplicity::tree_g::{self, BIG, NEWLINE, Stage};
use holdfast_tests::duplicity::{DAY, FIRST, PASSPHRASE, tar};
use holdfast_tests::need;
use holdfast_tests::tree::{Compare, assert_same, picture};

use crate::common::{COUNTED, assert_content, counted, each, prefixes, replace, set_files, volumes};

/// Full and two increments of tree G by Holdfast, with the settings changed as given.
fn played(change: impl FnOnce(&mut engine_duplicity::Settings)) -> (History, Holdfast) {
    let mut history = History::new();
    let ours = Holdfast::new(&history.target).with(change);
    history.play(&[&ours]);
    (history, ours)
}

#[test]
fn b1_a_full_backup() {
    for program in each!() {
        let mut history = History::new();
        history.save(&Holdfast::new(&history.target), Step::Full);
        let real = Duplicity::new(&program, &history.target);
        history.assert_restores_latest(&real);
        real.verify(&history.source);
    }
}

#[test]
fn b2_every_state_of_a_chain() {
    let (history, ours) = played(|_| {});
    for program in each!() {
        let real = Duplicity::new(&program, &history.target);
        history.assert_restores(&real);
        real.verify(&history.source);
    }
    history.assert_restores(&ours);
    ours.check(&history.source);
}

#[test]
fn b3_encrypted() {
    let ring = need!(Keyring::new(), "gpg is not installed");
    let programs = each!();
    let (history, _) = played(|settings| settings.encryption = Some(passphrase(PASSPHRASE)));
    assert!(
        history.names().iter().all(|name| name.ends_with(".gpg")),
        "{:?}",
        history.names()
    );
    for program in &programs {
        let real = Duplicity::new(program, &history.target).wrapping(Wrap::Passphrase(PASSPHRASE.to_owned()));
        history.assert_restores(&real);
        assert_content(&real);
    }
    for path in set_files(&history.target, "") {
        let packets = std::process::Command::new("gpg")
            .env("GNUPGHOME", ring.home())
            .args(["--batch", "--passphrase", PASSPHRASE, "--list-packets"])
            .arg(&path)
            .output()
            .unwrap();
        assert!(packets.status.success(), "{}", String::from_utf8_lossy(&packets.stderr));
    }
    for (key, sign) in [
        (&ring.rsa, None),
        (&ring.curve, None),
        (&ring.curve, Some(ring.rsa.as_str())),
    ] {
        let mut history = History::of_empty();
        let ours =
            Holdfast::new(&history.target).with(|settings| settings.encryption = Some(keys_for(&ring, key, sign)));
        fs::write(history.source.join("text"), Random::new(1).text(3_000_000)).unwrap();
        history.save(&ours, Step::Full);
        fs::write(history.source.join("noise"), Random::new(2).noise(1_300_000)).unwrap();
        history.save(&ours, Step::Incremental);
        for program in &programs {
            let mut options = vec![("--encrypt-key", key.as_str())];
            options.extend(sign.map(|sign| ("--sign-key", sign)));
            let real = Duplicity::new(program, &history.target).wrapping(Wrap::keys(&options, &ring));
            history.assert_restores(&real);
        }
    }
}

#[test]
fn b4_the_status_is_content() {
    let (history, _ours) = played(|_| {});
    for program in each!() {
        let real = Duplicity::new(&program, &history.target);
        assert_content(&real);
        let listed = real.on_target("list-current-files", &[] as &[&str]);
        let (_, saved) = history.states.last().unwrap();
        for path in saved
            .keys()
            .filter_map(|path| path.to_str())
            .filter(|path| !path.contains(['\n', '\r']))
        {
            assert!(
                path == "socket" || listed.lines().any(|line| line.ends_with(path)),
                "{path} is not listed"
            );
        }
    }
}

fn blocks_of(program: &Program) -> BlockRule {
    if program.is_old() {
        BlockRule::Steps
    } else {
        BlockRule::SquareRoot
    }
}

#[test]
fn b5_the_next_increment_finds_what_changed_and_no_more() {
    for program in each!() {
        let mut history = History::new();
        let ours = Holdfast::new(&history.target).with(|settings| settings.blocks = blocks_of(&program));
        history.save(&ours, Step::Full);
        let other = history.path("other");
        fs::create_dir(&other).unwrap();
        let (real, beside) = (
            Duplicity::new(&program, &history.target),
            Duplicity::new(&program, &other),
        );
        beside.save(Step::Full, &history.source, FIRST);
        let nothing = real.save(Step::Incremental, &history.source, FIRST + DAY);
        for word in COUNTED {
            assert_eq!(counted(&nothing, word), 0, "{word} when nothing has changed\n{nothing}");
        }
        tree_g::change(&history.source, Stage::M1);
        let [on_ours, on_its_own] =
            [&real, &beside].map(|real| real.save(Step::Incremental, &history.source, FIRST + 2 * DAY));
        for word in COUNTED {
            assert_eq!(
                counted(&on_ours, word),
                counted(&on_its_own, word),
                "{word}\n{on_ours}\n{on_its_own}"
            );
        }
    }
}

#[test]
fn b6_written_in_turns() {
    for program in each!() {
        for ours_first in [true, false] {
            let mut history = History::new();
            let ours = Holdfast::new(&history.target);
            let real = Duplicity::new(&program, &history.target);
            if ours_first {
                history.play(&[&ours, &real]);
            } else {
                history.play(&[&real, &ours]);
            }
            history.assert_restores(&ours);
            history.assert_restores(&real);
            assert_content(&real);
            ours.check(&history.source);
        }
    }
}

#[test]
fn b7_other_names_wrappings_and_sizes() {
    const PREFIXES: [&str; 8] = [
        "--file-prefix",
        "P-",
        "--file-prefix-archive",
        "A-",
        "--file-prefix-manifest",
        "M-",
        "--file-prefix-signature",
        "S-",
    ];
    let (named, _) = played(|settings| settings.prefixes = prefixes());
    let (plain, _) = played(|settings| settings.compression = false);
    let (large, _) = played(|settings| settings.volume_size = 200 << 20);
    assert_eq!(volumes(&large.target, "full").len(), 1);
    for program in each!() {
        let real = Duplicity::new(&program, &named.target).with(&PREFIXES);
        named.assert_restores(&real);
        assert_content(&real);
        plain.assert_restores(&Duplicity::new(&program, &plain.target).wrapping(Wrap::Plain));
        large.assert_restores(&Duplicity::new(&program, &large.target));
    }
}

#[test]
fn b8_the_cache_is_made_from_the_repository() {
    for program in each!() {
        let (mut history, _ours) = played(|_| {});
        let real = Duplicity::new(&program, &history.target);
        assert_content(&real);
        fs::write(history.source.join("one more"), "file").unwrap();
        history.save(&real, Step::Incremental);
        real.forget_cache();
        fs::write(history.source.join("another"), "file").unwrap();
        history.save(&real, Step::Incremental);
        history.assert_restores(&real);
        history.assert_restores(&Holdfast::new(&history.target));
    }
}

#[test]
fn b10_the_same_bytes() {
    for program in each!() {
        let mut history = History::new();
        let real_target = history.path("real");
        fs::create_dir(&real_target).unwrap();
        let ours = Holdfast::new(&history.target).with(|settings| {
            settings.extras = false;
            settings.blocks = blocks_of(&program);
        });
        let real = Duplicity::new(&program, &real_target);
        for (number, step) in (0..).zip([Step::Full, Step::Incremental, Step::Incremental]) {
            match number {
                1 => tree_g::change(&history.source, Stage::M1),
                2 => tree_g::change(&history.source, Stage::M2),
                _ => {}
            }
            let time = history.next_time();
            real.save(step, &history.source, time);
            history.save(&ours, step);
        }
        for part in [".manifest", ".sigtar", ".difftar"] {
            let sets = |target: &Path| -> Vec<String> {
                let names = set_files(target, part).into_iter();
                let mut sets: Vec<_> = names.map(|path| set_of(&path)).collect();
                sets.dedup();
                sets
            };
            assert_eq!(sets(&history.target), sets(&real_target));
        }
        for path in set_files(&real_target, ".manifest") {
            let [wrote, expected] = [&history.target, &real_target].map(|target| {
                let text = fs::read(target.join(path.file_name().unwrap())).unwrap();
                String::from_utf8_lossy(&text).into_owned()
            });
            assert_eq!(without_volumes(&wrote), without_volumes(&expected));
        }
        for path in set_files(&real_target, ".sigtar") {
            let [wrote, expected] = [&history.target, &real_target]
                .map(|target| tar::entries(&tar::unwrapped(&target.join(path.file_name().unwrap()))));
            assert_entries(&wrote, &expected);
        }
        for kind in ["full", "inc"] {
            let [wrote, expected] = [&history.target, &real_target].map(|target| {
                let all = volumes(target, kind).into_iter();
                all.flat_map(|volume| tar::entries(&tar::unwrapped(&volume)))
                    .collect::<Vec<_>>()
            });
            assert_entries(&wrote, &expected);
        }
    }
}

/// The set that a file belongs to, as its name says.
fn set_of(path: &Path) -> String {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    name.split(".vol").next().unwrap().to_owned()
}

/// The lines of a manifest that do not depend on where the volumes were cut.
fn without_volumes(text: &str) -> Vec<&str> {
    let is_of_volume = |line: &str| {
        ["Volume ", "    StartingPath", "    EndingPath", "    Hash"]
            .iter()
            .any(|start| line.starts_with(start))
    };
    text.lines().filter(|line| !is_of_volume(line)).collect()
}

fn assert_entries(wrote: &[tar::Entry], expected: &[tar::Entry]) {
    let names = |entries: &[tar::Entry]| -> Vec<String> {
        entries
            .iter()
            .map(|entry| entry.name.escape_ascii().to_string())
            .collect()
    };
    assert_eq!(names(wrote), names(expected));
    for (wrote, expected) in wrote.iter().zip(expected) {
        let is_delta = wrote.name.starts_with(b"diff/") || wrote.name.starts_with(b"multivol_diff/");
        if is_delta {
            // Literals may be cut in other places: what they make of the old file is compared in other tests.
            continue;
        }
        let name = wrote.name.escape_ascii();
        let differs = wrote
            .bytes
            .iter()
            .zip(&expected.bytes)
            .position(|(one, other)| one != other);
        assert!(
            wrote.bytes == expected.bytes,
            "{name}: {} and {} bytes differ at {differs:?}:\n{}\n{}",
            wrote.bytes.len(),
            expected.bytes.len(),
            wrote.bytes[..wrote.bytes.len().min(1600)].escape_ascii(),
            expected.bytes[..expected.bytes.len().min(1600)].escape_ascii()
        );
    }
}

#[test]
fn b11_each_path_alone() {
    let (history, _ours) = played(|_| {});
    let (_, saved) = history.states.last().unwrap();
    let names = [
        "empty",
        "size-1",
        "size-65535",
        "size-65536",
        "size-131072",
        BIG,
        NEWLINE,
        "dir1",
        "dir1/sub/deeper/f4",
        "dir1-x",
        "dir1.y",
        "text.log",
        "sparse.img",
        "names",
        "to-dir",
        "dir-to-file",
        "link-raw",
        "fifo",
        "suid",
        "new-dir",
    ];
    let odd = saved
        .keys()
        .filter(|path| path.starts_with("names") && *path != Path::new("names"));
    let paths: Vec<PathBuf> = names.iter().map(PathBuf::from).chain(odd.cloned()).collect();
    for program in each!() {
        let real = Duplicity::new(&program, &history.target);
        for path in &paths {
            let target = tempfile::tempdir().unwrap();
            let restored = target.path().join("restored");
            let printed = real.restore_path(path, &restored);
            assert!(restored.symlink_metadata().is_ok(), "{}: {printed}", path.display());
            assert_part_equal(saved, path, &restored);
        }
    }
}

#[test]
fn b12_what_changed_when() {
    let (history, _ours) = played(|_| {});
    for program in each!() {
        let real = Duplicity::new(&program, &history.target);
        // It tells of what it has in its archive folder, and this is what fills that.
        real.on_target("list-current-files", &[] as &[&str]);
        let printed = real.on_target("collection-status", &["--file-changed", "to-delete"]);
        let kinds: Vec<&str> = ["New", "Deleted"]
            .into_iter()
            .filter(|kind| printed.contains(kind))
            .collect();
        assert_eq!(kinds, ["New", "Deleted"], "{printed}");
        let printed = real.on_target("collection-status", &["--show-changes-in-set", "0"]);
        for line in ["big.bin changed", "to-delete new", "new deleted"] {
            let has = printed
                .lines()
                .any(|other| other.split_whitespace().eq(line.split_whitespace()));
            assert!(has, "{line:?} is not in\n{printed}");
        }
    }
}

#[test]
fn b13_removal_by_the_original() {
    for program in each!() {
        for (action, argument, times) in [
            ("remove-older-than", (FIRST + 3 * DAY).to_string(), vec![2, 3, 4, 5]),
            ("remove-all-but-n-full", "1".to_owned(), vec![4, 5]),
            ("remove-all-inc-of-but-n-full", "1".to_owned(), vec![0, 2, 4, 5]),
        ] {
            let mut history = History::of_empty();
            let ours = Holdfast::new(&history.target);
            for number in 0..6_u64 {
                replace(
                    &history.source.join("file"),
                    &Random::new(number).noise(30_000),
                    1_600_000_000 + number as i64,
                );
                history.save(&ours, if number % 2 == 0 { Step::Full } else { Step::Incremental });
            }
            let real = Duplicity::new(&program, &history.target);
            real.on_target(action, &[argument.as_str(), "--force"]);
            let kept = |time: &i64| times.contains(&((time - FIRST) / DAY));
            history.states.retain(|(time, _)| kept(time));
            let found = ours.times(&history.source);
            let expected: Vec<i64> = history.states.iter().map(|(time, _)| *time).collect();
            assert_eq!(found, expected, "{action}: {:?}", history.names());
            history.assert_restores(&ours);
            history.assert_restores(&real);
            ours.check(&history.source);
        }
    }
}

#[test]
fn b14_private_records() {
    let mut history = History::new();
    let ours = Holdfast::new(&history.target).with(|settings| settings.extras = true);
    let flags = rustix::fs::XattrFlags::empty();
    let path = history.source.join("size-1");
    let has_attributes = rustix::fs::setxattr(&path, "user.holdfast", b"a value\nof two lines", flags).is_ok();
    assert!(has_attributes, "this filesystem has no attributes");
    history.play(&[&ours]);
    // By Holdfast everything comes back.
    let target = history.path("strict");
    let root = ours.restore(None, &history.source, &target);
    let (_, saved) = history.states.last().unwrap();
    assert_same(saved, &picture(&root), Compare::default());
    // By the others, what the format knows.
    for program in each!() {
        let real = Duplicity::new(&program, &history.target);
        history.assert_restores(&real);
        real.verify(&history.source);
        assert_content(&real);
    }
    // And on their sets goes on, whoever adds the next.
    for program in each!() {
        let mut history = History::new();
        let ours = Holdfast::new(&history.target).with(|settings| settings.extras = true);
        let real = Duplicity::new(&program, &history.target);
        history.play(&[&ours, &real]);
        history.assert_restores(&ours);
        history.assert_restores(&real);
    }
}

#[test]
fn b15_signatures_by_blake2() {
    for program in each!() {
        let mut history = History::new();
        let ours = Holdfast::new(&history.target).with(|settings| settings.blake2_signatures = true);
        let real = Duplicity::new(&program, &history.target);
        history.play(&[&ours, &real]);
        history.assert_restores(&real);
        history.assert_restores(&ours);
        ours.check(&history.source);
    }
}

#[test]
fn b16_times_before_1970() {
    for program in each!() {
        let mut history = History::of_empty();
        let old = history.source.join("old");
        replace(&old, b"older than time", -86_400);
        let ours = Holdfast::new(&history.target);
        history.save(&ours, Step::Full);
        let real = Duplicity::new(&program, &history.target);
        history.assert_restores_latest(&real);
        let printed = real.save(Step::Incremental, &history.source, FIRST + DAY);
        assert_eq!(counted(&printed, "ChangedFiles"), 0, "{printed}");
        let root = ours.restore(Some(FIRST), &history.source, &history.path("restored"));
        assert_eq!(picture(&root)[Path::new("old")].mtime, (-86_400, 0));
    }
}

//! Group A: Holdfast reads what the real programs wrote.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use engine_api::{Engine, EntryKind, ErrorKind, Silent, SnapshotFilter, SnapshotId, SnapshotRef};
use holdfast_tests::corpus::Random;
use holdfast_tests::duplicity::cipher::{keys, passphrase};
use holdfast_tests::duplicity::equal::assert_part_equal;
use holdfast_tests::duplicity::history::{History, Side, Step};
use holdfast_tests::duplicity::keys::Keyring;
use holdfast_tests::duplicity::ours::{Holdfast, seconds};
use holdfast_tests::duplicity::programs::{self, Program};
use holdfast_tests::duplicity::real::{Duplicity, Wrap};
use holdfast_tests::duplicity::tree_g::{BIG, NEWLINE, set_time};
use holdfast_tests::duplicity::{DAY, FIRST, PASSPHRASE};
use holdfast_tests::faults::{Gated, Log};
use holdfast_tests::holdfast::{local, restore_to};
use holdfast_tests::need;
use holdfast_tests::tree::{below, picture};

use crate::common::{each, flip, manifest, replace, set_files, volumes};

/// Full and two increments of tree G by `program`.
fn played(program: &Program) -> (History, Duplicity) {
    let mut history = History::new();
    let real = Duplicity::new(program, &history.target);
    history.play(&[&real]);
    (history, real)
}

#[test]
fn a1_a_full_backup() {
    for program in each!() {
        let mut history = History::new();
        history.save(&Duplicity::new(&program, &history.target), Step::Full);
        history.assert_restores_latest(&Holdfast::new(&history.target));
    }
}

#[test]
fn a2_every_state_of_a_chain() {
    for program in each!() {
        let (history, _real) = played(&program);
        let ours = Holdfast::new(&history.target);
        history.assert_restores(&ours);
        history.assert_restores_latest(&ours);
        ours.check(&history.source);
    }
}

#[test]
fn a3_encrypted_with_a_passphrase() {
    for program in each!() {
        let mut history = History::new();
        let real = Duplicity::new(&program, &history.target).wrapping(Wrap::Passphrase(PASSPHRASE.to_owned()));
        history.play(&[&real]);
        let ours = Holdfast::new(&history.target).with(|settings| settings.encryption = Some(passphrase(PASSPHRASE)));
        history.assert_restores(&ours);
        ours.check(&history.source);
        // The message's own integrity check is what protects a manifest.
        let last = set_files(&history.target, ".manifest.gpg").pop().unwrap();
        flip(&last, fs::metadata(&last).unwrap().len() / 2);
        let report = ours.check_report(&history.source);
        assert!(report.errors > 0, "a flipped bit in an encrypted manifest was not seen");
    }
}

#[test]
fn a4_encrypted_to_keys() {
    let ring = need!(Keyring::new(), "gpg is not installed");
    for program in each!() {
        for options in [
            vec![("--encrypt-key", ring.rsa.as_str())],
            vec![
                ("--encrypt-key", ring.curve.as_str()),
                ("--sign-key", ring.rsa.as_str()),
            ],
            vec![("--encrypt-sign-key", ring.rsa.as_str())],
            vec![("--hidden-encrypt-key", ring.curve.as_str())],
        ] {
            let mut history = History::of_empty();
            fs::write(history.source.join("text"), Random::new(1).text(2_000_000)).unwrap();
            let real = Duplicity::new(&program, &history.target).wrapping(Wrap::keys(&options, &ring));
            history.save(&real, Step::Full);
            fs::write(history.source.join("more"), Random::new(2).noise(1_500_000)).unwrap();
            history.save(&real, Step::Incremental);
            let ours = Holdfast::new(&history.target).with(|settings| settings.encryption = Some(keys(&ring)));
            history.assert_restores(&ours);
            ours.check(&history.source);
        }
    }
}

#[test]
fn a5_plain_files_and_prefixes() {
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
    for program in each!() {
        let mut history = History::new();
        let real = Duplicity::new(&program, &history.target)
            .wrapping(Wrap::Plain)
            .with(&PREFIXES);
        history.play(&[&real]);
        assert!(history.names().iter().all(|name| name.starts_with("P-")));
        let ours = Holdfast::new(&history.target).with(|settings| {
            settings.compression = false;
            settings.prefixes = crate::common::prefixes();
        });
        history.assert_restores(&ours);
        // What the settings say of the wrapping is for writing; a reader looks at the names.
        let ours = Holdfast::new(&history.target).with(|settings| settings.prefixes = crate::common::prefixes());
        history.assert_restores_latest(&ours);
    }
}

#[test]
fn a6_written_in_turns() {
    let old = need!(programs::old(), "no duplicity 0.8 is installed");
    let new = need!(programs::new(), "no duplicity 3 is installed");
    let middle = programs::of(&[3, 1]).unwrap_or_else(|| new.clone());
    let mut history = History::new();
    let [old, new, middle] = [old, new, middle].map(|program| Duplicity::new(&program, &history.target));
    history.play(&[&old, &new, &old]);
    fs::write(history.source.join("at the end"), Random::new(5).text(100_000)).unwrap();
    history.save(&middle, Step::Incremental);
    let ours = Holdfast::new(&history.target);
    history.assert_restores(&ours);
    ours.check(&history.source);
}

#[test]
fn a7_old_names() {
    let program = need!(programs::old(), "no duplicity 0.8 is installed");
    for (option, zone) in [
        ("--short-filenames", "UTC"),
        ("--old-filenames", "Europe/Berlin"),
        ("--old-filenames", "America/St_Johns"),
        ("--old-filenames", "UTC"),
    ] {
        let mut history = History::of_empty();
        fs::write(history.source.join("file"), Random::new(1).noise(1_500_000)).unwrap();
        let real = Duplicity::new(&program, &history.target).with(&[option]).in_zone(zone);
        history.save(&real, Step::Full);
        let file = fs::File::create(history.source.join("file")).unwrap();
        (&file).write_all(&Random::new(2).noise(70_000)).unwrap();
        // The original looks at whole seconds only.
        file.set_modified(SystemTime::now() + Duration::from_secs(5)).unwrap();
        history.save(&real, Step::Incremental);
        let ours = Holdfast::new(&history.target);
        assert_eq!(
            ours.times(&history.source),
            [FIRST, FIRST + DAY],
            "{option} in {zone}: {:?}",
            history.names()
        );
        history.assert_restores(&ours);
    }
}

#[test]
fn a8_statistics_beside_the_sets() {
    let program = need!(programs::new(), "no duplicity 3 is installed");
    let mut history = History::new();
    let real = Duplicity::new(&program, &history.target);
    for step in [Step::Full, Step::Incremental] {
        let time = history.next_time();
        let mut arguments = real.backup_arguments(&history.source, time);
        arguments.insert(0, "--jsonstat".into());
        real.run(holdfast_tests::duplicity::real::action(step), &arguments);
        history.states.push((time, picture(&history.source)));
        fs::write(history.source.join("new"), "later").unwrap();
    }
    assert!(
        history.names().iter().any(|name| name.contains("jsonstat")),
        "{:?}",
        history.names()
    );
    let ours = Holdfast::new(&history.target);
    history.assert_restores(&ours);
    ours.check(&history.source);
}

#[test]
fn a9_tar_streams_of_gnu() {
    for program in each!() {
        let (history, _real) = played(&program);
        crate::common::to_gnu_tar(&history.target);
        let ours = Holdfast::new(&history.target);
        history.assert_restores(&ours);
        ours.check(&history.source);
    }
}

#[test]
fn a10_nothing_changed() {
    for program in each!() {
        let mut history = History::new();
        let real = Duplicity::new(&program, &history.target);
        history.save(&real, Step::Full);
        history.save(&real, Step::Incremental);
        assert_eq!(volumes(&history.target, "inc").len(), 1);
        let ours = Holdfast::new(&history.target);
        history.assert_restores(&ours);
        assert_eq!(ours.times(&history.source).len(), 2);
        ours.check(&history.source);
    }
}

#[test]
fn a11_a_single_file() {
    for program in each!() {
        for length in [10, 3_500_000] {
            let history = History::of_empty();
            fs::remove_dir(&history.source).unwrap();
            let content = |seed| Random::new(seed).noise(length);
            fs::write(&history.source, content(1)).unwrap();
            let real = Duplicity::new(&program, &history.target);
            real.save(Step::Full, &history.source, FIRST);
            let ours = Holdfast::new(&history.target);
            let restored = ours.restore(None, &history.source, &history.path("first"));
            assert!(fs::read(restored).unwrap() == content(1));

            let mut changed = content(1);
            changed.extend(content(2));
            fs::write(&history.source, &changed).unwrap();
            set_time(&history.source, 1_650_000_000, 0);
            real.save(Step::Incremental, &history.source, FIRST + DAY);
            let restored = ours.restore(None, &history.source, &history.path("second"));
            assert!(fs::read(restored).unwrap() == changed);
            let restored = ours.restore(Some(FIRST), &history.source, &history.path("again"));
            assert!(fs::read(restored).unwrap() == content(1));
        }
    }
}

#[test]
fn a12_a_resumed_backup() {
    let program = need!(programs::old(), "no duplicity 0.8 is installed");
    let mut history = History::new();
    let real = Duplicity::new(&program, &history.target);
    real.fail("full", &failing(&real, &history, 3));
    history.save(&real, Step::Full);
    let path = manifest(&history.target, "full");
    let text = fs::read(&path).unwrap();
    let count = |text: &[u8]| String::from_utf8_lossy(text).matches("Volume 3:").count();
    assert_eq!(count(&text), 2, "{}", String::from_utf8_lossy(&text));
    let ours = Holdfast::new(&history.target);
    history.assert_restores_latest(&ours);
    ours.check(&history.source);

    // An older one resumed after its list of files: the list is in the middle and comes again at the end.
    let text = String::from_utf8_lossy(&text).into_owned();
    let list = text.find("Filelist").unwrap();
    let third = text.rfind("Volume 3:").unwrap();
    let (blocks, list) = text.split_at(list);
    fs::write(&path, format!("{}{list}{}{list}", &blocks[..third], &blocks[third..])).unwrap();
    let ours = Holdfast::new(&history.target);
    history.assert_restores_latest(&ours);
    ours.check(&history.source);
}

/// The arguments of a full backup that is interrupted after so many volumes.
fn failing(real: &Duplicity, history: &History, volume: u32) -> Vec<std::ffi::OsString> {
    let mut arguments = real.backup_arguments(&history.source, history.next_time());
    arguments.insert(0, format!("--fail-on-volume={volume}").into());
    arguments
}

#[test]
fn a13_parts() {
    for program in each!() {
        let (history, _real) = played(&program);
        let ours = Holdfast::new(&history.target);
        let (last, saved) = history.states.last().unwrap();
        for path in [
            "size-1",
            "dir1",
            "dir1/sub/f2",
            BIG,
            NEWLINE,
            "dir-to-file",
            "to-symlink",
        ] {
            let source = history.source.join(path);
            let store = Gated::new(local(&history.target), Log::default());
            let target = tempfile::tempdir().unwrap();
            let mut request = restore_to(SnapshotRef::At(seconds(*last)), target.path());
            request.paths = vec![source.clone()];
            let engine = ours.engine_on(store.clone(), Step::Incremental, &history.source);
            let report = engine.restore(&request, &Silent).unwrap();
            assert!(report.problems.is_empty(), "{path}: {:?}", report.problems);
            assert_part_equal(saved, Path::new(path), &below(target.path(), &source));
            let fetched = store.gate.fetched();
            let fetched: Vec<_> = fetched.iter().filter(|name| name.contains(".vol")).collect();
            let needed = crate::common::volumes_of(&history.target, Path::new(path));
            let fetched_names: Vec<&str> = fetched.iter().map(|name| name.as_str()).collect();
            let more: Vec<_> = fetched_names
                .iter()
                .filter(|name| !needed.iter().any(|other| other == *name))
                .collect();
            assert!(more.is_empty(), "{path} needs {needed:?}, and {more:?} were read too");
        }
        let mut request = restore_to(SnapshotRef::Latest, &history.path("nowhere"));
        request.paths = vec![history.source.join("no such path")];
        let error = ours.try_restore(&history.source, &request).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{}", error.chain());
        assert!(error.chain().contains("no such path"), "{}", error.chain());
    }
}

#[test]
fn a14_listings() {
    for program in each!() {
        let (history, real) = played(&program);
        let ours = Holdfast::new(&history.target);
        for (snapshot, (time, saved)) in ours.snapshots(&history.source).into_iter().zip(&history.states) {
            let entries = ours.entries(&history.source, &snapshot.id);
            let paths: Vec<_> = entries.iter().map(|entry| entry.path.as_path()).collect();
            let socket = history.source.join("socket");
            let mut expected: Vec<_> = saved.keys().map(|path| history.source.join(path)).collect();
            // Joining nothing leaves a slash, which is the same path.
            expected.retain(|path| *path != socket);
            assert_eq!(paths, expected);
            let listed = real.on_target("list-current-files", &["--time", &time.to_string()]);
            for entry in entries
                .iter()
                .skip(1)
                .filter(|entry| entry.metadata.kind != EntryKind::Symlink)
            {
                let path = entry.path.strip_prefix(&history.source).unwrap();
                let Some(name) = path.to_str().filter(|name| !name.contains(['\n', '\r'])) else {
                    continue;
                };
                let when = entry
                    .metadata
                    .mtime
                    .to_jiff()
                    .unwrap()
                    .strftime("%a %b %e %H:%M:%S %Y")
                    .to_string();
                let line = format!("{when} {name}");
                let exact = saved[path].mtime.0 >= 0;
                assert!(
                    !exact || listed.lines().any(|other| other == line),
                    "{line:?} is not in\n{listed}"
                );
            }
        }
    }
}

#[test]
fn a15_damaged_volumes() {
    for program in each!() {
        type Damage = fn(&Path);
        let damages: [(&str, Damage); 3] = [
            ("flipped", |path| flip(path, fs::metadata(path).unwrap().len() / 2)),
            ("truncated", |path| {
                let file = fs::File::options().write(true).open(path).unwrap();
                file.set_len(fs::metadata(path).unwrap().len() - 1000).unwrap();
            }),
            ("deleted", |path| fs::remove_file(path).unwrap()),
        ];
        for (what, damage) in damages {
            let mut history = History::new();
            history.save(&Duplicity::new(&program, &history.target), Step::Full);
            let all = volumes(&history.target, "full");
            assert!(all.len() >= 3, "{all:?}");
            let damaged = &all[1];
            damage(damaged);
            let name = damaged.file_name().unwrap().to_str().unwrap();
            let ours = Holdfast::new(&history.target);
            let report = ours.check_report(&history.source);
            assert!(report.errors > 0, "{what}");
            assert!(
                report
                    .findings
                    .iter()
                    .any(|finding| format!("{finding:?}").contains(name) || finding.object.starts_with("volume 2 ")),
                "{what}: {name} is not named in {:?}",
                report.findings
            );
            assert_partly_restored(&ours, &history, what);
        }
    }
}

/// Everything but [`BIG`], of which a volume in the middle is lost, and what stands in that volume beside it.
fn assert_partly_restored(ours: &Holdfast, history: &History, what: &str) {
    let target = tempfile::tempdir().unwrap();
    let report = ours
        .try_restore(&history.source, &restore_to(SnapshotRef::Latest, target.path()))
        .unwrap_or_else(|error| panic!("{what}: {}", error.chain()));
    let named: Vec<_> = report
        .problems
        .first
        .iter()
        .map(|problem| problem.path.clone())
        .collect();
    assert!(
        named.iter().any(|path| path.ends_with(BIG)),
        "{what}: {BIG} is not named in {:?}",
        report.problems
    );
    let restored = picture(&below(target.path(), &history.source));
    let (_, saved) = &history.states[0];
    let is_named = |path: &Path| named.iter().any(|named| named.ends_with(path));
    for (path, item) in saved {
        let is_special = path.as_os_str().is_empty() || path == Path::new("socket");
        if is_special || is_named(path) {
            continue;
        }
        let other = restored
            .get(path)
            .unwrap_or_else(|| panic!("{what}: {} is not there", path.display()));
        assert_eq!(item.content, other.content, "{what}: {}", path.display());
    }
    assert!(
        restored.len() * 2 > saved.len(),
        "{what}: only {} of {} are there",
        restored.len(),
        saved.len()
    );
}

#[test]
fn a16_a_wrong_passphrase() {
    for program in each!() {
        let mut history = History::of_empty();
        fs::write(history.source.join("file"), "secret").unwrap();
        let real = Duplicity::new(&program, &history.target).wrapping(Wrap::Passphrase(PASSPHRASE.to_owned()));
        history.save(&real, Step::Full);
        let wrong = Holdfast::new(&history.target).with(|settings| settings.encryption = Some(passphrase("wrong")));
        let none = Holdfast::new(&history.target);
        for ours in [wrong, none] {
            let target = history.path("nothing");
            let error = ours
                .try_restore(&history.source, &restore_to(SnapshotRef::Latest, &target))
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::WrongPassword, "{}", error.chain());
            assert!(!below(&target, &history.source).exists());
        }
    }
}

#[test]
fn a17_foreign_files() {
    for program in each!() {
        let (history, _real) = played(&program);
        let volume = volumes(&history.target, "full").remove(0);
        for end in [".par2", ".vol000+20.par2"] {
            let mut name = volume.clone().into_os_string();
            name.push(end);
            fs::write(name, "parity").unwrap();
        }
        for name in [
            "notes.txt",
            "duplicity-full.yesterday.manifest",
            "duplicity-full.19700101T000000Z.manifest",
            "snapshots",
        ] {
            fs::write(history.target.join(name), "foreign").unwrap();
        }
        fs::write(history.target.join(OsStr::from_bytes(b"caf\xe9")), "foreign").unwrap();
        let before = history.target.read_dir().unwrap().count();
        let ours = Holdfast::new(&history.target);
        history.assert_restores(&ours);
        ours.check(&history.source);
        let prune = engine_api::PruneRequest {
            max_unused: 0.0,
            max_repack: None,
            dry_run: false,
        };
        ours.engine(&history.source).prune(&prune, &Silent).unwrap();
        assert_eq!(history.target.read_dir().unwrap().count(), before);
    }
}

#[test]
fn a18_missing_sets() {
    for program in each!() {
        let (mut history, _real) = played(&program);
        // Without its manifest a set does not exist.
        let last = set_files(&history.target, ".manifest")
            .into_iter()
            .rfind(|path| path.to_string_lossy().contains("duplicity-inc"))
            .unwrap();
        fs::remove_file(&last).unwrap();
        history.states.pop();
        let ours = Holdfast::new(&history.target);
        assert_eq!(ours.times(&history.source), [FIRST, FIRST + DAY]);
        history.assert_restores(&ours);
        history.assert_restores_latest(&ours);
        let report = ours.check_report(&history.source);
        assert!(!report.findings.is_empty(), "the incomplete set is not reported");

        let (mut history, _real) = played(&program);
        for path in set_files(&history.target, "")
            .into_iter()
            .filter(|path| path.to_string_lossy().contains("duplicity-inc.20231114T"))
        {
            fs::remove_file(path).unwrap();
        }
        history.states.truncate(1);
        let ours = Holdfast::new(&history.target);
        assert_eq!(ours.times(&history.source), [FIRST]);
        history.assert_restores_latest(&ours);
        let report = ours.check_report(&history.source);
        assert!(
            report
                .findings
                .iter()
                .any(|finding| format!("{finding:?}").contains("20231116T")),
            "the orphan is not reported: {:?}",
            report.findings
        );
    }
}

#[test]
fn a19_an_interrupted_backup() {
    let program = need!(programs::old(), "no duplicity 0.8 is installed");
    let mut history = History::new();
    let real = Duplicity::new(&program, &history.target);
    real.fail("full", &failing(&real, &history, 2));
    let ours =
        Holdfast::new(&history.target).with(|settings| settings.archive = real.cache().parent().map(Path::to_owned));
    let error = ours
        .try_restore(
            &history.source,
            &restore_to(SnapshotRef::Latest, &history.path("nothing")),
        )
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoRepository, "{}", error.chain());

    // After a complete chain the newest state is the last complete one.
    history.save(&real, Step::Full);
    replace(
        &history.source.join(BIG),
        &Random::new(99).noise(3_000_000),
        1_660_000_000,
    );
    real.fail("incremental", &failing(&real, &history, 2));
    history.assert_restores_latest(&ours);
    assert_eq!(ours.times(&history.source).len(), 1);
    let latest = ours
        .engine(&history.source)
        .resolve(&SnapshotRef::Latest, &SnapshotFilter::default())
        .unwrap();
    let SnapshotId(_id) = &latest.id;
    assert_eq!(latest.time.seconds, FIRST);
}

//! Every kind of damage to every kind of file: it is named, what is intact is restored, and repair leaves a good
//! repository.

use std::fs;
use std::path::{Path, PathBuf};

use engine_api::{Engine, Severity, Silent, SnapshotRef, Timestamp};
use holdfast_tests::holdfast::{Repository, local, restore_to};
use holdfast_tests::tree::{Compare, Picture, assert_same, below, differences, picture};
use holdfast_tests::{corpus, restic};

use crate::common::{Bench, objects};

#[derive(Debug, Clone, Copy)]
enum Damage {
    Truncated,
    Emptied,
    Flipped,
    Deleted,
}

const ALL: [Damage; 4] = [Damage::Truncated, Damage::Emptied, Damage::Flipped, Damage::Deleted];

impl Damage {
    fn apply(self, path: &Path) {
        let mut bytes = fs::read(path).unwrap();
        fs::remove_file(path).unwrap();
        let middle = bytes.len() / 2;
        match self {
            Self::Truncated => bytes.truncate(middle),
            Self::Emptied => bytes.clear(),
            Self::Flipped => bytes[middle] ^= 1,
            Self::Deleted => return,
        }
        fs::write(path, bytes).unwrap();
    }
}

/// Two snapshots with much in common, in several packs, and what each of them saved.
fn bench() -> (Bench, [Picture; 2]) {
    let bench = Bench::new();
    corpus::plain_tree(&bench.tree, 1, 120, 30_000);
    let first = bench.picture();
    bench.init().backup(&[&bench.tree]);
    corpus::edit_plain_tree(&bench.tree, 2, 4);
    let second = bench.picture();
    bench.open().backup(&[&bench.tree]);
    (bench, [first, second])
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

/// The packs of file content and those of listings, told apart by what they hold.
fn packs(bench: &Bench, kind: &str) -> Vec<PathBuf> {
    let program = restic::newest().unwrap();
    let restic = bench.restic(&program);
    let list = restic.run(&["list", "index"]);
    let mut names = Vec::new();
    for id in list.split_whitespace() {
        let index = restic.json(&["cat", "index", id]);
        for pack in index["packs"].as_array().unwrap() {
            if pack["blobs"][0]["type"] == kind {
                names.push(pack["id"].as_str().unwrap().to_owned());
            }
        }
    }
    names.sort();
    names
        .into_iter()
        .map(|name| bench.repository.join("data").join(&name[..2]).join(&name))
        .collect()
}

/// Damages one file in every way and looks what becomes of it.
fn each_damage(file: impl Fn(&Bench) -> PathBuf, names_it: bool, loses_data: bool) {
    let program = holdfast_tests::need!(restic::newest(), "restic is not installed");
    for damage in ALL {
        let (bench, saved) = bench();
        let times: Vec<_> = bench.open().snapshots().iter().map(|snapshot| snapshot.time).collect();
        let path = file(&bench);
        damage.apply(&path);
        let said = findings(&bench);
        assert!(!said.is_empty(), "{damage:?} of {} was not noticed", path.display());
        let named = said.iter().any(|line| line.contains(&name(&path)[..8]));
        assert!(
            !names_it || named,
            "{damage:?} of {} is told as {said:?}",
            path.display()
        );

        bench
            .open()
            .repair()
            .unwrap_or_else(|error| panic!("{damage:?}: {}", error.chain()));
        bench.open().check();
        bench.restic(&program).check();
        if loses_data {
            assert_what_is_left(&bench, &times, &saved);
        } else {
            bench.assert_restores(&saved[1]);
        }
        // And it can be gone on with: what was lost is saved again.
        bench.open().backup(&[&bench.tree]);
        bench.restic(&program).check();
        bench.assert_restores(&saved[1]);
    }
}

fn findings(bench: &Bench) -> Vec<String> {
    match bench.open().check_report() {
        Ok(report) => report
            .findings
            .into_iter()
            .filter(|finding| finding.severity == Severity::Error)
            .map(|finding| format!("{}: {}", finding.object, finding.message))
            .collect(),
        Err(error) => vec![error.chain()],
    }
}

/// After a loss each repaired snapshot restores without complaint, and every file that it still has is right.
fn assert_what_is_left(bench: &Bench, times: &[Timestamp], saved: &[Picture; 2]) {
    for snapshot in bench.open().snapshots() {
        let which = times.iter().position(|time| *time == snapshot.time).unwrap();
        let target = bench.path("left");
        bench.open().restore(SnapshotRef::Id(snapshot.id.0), &target);
        let restored = picture(&below(&target, &bench.tree));
        let is_file = |path: &PathBuf| {
            restored
                .get(path)
                .is_some_and(|item| item.target.is_none() && item.size > 0)
        };
        let files: Picture = saved[which]
            .clone()
            .into_iter()
            .filter(|(path, _)| is_file(path))
            .collect();
        let same: Picture = restored
            .clone()
            .into_iter()
            .filter(|(path, _)| files.contains_key(path))
            .collect();
        assert_same(&files, &same, Compare::default());
        let more: Vec<_> = restored
            .keys()
            .filter(|path| !saved[which].contains_key(*path))
            .collect();
        assert!(more.is_empty(), "{more:?}");
        fs::remove_dir_all(target).unwrap();
    }
}

#[test]
fn a_pack_of_file_content() {
    each_damage(|bench| packs(bench, "data")[0].clone(), true, true);
}

#[test]
fn a_pack_of_listings() {
    each_damage(|bench| packs(bench, "tree")[0].clone(), true, true);
}

#[test]
fn an_index() {
    each_damage(|bench| objects(&bench.repository, "index")[0].clone(), false, false);
}

/// A deleted snapshot cannot be noticed by anybody, so only the other damages are.
#[test]
fn a_snapshot() {
    let program = holdfast_tests::need!(restic::newest(), "restic is not installed");
    for damage in [Damage::Truncated, Damage::Emptied, Damage::Flipped] {
        let (bench, _) = bench();
        let snapshots = bench.open().snapshots();
        let path = bench.repository.join("snapshots").join(&snapshots[0].id.0);
        damage.apply(&path);
        let said = findings(&bench);
        let named = said.iter().any(|line| line.contains(&name(&path)[..8]));
        assert!(named, "{damage:?} of {} is told as {said:?}", path.display());
        // The other one is listed and restored nevertheless.
        let listed = bench.open().snapshots();
        assert_eq!(listed.len(), 1, "{damage:?}");
        bench.assert_restores(&bench.picture());
        bench.open().repair().unwrap();
        bench.restic(&program).check();
        bench.assert_restores(&bench.picture());
    }
}

#[test]
fn the_config() {
    for damage in ALL {
        let (bench, _) = bench();
        damage.apply(&bench.repository.join("config"));
        let error = engine_api::Error::from(Repository::on(local(&bench.repository)).err().unwrap());
        assert!(error.hint().is_some(), "{damage:?}: {}", error.chain());
    }
}

/// One of two keys is damaged: the other opens the repository.
#[test]
fn one_key_of_two() {
    for damage in ALL {
        let (bench, _) = bench();
        let own = objects(&bench.repository, "keys")[0].clone();
        let password = engine_restic::Password::new("second".to_owned());
        bench.open().engine.add_key(&password).unwrap();
        damage.apply(&own);
        let settings = holdfast_tests::holdfast::settings("second");
        let engine = engine_restic::ResticEngine::open(local(&bench.repository), settings)
            .unwrap_or_else(|error| panic!("{damage:?}: {}", engine_api::Error::from(error).chain()));
        assert_eq!(
            engine
                .snapshots(&engine_api::SnapshotFilter::default(), &Silent)
                .unwrap()
                .len(),
            2
        );
    }
}

/// Before any repair: a restore brings back every file whose data is intact, and names the others.
#[test]
fn what_is_intact_is_restored_without_repair() {
    holdfast_tests::need!(restic::newest(), "restic is not installed");
    for damage in ALL {
        let bench = Bench::new();
        corpus::plain_tree(&bench.tree, 1, 60, 30_000);
        bench.init().backup(&[&bench.tree]);
        fs::write(bench.tree.join("later"), corpus::Random::new(9).noise(300_000)).unwrap();
        let before = packs(&bench, "data");
        bench.open().backup(&[&bench.tree]);
        let saved = bench.picture();
        let fresh = packs(&bench, "data")
            .into_iter()
            .find(|pack| !before.contains(pack))
            .unwrap();
        damage.apply(&fresh);
        let target = bench.path("target");
        let report = bench
            .open()
            .engine
            .restore(&restore_to(SnapshotRef::Latest, &target), &Silent)
            .unwrap();
        let named: Vec<_> = report
            .problems
            .first
            .iter()
            .map(|problem| problem.path.clone())
            .collect();
        assert!(
            named.iter().any(|path| path.ends_with("later")),
            "{damage:?}: {named:?}"
        );
        let restored = picture(&below(&target, &bench.tree));
        let wrong: Vec<_> = differences(&saved, &restored, Compare::default())
            .into_iter()
            .filter(|line| !line.starts_with("later"))
            .collect();
        assert!(wrong.is_empty(), "{damage:?}: {wrong:?}");
    }
}

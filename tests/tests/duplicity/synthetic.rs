//! Group D: a full set made of a chain, without the source.

use std::path::Path;
use std::process::Command;

use engine_api::BackupReport;
use holdfast_tests::duplicity::PASSPHRASE;
use holdfast_tests::duplicity::cipher::passphrase;
use holdfast_tests::duplicity::history::{History, Side, Step};
use holdfast_tests::duplicity::ours::Holdfast;
use holdfast_tests::duplicity::programs::{self, Program};
use holdfast_tests::duplicity::real::{Duplicity, Wrap};
use holdfast_tests::need;
use holdfast_tests::tree::picture;

use crate::common::{COUNTED, assert_content, counted, replace};

fn every_program() -> Option<Vec<Program>> {
    Some(programs::programs()).filter(|programs| !programs.is_empty())
}

/// Makes the set of what the history has, and remembers its state.
fn make(history: &mut History, ours: &Holdfast) {
    let (before, sets) = (history.names(), history.states.len());
    let report = ours.synthetic_full(&history.source);
    assert_eq!(report.sets, sets);
    let (last, _) = history.states.last().unwrap();
    history.states.push((last + 1, picture(&history.source)));
    let after = history.names();
    assert!(before.iter().all(|name| after.contains(name)), "{before:?} {after:?}");
    let states: Vec<i64> = history.states.iter().map(|(time, _)| *time).collect();
    assert_eq!(ours.times(&history.source), states);
}

/// An increment by the original on a copy of the repository finds nothing.
fn assert_unchanged(history: &History, program: &Program) {
    let copy = tempfile::tempdir().unwrap();
    let target = copy.path().join("target");
    let status = Command::new("cp").arg("-a").arg(&history.target).arg(&target).status();
    assert!(status.unwrap().success());
    let real = Duplicity::new(program, &target);
    let printed = real.save(Step::Incremental, &history.source, history.next_time());
    for word in COUNTED {
        assert_eq!(counted(&printed, word), 0, "{word} when nothing has changed\n{printed}");
    }
}

fn assert_nothing_saved(report: &BackupReport) {
    let counts = [report.files, report.dirs, report.others];
    let changed = counts.map(|counts| counts.new + counts.changed);
    assert_eq!((changed, report.bytes_added), ([0; 3], 0), "{report:?}");
}

/// Each goes on with the set that was made; then the old chain goes, and what is left stands alone.
fn assert_goes_on(history: &mut History, ours: &Holdfast, real: &Duplicity, old: usize) {
    assert_nothing_saved(&ours.save(Step::Incremental, &history.source, history.next_time()));
    history.states.push((history.next_time(), picture(&history.source)));
    for (number, side) in (1_u8..).zip([real as &dyn Side, ours]) {
        let time = 1_660_000_000 + i64::from(number);
        replace(&history.source.join("size-65536"), &[number; 70_000], time);
        history.save(side, Step::Incremental);
    }
    let (time, saved) = history.states[old - 1].clone();
    history.assert_restores_at(real, Some(time), &saved);
    history.assert_restores(ours);
    real.on_target("remove-all-but-n-full", &["1", "--force"]);
    history.states.drain(..old);
    let kept: Vec<i64> = history.states.iter().map(|(time, _)| *time).collect();
    assert_eq!(ours.times(&history.source), kept, "{:?}", history.names());
    history.assert_restores_latest(real);
    history.assert_restores(ours);
    assert_content(real);
    ours.check(&history.source);
}

#[test]
fn d8_a_synthetic_full_of_our_chain() {
    let programs = need!(every_program(), "duplicity is not installed");
    let mut history = History::new();
    let ours = Holdfast::new(&history.target);
    history.play(&[&ours]);
    make(&mut history, &ours);
    for program in &programs {
        let real = Duplicity::new(program, &history.target);
        history.assert_restores_latest(&real);
        real.verify(&history.source);
        assert_unchanged(&history, program);
    }
    let real = Duplicity::new(programs.last().unwrap(), &history.target);
    assert_content(&real);
    assert_goes_on(&mut history, &ours, &real, 3);
}

#[test]
fn d8_a_synthetic_full_of_the_originals_chain() {
    for program in need!(every_program(), "duplicity is not installed") {
        let mut history = History::new();
        let real = Duplicity::new(&program, &history.target);
        history.play(&[&real]);
        let ours = Holdfast::new(&history.target);
        make(&mut history, &ours);
        history.assert_restores_latest(&real);
        real.verify(&history.source);
        assert_unchanged(&history, &program);
        assert_goes_on(&mut history, &ours, &real, 3);
    }
}

#[test]
fn d8_a_synthetic_full_of_an_encrypted_chain() {
    let program = need!(programs::new(), "no duplicity 3 is installed");
    let mut history = History::new();
    let real = Duplicity::new(&program, &history.target).wrapping(Wrap::Passphrase(PASSPHRASE.to_owned()));
    let ours = Holdfast::new(&history.target).with(|settings| settings.encryption = Some(passphrase(PASSPHRASE)));
    history.play(&[&ours, &real]);
    make(&mut history, &ours);
    let is_sealed = |name: &String| Path::new(name).extension().is_some_and(|extension| extension == "gpg");
    assert!(history.names().iter().all(is_sealed), "{:?}", history.names());
    history.assert_restores_latest(&real);
    let printed = real.save(Step::Incremental, &history.source, history.next_time());
    assert_eq!(counted(&printed, "DeltaEntries"), 0, "{printed}");
}

#[test]
fn d8_the_source_is_not_read() {
    let mut history = History::new();
    let ours = Holdfast::new(&history.target);
    history.play(&[&ours]);
    let away = history.path("away");
    std::fs::rename(&history.source, &away).unwrap();
    let report = ours.synthetic_full(&history.source);
    std::fs::rename(&away, &history.source).unwrap();
    assert!(report.files > 20, "{report:?}");
    let (last, saved) = history.states.last().unwrap().clone();
    history.states.push((last + 1, saved));
    history.assert_restores_latest(&ours);
}

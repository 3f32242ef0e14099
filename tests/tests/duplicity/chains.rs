//! Group D: times, chains and what is kept.

use std::fs;
use std::path::Path;

use engine_api::retention::{Count, GroupBy, Keep};
use engine_api::{Engine, ErrorKind, ForgetReport, ForgetRequest, PruneRequest, Silent, SnapshotFilter, SnapshotRef};
use holdfast_tests::corpus::Random;
use holdfast_tests::duplicity::history::{History, Step, names};
use holdfast_tests::duplicity::ours::{Holdfast, seconds};
use holdfast_tests::duplicity::real::Duplicity;
use holdfast_tests::duplicity::{DAY, FIRST};
use holdfast_tests::holdfast::restore_to;

use crate::common::{each, replace, set_files};

/// So many chains of a full and an increment each, a day apart, by `side`.
fn chains(side: &dyn holdfast_tests::duplicity::history::Side, history: &mut History, count: u64) {
    for number in 0..count * 2 {
        let time = 1_600_000_000 + i64::try_from(number).unwrap();
        replace(
            &history.source.join("file"),
            &Random::new(number + 1).noise(20_000),
            time,
        );
        history.save(side, if number % 2 == 0 { Step::Full } else { Step::Incremental });
    }
}

#[test]
fn d1_which_sets_a_time_means() {
    for program in each!() {
        let mut history = History::of_empty();
        let real = Duplicity::new(&program, &history.target);
        chains(&real, &mut history, 3);
        let ours = Holdfast::new(&history.target);
        let states = history.states.clone();
        for (number, (time, saved)) in states.iter().enumerate() {
            for later in [0, 1, DAY / 2, DAY - 1] {
                history.assert_restores_at(&ours, Some(time + later), saved);
                println!("set {number} and {later} seconds");
            }
        }
        history.assert_restores_latest(&ours);
        let (now, last) = states.last().unwrap();
        history.assert_restores_at(&ours, Some(now + 1000 * DAY), last);
        let before = restore_to(SnapshotRef::At(seconds(FIRST - 1)), &history.path("before"));
        let error = ours.try_restore(&history.source, &before).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{}", error.chain());
        assert!(!history.path("before").exists());
    }
}

/// Keeps what is younger than a moment, by the sets' own times.
fn forget(ours: &Holdfast, source: &Path, ids: Vec<String>, dry_run: bool) -> engine_api::Result<ForgetReport> {
    let request = ForgetRequest {
        filter: SnapshotFilter::default(),
        group_by: GroupBy {
            host: false,
            paths: false,
            tags: false,
        },
        keep: Keep::default(),
        ids,
        dry_run,
    };
    ours.engine(source).forget(&request, &Silent)
}

fn keep_last(ours: &Holdfast, source: &Path, count: u32) -> ForgetReport {
    let request = ForgetRequest {
        filter: SnapshotFilter::default(),
        group_by: GroupBy {
            host: false,
            paths: false,
            tags: false,
        },
        keep: Keep {
            last: Count::Last(count),
            ..Keep::default()
        },
        ids: Vec::new(),
        dry_run: false,
    };
    ours.engine(source)
        .forget(&request, &Silent)
        .unwrap_or_else(|error| panic!("forget: {}", error.chain()))
}

fn prune(ours: &Holdfast, source: &Path) {
    let request = PruneRequest {
        max_unused: 0.0,
        max_repack: None,
        dry_run: false,
    };
    ours.engine(source)
        .prune(&request, &Silent)
        .unwrap_or_else(|error| panic!("prune: {}", error.chain()));
}

/// Whole chains go, as the original removes them: the sets older than a moment, unless a set of their chain is not.
#[test]
fn d3_the_same_files_go_as_with_the_original() {
    for program in each!() {
        let mut history = History::of_empty();
        let real = Duplicity::new(&program, &history.target);
        chains(&real, &mut history, 3);
        let copies = history.path("copies");
        fs::create_dir(&copies).unwrap();
        for (name, limit) in [
            ("the end of a chain", FIRST + DAY),
            ("a second later", FIRST + DAY + 1),
            ("in the middle of a chain", FIRST + 2 * DAY + 10),
            ("the start of the last", FIRST + 4 * DAY),
            ("now", FIRST + 100 * DAY),
        ] {
            let [theirs, ours] = ["theirs", "ours"].map(|who| copies.join(format!("{who} {name}")));
            for copy in [&theirs, &ours] {
                let status = std::process::Command::new("cp")
                    .arg("-a")
                    .arg(&history.target)
                    .arg(copy)
                    .status();
                assert!(status.unwrap().success());
            }
            Duplicity::new(&program, &theirs).on_target("remove-older-than", &[&limit.to_string(), "--force"]);
            let holdfast = Holdfast::new(&ours);
            // Whole chains, the latest excepted: each ends with its increment.
            let sets = holdfast.snapshots(&history.source);
            let chains = sets.chunks(2).take(2);
            let old = chains.filter(|chain| chain[1].time.seconds < limit);
            let ids: Vec<_> = old.flatten().map(|set| set.id.0.clone()).collect();
            let before = names(&ours);
            if !ids.is_empty() {
                forget(&holdfast, &history.source, ids.clone(), true).unwrap();
                assert_eq!(names(&ours), before, "{name}: a trial has removed something");
                forget(&holdfast, &history.source, ids, false).unwrap();
            }
            prune(&holdfast, &history.source);
            let kept = names(&theirs);
            assert_eq!(names(&ours), kept, "{name}");
        }
    }
}

/// The rules of retention never break a chain that a kept set needs.
#[test]
fn d3_kept_sets_keep_their_chain() {
    for program in each!() {
        let mut history = History::of_empty();
        let ours = Holdfast::new(&history.target);
        chains(&ours, &mut history, 3);
        keep_last(&ours, &history.source, 1);
        prune(&ours, &history.source);
        history.assert_restores_latest(&ours);
        let kept = ours.times(&history.source);
        assert_eq!(kept, [FIRST + 4 * DAY, FIRST + 5 * DAY]);
        let real = Duplicity::new(&program, &history.target);
        history.states.drain(..4);
        history.assert_restores(&real);
        ours.check(&history.source);
    }
}

#[test]
fn d4_the_latest_chain_stays_without_its_signatures() {
    for program in each!() {
        let mut history = History::of_empty();
        let real = Duplicity::new(&program, &history.target);
        chains(&real, &mut history, 2);
        for path in set_files(&history.target, ".sigtar") {
            fs::remove_file(path).unwrap();
        }
        let ours = Holdfast::new(&history.target);
        let all = ours
            .snapshots(&history.source)
            .into_iter()
            .map(|set| set.id.0)
            .collect();
        let _ = forget(&ours, &history.source, all, false);
        prune(&ours, &history.source);
        history.assert_restores_latest(&ours);
        // And it goes on: with signatures made again, or with a full backup.
        replace(
            &history.source.join("file"),
            &Random::new(50).noise(20_000),
            1_650_000_000,
        );
        history.save(&ours, Step::Incremental);
        history.states.drain(..3);
        history.assert_restores_latest(&ours);
        history.assert_restores_latest(&Duplicity::new(&program, &history.target));
        ours.check(&history.source);
    }
}

#[test]
fn d5_two_sets_in_one_second() {
    for program in each!() {
        let history = History::of_empty();
        fs::write(history.source.join("file"), "text").unwrap();
        let ours = Holdfast::new(&history.target);
        let request = |ours: &Holdfast| engine_api::BackupRequest {
            time: None,
            ..ours.request(&history.source, 0)
        };
        for _ in 0..3 {
            ours.engine(&history.source).backup(&request(&ours), &Silent).unwrap();
        }
        let times = ours.times(&history.source);
        assert_eq!(times.len(), 3, "{:?}", history.names());
        assert!(times.is_sorted_by(|one, other| one < other), "{times:?}");
        // A time that is not later than the last one is refused or moved, never used twice.
        let _ = ours.try_save(Step::Incremental, &history.source, times[2]);
        let _ = ours.try_save(Step::Full, &history.source, times[1]);
        let times = ours.times(&history.source);
        assert!(times.is_sorted_by(|one, other| one < other), "{times:?}");
        let status = Duplicity::new(&program, &history.target).status();
        assert!(status.contains("No orphaned or incomplete"), "{status}");
    }
}

/// The end of a chain's last set is moved behind the next full backup.
#[test]
fn d6_chains_that_overlap() {
    for program in each!() {
        let mut history = History::of_empty();
        let real = Duplicity::new(&program, &history.target);
        chains(&real, &mut history, 2);
        let [old, new] = [FIRST + DAY, FIRST + 2 * DAY + 100].map(stamp);
        for path in set_files(&history.target, &format!(".to.{old}")) {
            let name = path.file_name().unwrap().to_str().unwrap().replace(&old, &new);
            fs::rename(&path, history.target.join(name)).unwrap();
        }
        let ours = Holdfast::new(&history.target);
        let report = ours.check_report(&history.source);
        assert!(
            report
                .findings
                .iter()
                .any(|finding| finding.message.contains("overlap")),
            "{:?}",
            report.findings
        );
        let between = restore_to(SnapshotRef::At(seconds(FIRST + 2 * DAY + 50)), &history.path("nowhere"));
        let error = ours.try_restore(&history.source, &between).unwrap_err();
        assert!(error.chain().contains("overlap"), "{}", error.chain());
        // By its name each set can be had.
        for (set, (_, saved)) in ours
            .snapshots(&history.source)
            .iter()
            .zip([0, 2, 1, 3].map(|number| &history.states[number]))
        {
            let target = tempfile::tempdir().unwrap();
            let request = restore_to(SnapshotRef::Id(set.id.0.clone()), target.path());
            let report = ours.try_restore(&history.source, &request).unwrap();
            assert!(report.problems.is_empty(), "{:?}", report.problems);
            let restored = holdfast_tests::tree::below(target.path(), &history.source);
            holdfast_tests::duplicity::equal::assert_equal(saved, &restored);
        }
    }
}

fn stamp(time: i64) -> String {
    seconds(time).to_jiff().unwrap().strftime("%Y%m%dT%H%M%SZ").to_string()
}

#[test]
fn d7_the_last_signatures_are_missing() {
    for program in each!() {
        let mut history = History::new();
        let real = Duplicity::new(&program, &history.target);
        history.play(&[&real]);
        fs::remove_file(set_files(&history.target, ".sigtar").pop().unwrap()).unwrap();
        let ours = Holdfast::new(&history.target);
        history.assert_restores(&ours);
        let report = ours.check_report(&history.source);
        assert!(!report.findings.is_empty(), "the missing signatures are not reported");
        replace(&history.source.join("after"), b"the loss", 1_650_000_000);
        history.save(&ours, Step::Incremental);
        history.assert_restores_latest(&ours);
        history.assert_restores_latest(&Duplicity::new(&program, &history.target));
    }
}

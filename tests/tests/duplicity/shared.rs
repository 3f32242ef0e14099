//! Group C: what two programs share.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use engine_api::{ErrorKind, Severity, StoreErrorKind};
use holdfast_tests::duplicity::history::{History, Step, names};
use holdfast_tests::duplicity::ours::Holdfast;
use holdfast_tests::duplicity::programs::Program;
use holdfast_tests::duplicity::real::{Duplicity, text};
use holdfast_tests::duplicity::tree_g::{self, Stage};
use holdfast_tests::duplicity::{DAY, FIRST};
use holdfast_tests::faults::{Call, Gate, Gated, Log, Operation, Slow};
use holdfast_tests::holdfast::local;
use holdfast_tests::tree::picture;

use crate::common::{each, five_volumes};

/// Somebody who holds the lock of an archive folder as the original does, until dropped.
struct Holder(Child);

impl Holder {
    fn of(cache: &Path) -> Self {
        const SCRIPT: &str = "
import fcntl, sys
file = open(sys.argv[1], 'w')
fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
print('held', flush=True)
sys.stdin.read()
";
        fs::create_dir_all(cache).unwrap();
        let mut child = Command::new("python3")
            .args(["-c", SCRIPT])
            .arg(cache.join("lockfile"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "held\n");
        Self(child)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Tells when the first object is to be stored, and stores none until the other end of `go_on` is dropped.
struct Halt {
    arrived: Sender<()>,
    go_on: Mutex<Receiver<()>>,
}

impl Gate for Halt {
    fn before(&self, call: Call<'_>) -> Result<(), StoreErrorKind> {
        if call.operation == Operation::Put {
            let _ = self.arrived.send(());
            let _ = self.go_on.lock().unwrap().recv();
        }
        Ok(())
    }

    fn after(&self, _call: Call<'_>) -> Result<(), StoreErrorKind> {
        Ok(())
    }

    fn read(&self, _call: Call<'_>, _offset: u64, _bytes: &mut [u8]) {}
}

#[test]
fn c1_one_at_a_time() {
    for program in each!() {
        let history = History::of_empty();
        fs::write(history.source.join("file"), "text").unwrap();
        let ours = Holdfast::new(&history.target);
        let real = Duplicity::new(&program, &history.target).sharing(&ours.cache());
        let holder = Holder::of(&ours.cache());
        let error = ours.try_save(Step::Full, &history.source, FIRST).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked, "{}", error.chain());
        assert!(names(&history.target).is_empty());
        drop(holder);

        let saving = std::thread::scope(|scope| {
            let (arrived, has_arrived) = channel();
            let (release, go_on) = channel();
            let gate = Halt {
                arrived,
                go_on: Mutex::new(go_on),
            };
            let halted = Gated::new(local(&history.target), gate);
            let saving = scope.spawn(|| ours.try_save_on(halted, Step::Full, &history.source, FIRST));
            has_arrived.recv_timeout(Duration::from_secs(60)).unwrap();
            let mut command = real.command("incremental");
            let output = command
                .args(real.backup_arguments(&history.source, FIRST + DAY))
                .output()
                .unwrap();
            let printed = text(&output);
            assert!(!output.status.success() && printed.contains("lock"), "{printed}");
            drop(release);
            saving.join().unwrap()
        });
        saving.unwrap_or_else(|error| panic!("{}", error.chain()));
        real.save(Step::Incremental, &history.source, FIRST + DAY);
    }
}

#[test]
fn c2_one_archive_folder() {
    for program in each!() {
        let mut history = History::new();
        let ours = Holdfast::new(&history.target);
        let real = Duplicity::new(&program, &history.target).sharing(&ours.cache());
        history.save(&real, Step::Full);
        tree_g::change(&history.source, Stage::M1);
        let quiet = |history: &mut History| {
            let store = Gated::new(local(&history.target), Log::default());
            let time = history.next_time();
            let report = ours
                .try_save_on(store.clone(), Step::Incremental, &history.source, time)
                .unwrap();
            assert!(report.problems.is_empty(), "{:?}", report.problems);
            history.states.push((time, picture(&history.source)));
            // That the last manifest can be opened is looked at; nothing else is there to be read.
            let fetched = store.gate.fetched();
            assert!(fetched.iter().all(|name| name.contains(".manifest")), "{fetched:?}");
        };
        quiet(&mut history);
        tree_g::change(&history.source, Stage::M2);
        let time = history.next_time();
        let printed = real.save(Step::Incremental, &history.source, time);
        assert!(
            !printed.contains("Copying") && !printed.contains("Deleting"),
            "{printed}"
        );
        history.states.push((time, picture(&history.source)));
        fs::write(history.source.join("and"), "again").unwrap();
        quiet(&mut history);
        history.assert_restores(&ours);
        history.assert_restores(&real);
        let in_cache: Vec<String> = names(&ours.cache())
            .into_iter()
            .filter(|name| name.starts_with("duplicity-"))
            .collect();
        let mut expected: Vec<String> = history
            .names()
            .into_iter()
            .filter(|name| !name.contains(".difftar"))
            .collect();
        expected.sort();
        assert_eq!(in_cache, expected);
    }
}

#[test]
fn c10_two_machines() {
    for program in each!() {
        let mut history = History::of_empty();
        five_volumes(&history);
        let one = Holdfast::new(&history.target);
        let mut other = Holdfast::new(&history.target);
        other.host = "another".to_owned();
        let slow = || Gated::new(local(&history.target), Slow(Duration::from_millis(60)));
        let outcomes = std::thread::scope(|scope| {
            let first = scope.spawn(|| one.try_save_on(slow(), Step::Full, &history.source, FIRST));
            let second = scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(200));
                other.try_save_on(slow(), Step::Full, &history.source, FIRST + DAY)
            });
            [first.join().unwrap(), second.join().unwrap()]
        });
        let done = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert!(done >= 1, "{outcomes:?}");
        for outcome in &outcomes {
            if let Err(error) = outcome {
                assert_eq!(error.kind(), ErrorKind::Locked, "{}", error.chain());
            }
        }
        // Whatever was made stands, and no chain overlaps another.
        let times = one.times(&history.source);
        assert_eq!(times.len(), done, "{:?}", history.names());
        for time in times {
            history.states.push((time, picture(&history.source)));
        }
        history.assert_restores(&one);
        let report = one.check_report(&history.source);
        let errors: Vec<_> = report
            .findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
            .collect();
        assert!(errors.is_empty(), "{errors:?}");
        let _ = program_is_content(&program, &history);
    }
}

fn program_is_content(program: &Program, history: &History) -> String {
    let status = Duplicity::new(program, &history.target).status();
    assert!(status.contains("No orphaned or incomplete"), "{status}");
    status
}

/// How often the storage is asked: little more than once for each file of a set.
#[test]
fn calls_of_the_storage() {
    let mut history = History::of_empty();
    five_volumes(&history);
    let ours = Holdfast::new(&history.target);
    let count = |history: &mut History, step| {
        let store = Gated::new(local(&history.target), Log::default());
        let time = history.next_time();
        ours.try_save_on(store.clone(), step, &history.source, time).unwrap();
        history.states.push((time, picture(&history.source)));
        let of = |operation| store.gate.objects(operation).len();
        println!(
            "puts {}, lists {}, reads {}, stats {}",
            of(Operation::Put),
            of(Operation::List),
            of(Operation::Get) + of(Operation::GetRange),
            of(Operation::Stat)
        );
        (
            of(Operation::Put),
            of(Operation::List),
            of(Operation::Get) + of(Operation::GetRange),
        )
    };
    let (puts, lists, reads) = count(&mut history, Step::Full);
    assert_eq!(puts, history.names().len());
    assert!(lists <= 3 && reads <= 1, "{lists} lists and {reads} reads");
    let before = history.names().len();
    let (puts, lists, reads) = count(&mut history, Step::Incremental);
    assert_eq!(puts, history.names().len() - before);
    assert!(lists <= 3 && reads <= 2, "{lists} lists and {reads} reads");
}

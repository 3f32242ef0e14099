//! `kill -9` at any moment of a backup or a prune, hundreds of times: the repository is good, and the next run goes on.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use holdfast_tests::corpus::{self, Random};
use holdfast_tests::restic;

use crate::common::{Bench, objects};

const KILLS: u32 = 200;

/// Not more than this, however slow the machine.
const TIME: Duration = Duration::from_secs(200);

struct Victim<'a> {
    bench: &'a Bench,
    operation: &'static str,
    /// How long it takes when it is left alone.
    whole: Duration,
}

impl Victim<'_> {
    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast-drive"));
        command.arg(&self.bench.repository).arg(self.operation);
        if self.operation == "backup" {
            command.arg(&self.bench.tree);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn measure(&mut self) {
        let start = Instant::now();
        assert!(self.command().status().unwrap().success());
        self.whole = start.elapsed();
    }

    /// Starts it and kills it somewhere on its way; says whether it was killed before its end.
    fn kill(&self, random: &mut Random) -> bool {
        let mut child = self.command().spawn().unwrap();
        let longest = u64::try_from(self.whole.as_micros()).unwrap() * 11 / 10;
        std::thread::sleep(Duration::from_micros(random.below(longest)));
        child.kill().unwrap();
        !child.wait().unwrap().success()
    }
}

#[test]
fn kill_9_at_random_moments() {
    let program = restic::newest();
    let bench = Bench::new();
    corpus::plain_tree(&bench.tree, 1, 400, 60_000);
    bench.init().backup(&[&bench.tree]);
    let mut complete = bench.picture();
    let mut random = Random::new(std::process::id().into());
    let mut victims = ["backup", "forget-and-prune"].map(|operation| Victim {
        bench: &bench,
        operation,
        whole: Duration::ZERO,
    });
    let start = Instant::now();
    let (mut attempts, mut kills) = (0, 0);
    while kills < KILLS && start.elapsed() < TIME {
        let victim = &mut victims[attempts % 2];
        corpus::edit_plain_tree(&bench.tree, attempts as u64, 12);
        if attempts < 4 {
            victim.measure();
        }
        kills += u32::from(victim.kill(&mut random));
        attempts += 1;
        // Without interruption every few times, or there would be nothing left to prune.
        if attempts % 10 == 0 {
            bench.open().backup(&[&bench.tree]);
            complete = bench.picture();
        }
        if attempts % 20 == 0 {
            judge(&bench, program.as_ref(), attempts);
        }
    }
    println!("{kills} kills in {attempts} attempts");
    assert!(
        kills >= 60,
        "only {kills} kills: this machine is too slow for the test to mean anything"
    );
    bench.open().backup(&[&bench.tree]);
    judge(&bench, program.as_ref(), attempts);
    bench.open().keep_last(1).unwrap();
    bench.open().prune().unwrap();
    judge(&bench, program.as_ref(), attempts);
    complete.clone_from(&bench.picture());
    bench.assert_restores(&complete);
    let leftovers = objects(&bench.repository, "locks");
    let leftovers: Vec<_> = leftovers
        .iter()
        .filter(|path| path.file_name().unwrap().len() == 64)
        .collect();
    assert!(leftovers.is_empty(), "locks of the dead are still there: {leftovers:?}");
}

fn judge(bench: &Bench, program: Option<&restic::Program>, attempts: usize) {
    // The next run's own lock already made the dead ones' go away, as restic's would on this machine.
    let repository = bench.open();
    repository.engine.unlock(false).unwrap();
    let report = repository.check_report().unwrap();
    assert_eq!(report.errors, 0, "after {attempts} attempts: {:?}", report.findings);
    if let Some(program) = program {
        bench.restic(program).check();
    }
}

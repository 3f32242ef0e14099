//! `kill -9` at any moment of a backup or a removal: earlier snapshots stay, and the next run goes on.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use holdfast_tests::corpus::{self, Random};

use crate::common::Bench;

const KILLS: u32 = 40;

/// Not more than this, however slow the machine.
const TIME: Duration = Duration::from_secs(40);

fn command(bench: &Bench, operation: &str, more: &[String]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast-rsync-drive"));
    command.arg(&bench.destination).arg(operation).args(more);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[test]
fn kill_9_at_random_moments() {
    let bench = Bench::new();
    corpus::plain_tree(&bench.tree, 1, 250, 30_000);
    let begin = Instant::now();
    bench.backup();
    // How long to wait at the most: shorter when a run came to its end before, so that most are killed on any machine.
    let mut longest = begin.elapsed();
    let mut random = Random::new(std::process::id().into());
    let start = Instant::now();
    let (mut attempts, mut kills) = (0_u64, 0);
    while kills < KILLS && start.elapsed() < TIME {
        attempts += 1;
        corpus::edit_plain_tree(&bench.tree, attempts, 12);
        let seals = bench.seals();
        let names = bench.names();
        let (operation, more, goes) = if attempts % 3 == 0 && names.len() > 2 {
            ("forget", vec![names[0].clone()], Some(names[0].clone()))
        } else {
            let time = bench.tick().seconds.to_string();
            ("backup", vec![bench.tree.to_string_lossy().into_owned(), time], None)
        };
        let mut child = command(&bench, operation, &more).spawn().unwrap();
        let micros = u64::try_from(longest.as_micros()).unwrap();
        std::thread::sleep(Duration::from_micros(random.below(micros)));
        child.kill().unwrap();
        let killed = !child.wait().unwrap().success();
        kills += u32::from(killed);
        longest = if killed { longest * 6 / 5 } else { longest * 3 / 4 }.max(Duration::from_millis(5));
        let mut seals = seals;
        if let Some(goes) = goes.filter(|goes| !bench.destination.join(goes).exists()) {
            seals.remove(&goes);
        }
        bench.assert_sealed(&seals, &format!("attempt {attempts}: {operation} was killed"));
        if attempts % 8 == 0 {
            bench.open().check();
            let id = bench.backup();
            bench.assert_is_tree(&id);
        }
    }
    println!("{kills} kills in {attempts} attempts");
    assert!(
        kills >= 10,
        "only {kills} kills: this machine is too slow for the test to mean anything"
    );
    let id = bench.backup();
    bench.assert_is_tree(&id);
    bench.open().check();
}

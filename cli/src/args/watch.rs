//! What is said of commands that look at runs and tell of them.

use clap::Subcommand;

use super::NameArg;

pub const STATUS_EXAMPLES: &str = "\
Examples:
  holdfast status
  holdfast status -b nightly --json

Exit codes: 0 all is well, 3 the worst is a run that could not save everything, 1 a run has failed or
is missing, or a record cannot be used. Disabled backups do not count.";

pub const RUNS_EXAMPLES: &str = "Examples:\n  holdfast runs -b nightly\n  holdfast runs -b nightly --last 500 --json";

#[derive(Debug, Subcommand)]
pub enum NotifyCommand {
    /// Send a test by each way that a backup has, and say what became of it
    #[command(after_help = "Examples:\n  holdfast notify test -b nightly")]
    Test {
        #[command(flatten)]
        name: NameArg,
    },
    /// Tell of each backup that has missed a run; for cron, once a day
    #[command(after_help = "Examples:\n  holdfast notify overdue")]
    Overdue,
}

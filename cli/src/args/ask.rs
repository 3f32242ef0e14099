use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::repository::{AnyRepoArgs, Filter, RepoArgs};

pub const FIND_EXAMPLES: &str = "\
Examples:
  holdfast find letter.txt
  holdfast find -b nightly --ignore-case '*.ODT' '/home/ann/**/draft*'
  holdfast find --in latest --limit 500 '*invoice*'          (the first page of the newest snapshots)
  holdfast find --in latest --limit 500 --skip 500 '*invoice*'   (the second)";

pub const HISTORY_EXAMPLES: &str = "\
Examples:
  holdfast history /home/ann/letter.txt
  holdfast history -b nightly --all /etc/fstab
  holdfast history --repo /mnt/disk/backup /home/ann

A version that several snapshots in a row have is one line: how many have it is said. Backups that
cannot be reached are named, and the exit code is 3.";

pub const DU_EXAMPLES: &str = "\
Examples:
  holdfast du -b nightly
  holdfast du -b nightly --depth 3 --top 20 2021-03-05 /home";

pub const VERIFY_EXAMPLES: &str = "\
Examples:
  holdfast verify -b nightly
  holdfast verify -b nightly --read-data latest /home/ann
  holdfast verify --repo /mnt/disk/backup --target /tmp/restored

`-` is gone, `+` was not saved, `M` other content, `U` other owner, mode or the like, `T` something
else now. The exit code is 1 when anything that was saved is not there as it was.";

#[derive(Debug, Args)]
pub struct FindArgs {
    #[command(flatten)]
    pub repository: AnyRepoArgs,
    /// Names or patterns; one that begins with `/` is a whole path
    #[arg(value_name = "PATTERN", required = true)]
    pub patterns: Vec<OsString>,
    /// Take capital and small letters as the same
    #[arg(short, long)]
    pub ignore_case: bool,
    /// Show modes, owners, sizes and times
    #[arg(short, long)]
    pub long: bool,
    /// Look only in this snapshot of each backup, such as latest, 15D or 2021-03-05
    #[arg(long = "in", value_name = "SNAPSHOT")]
    pub snapshot: Option<String>,
    /// Show so many at the most, and say whether there are more
    #[arg(long, value_name = "COUNT")]
    pub limit: Option<u64>,
    /// Pass over so many first
    #[arg(long, value_name = "COUNT", default_value_t = 0, hide_default_value = true)]
    pub skip: u64,
    #[command(flatten)]
    pub filter: Filter,
}

#[derive(Debug, Args)]
pub struct HistoryArgs {
    #[command(flatten)]
    pub repository: AnyRepoArgs,
    /// The file or folder, as it was saved
    pub path: PathBuf,
    /// Show every snapshot, those in which nothing changed too
    #[arg(short, long)]
    pub all: bool,
}

#[derive(Debug, Args)]
pub struct DuArgs {
    #[command(flatten)]
    pub repository: RepoArgs,
    /// Which snapshot (the latest without), and which folders of it (what was saved without)
    #[arg(value_name = "SNAPSHOT] [PATH")]
    pub words: Vec<OsString>,
    /// How many levels of folders to show
    #[arg(short, long, value_name = "LEVELS", default_value_t = 1)]
    pub depth: usize,
    /// Show only so many, the largest first
    #[arg(long, value_name = "COUNT")]
    pub top: Option<usize>,
    #[command(flatten)]
    pub filter: Filter,
}

#[derive(Debug, Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    pub repository: RepoArgs,
    /// Which snapshot (the latest without), and which paths of it (all without)
    #[arg(value_name = "SNAPSHOT] [PATH")]
    pub words: Vec<OsString>,
    /// Compare with what is under this folder, not with where it came from
    #[arg(short, long, value_name = "FOLDER")]
    pub target: Option<PathBuf>,
    /// Read and compare the content of all files too
    #[arg(long)]
    pub read_data: bool,
    /// Show files of which only owner, mode or the like differ
    #[arg(long)]
    pub metadata: bool,
    #[command(flatten)]
    pub filter: Filter,
}

//! What can be said on the command line.

mod ask;
mod backends;
mod data;
mod job;
mod keep;
mod repository;
mod values;
mod watch;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand};

pub use ask::{DuArgs, FindArgs, HistoryArgs, VerifyArgs};
pub use backends::{BackendsArgs, BackendsCommand, DiskCommand, SshKeyArgs};
pub use data::{BackupArgs, CatArgs, DiffArgs, LsArgs, RestoreArgs, RestoreFileArgs, Selected};
pub use job::{JobAddArgs, JobCommand, JobEditArgs, JobFilesArgs, JobOptions};
pub use keep::ForgetArgs;
pub use repository::{Filter, Opening, RepoArgs};
pub use values::absolute;
pub use watch::NotifyCommand;

/// The programs of NethServer that this one answers to when it is called by their name.
const PROGRAMS: [&str; 8] = [
    "backup-data",
    "backup-data-wrapper",
    "backup-data-list",
    "restore-data",
    "restore-file",
    "db",
    "config",
    "signal-event",
];

/// Called by one of those names, the program is that command.
pub fn name_from_program(words: &mut Vec<OsString>) {
    let program = words.first().map(PathBuf::from).unwrap_or_default();
    let name = program.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if PROGRAMS.contains(&name) {
        let name = name.into();
        words.splice(..1, ["holdfast".into(), name]);
    }
}

#[derive(Debug, Parser)]
#[command(name = "holdfast", version, about, max_term_width = 100, after_help = EXAMPLES)]
/// Backups of a server: deduplicated, encrypted, checked, and back again.
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Begin with nothing configured:
  holdfast backup ~/documents --to /mnt/disk/backup
  holdfast snapshots --repo /mnt/disk/backup
  holdfast restore --repo /mnt/disk/backup --target /tmp/restored

A backup that is configured once and run by its name:
  holdfast job add nightly /etc /home --to /mnt/disk/backup --keep-within 30D
  holdfast backup -b nightly
  holdfast restore -b nightly --target /tmp/restored /home/ann/letter.txt

Exit codes: 0 success, 1 failed, 2 wrong usage or configuration, 3 finished but some files could not
be read or written, 10 no repository, 11 locked, 12 wrong password, 130 interrupted.";

#[derive(Debug, Clone, Copy, Args)]
pub struct Global {
    /// Print JSON lines instead of text, errors too
    #[arg(long, global = true)]
    pub json: bool,
    /// Print nothing but answers and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more: new and changed files; twice: all files
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Save files and folders as a new snapshot
    #[command(after_help = data::BACKUP_EXAMPLES)]
    Backup(BackupArgs),
    /// Bring back a snapshot or a part of it
    #[command(after_help = data::RESTORE_EXAMPLES)]
    Restore(RestoreArgs),
    /// List snapshots
    #[command(
        after_help = "Examples:\n  holdfast snapshots -b nightly\n  holdfast snapshots --repo /mnt/disk/backup --json"
    )]
    Snapshots {
        #[command(flatten)]
        repository: RepoArgs,
        #[command(flatten)]
        filter: Filter,
    },
    /// List what is in a snapshot
    #[command(after_help = data::LS_EXAMPLES)]
    Ls(LsArgs),
    /// Look for names in the snapshots of all backups, or of one
    #[command(after_help = ask::FIND_EXAMPLES)]
    Find(FindArgs),
    /// List the versions of one file or folder in all backups, or in one
    #[command(after_help = ask::HISTORY_EXAMPLES)]
    History(HistoryArgs),
    /// Show how much of a snapshot is in which folder
    #[command(after_help = ask::DU_EXAMPLES)]
    Du(DuArgs),
    /// Compare a snapshot with what is there now
    #[command(after_help = ask::VERIFY_EXAMPLES)]
    Verify(VerifyArgs),
    /// Show what differs between two snapshots
    #[command(after_help = data::DIFF_EXAMPLES)]
    Diff(DiffArgs),
    /// Write one file of a snapshot to standard output
    #[command(after_help = data::CAT_EXAMPLES)]
    Cat(CatArgs),
    /// Drop snapshots, by rules or by name
    #[command(after_help = keep::EXAMPLES)]
    Forget(ForgetArgs),
    /// Remove data that no snapshot needs
    #[command(
        after_help = "Examples:\n  holdfast prune -b nightly\n  holdfast prune --repo /mnt/disk/backup --max-unused 0%"
    )]
    Prune(PruneArgs),
    /// Look whether everything can be restored
    #[command(
        after_help = "Examples:\n  holdfast check -b nightly\n  holdfast check -b nightly --read-data\n  holdfast check -b nightly --read-data-share 3/7   (another share each night reads all in a week)"
    )]
    Check(CheckArgs),
    /// Mend a damaged repository with what is left
    #[command(
        after_help = "Examples:\n  holdfast repair index -b nightly\n  holdfast repair snapshots -b nightly --dry-run"
    )]
    Repair(RepairArgs),
    /// Make a full backup out of duplicity's increments, without reading what was saved
    #[command(
        after_help = "Examples:\n  holdfast synthetic-full -b nightly\n  holdfast synthetic-full -b nightly --dry-run   (reads and proves everything, writes nothing)"
    )]
    SyntheticFull(SyntheticFullArgs),
    /// Remove locks that dead processes have left
    #[command(after_help = "Examples:\n  holdfast unlock -b nightly\n  holdfast unlock --repo /mnt/disk/backup --all")]
    Unlock {
        #[command(flatten)]
        repository: RepoArgs,
        /// Remove those of living processes too
        #[arg(long)]
        all: bool,
    },
    /// List, add, remove and change the passwords of a repository
    #[command(subcommand)]
    Key(KeyCommand),
    /// Make an empty repository; the first backup does it by itself
    #[command(after_help = "Examples:\n  holdfast init --repo /mnt/disk/backup\n  holdfast init -b nightly")]
    Init {
        #[command(flatten)]
        repository: RepoArgs,
    },
    /// List, show, add, change, check and remove configured backups
    #[command(subcommand)]
    Job(JobCommand),
    /// Say which engine goes with which storage; try a storage; make an SSH key
    #[command(after_help = backends::EXAMPLES)]
    Backends(BackendsArgs),
    /// List this machine's disks, and format one for backups
    #[command(subcommand)]
    Disk(DiskCommand),
    /// Show how the configured backups are: last run, next run, size, free space
    #[command(after_help = watch::STATUS_EXAMPLES)]
    Status {
        /// Only this one
        #[arg(short = 'b', long = "backup", value_name = "NAME")]
        name: Option<String>,
    },
    /// List the runs of a configured backup, the newest first
    #[command(after_help = watch::RUNS_EXAMPLES)]
    Runs {
        #[command(flatten)]
        name: NameArg,
        /// How many at the most
        #[arg(long, value_name = "COUNT", default_value_t = 20)]
        last: usize,
    },
    /// Test how a backup tells of its runs, and tell of runs that are missing
    #[command(subcommand)]
    Notify(NotifyCommand),
    /// Run a configured backup, as NethServer's command of that name does
    #[command(after_help = "Examples:\n  backup-data -b nightly\n  holdfast backup-data -b nightly --json")]
    BackupData {
        #[command(flatten)]
        name: NameArg,
    },
    /// Run a configured backup as cron does: nothing is printed, and whatever goes wrong is in its log
    #[command(after_help = "Examples:\n  backup-data-wrapper nightly")]
    BackupDataWrapper {
        /// The configured backup
        name: String,
    },
    /// Show when backups run, tell cron or systemd, or make up for what was missed
    #[command(
        after_help = "Examples:\n  holdfast schedule\n  holdfast schedule write\n  holdfast schedule catch-up --dry-run"
    )]
    Schedule {
        #[command(subcommand)]
        command: Option<ScheduleCommand>,
    },
    /// Run the actions of an event one after the other, as NethServer's command does
    #[command(
        after_help = "Examples:\n  signal-event pre-backup-data nightly\n  signal-event nethserver-backup-data-save nightly /root/password\n  signal-event -j nethserver-backup-data-save"
    )]
    SignalEvent(SignalEventArgs),
    /// List the files of a configured backup's latest snapshot, as NethServer's command does
    #[command(after_help = "Examples:\n  backup-data-list -b nightly\n  backup-data-list -f -b nightly")]
    BackupDataList {
        #[command(flatten)]
        name: NameArg,
        /// Print the paths only, one a line
        #[arg(short)]
        files: bool,
    },
    /// Restore all of a configured backup's latest snapshot in place, as NethServer's command does
    #[command(after_help = "Examples:\n  restore-data -b nightly")]
    RestoreData {
        #[command(flatten)]
        name: NameArg,
    },
    /// Restore files of a configured backup under a folder, as NethServer's command does
    #[command(after_help = data::RESTORE_FILE_EXAMPLES)]
    RestoreFile(RestoreFileArgs),
    /// Show and change an e-smith database, as NethServer's command does
    #[command(disable_help_flag = true)]
    Db {
        /// The database, a command and its arguments; without them, the list of commands
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, num_args = 0..)]
        words: Vec<OsString>,
    },
    /// The same for the database `configuration`
    #[command(disable_help_flag = true)]
    Config {
        /// A command and its arguments; without them, the list of commands
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, num_args = 0..)]
        words: Vec<OsString>,
    },
    /// Print what lets a shell complete the commands and their options
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
}

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  holdfast completions bash > ~/.local/share/bash-completion/completions/holdfast
  holdfast completions zsh > ~/.zfunc/_holdfast      (a folder of your fpath)
  holdfast completions fish > ~/.config/fish/completions/holdfast.fish";

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

#[derive(Debug, Args)]
pub struct NameArg {
    /// The configured backup
    #[arg(short = 'b', long = "backup", value_name = "NAME")]
    pub name: String,
}

#[derive(Debug, Subcommand)]
pub enum ScheduleCommand {
    /// Tell cron, or systemd, when to start which backup
    Write,
    /// Run each backup that was due and did not run, because the machine was off
    CatchUp {
        /// Only say what would be run
        #[arg(short = 'n', long)]
        dry_run: bool,
    },
}

#[derive(Debug, Args)]
pub struct SignalEventArgs {
    /// Print what happens as JSON lines (the same as --json)
    #[arg(short = 'j')]
    pub lines: bool,
    /// How long an action may take, such as 10m or 4h
    #[arg(long, value_name = "TIME", value_parser = values::wait)]
    pub timeout: Option<Duration>,
    /// The event, and what its actions are called with
    #[arg(
        value_name = "EVENT",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub words: Vec<OsString>,
}

#[derive(Debug, Args)]
pub struct PruneArgs {
    #[command(flatten)]
    pub repository: RepoArgs,
    /// How much unneeded data may stay where removing it does not pay, as a share of the repository
    #[arg(long, value_name = "PERCENT", default_value = "5%", value_parser = values::percent)]
    pub max_unused: f64,
    /// How much data may be written anew at the most, such as 2G
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    pub max_repack_size: Option<u64>,
    /// Only say what would be done
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    pub repository: RepoArgs,
    /// Read all stored data too
    #[arg(long, conflicts_with = "read_data_share")]
    pub read_data: bool,
    /// Read a share of the stored data: 2/7 (the second of seven parts) or 10% (at random)
    #[arg(long, value_name = "SHARE", value_parser = values::share)]
    pub read_data_share: Option<engine_api::ReadData>,
}

#[derive(Debug, Args)]
pub struct RepairArgs {
    /// What to mend: the index, from the packs; or snapshots that have lost data
    #[arg(value_enum)]
    pub what: RepairWhat,
    #[command(flatten)]
    pub repository: RepoArgs,
    /// Forget the damaged snapshots that were written again
    #[arg(long)]
    pub forget: bool,
    /// Only say what would be done
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub struct SyntheticFullArgs {
    #[command(flatten)]
    pub repository: RepoArgs,
    /// Read and prove everything, and write nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum RepairWhat {
    Index,
    Snapshots,
}

#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// List the keys; each opens the repository with a password of its own
    #[command(after_help = "Examples:\n  holdfast key list -b nightly")]
    List {
        #[command(flatten)]
        repository: RepoArgs,
    },
    /// Add a key with another password
    #[command(
        after_help = "Examples:\n  holdfast key add -b nightly\n  holdfast key add -b nightly --new-password-file /root/second"
    )]
    Add {
        #[command(flatten)]
        repository: RepoArgs,
        /// The file that holds the new password; asked for on the terminal without
        #[arg(long, value_name = "FILE")]
        new_password_file: Option<PathBuf>,
    },
    /// Remove a key
    #[command(after_help = "Examples:\n  holdfast key remove -b nightly 1a2b3c4d")]
    Remove {
        #[command(flatten)]
        repository: RepoArgs,
        /// The key's id or the beginning of it
        id: String,
    },
    /// Change the password; a generated one takes the place of the one that Holdfast keeps
    #[command(
        after_help = "Examples:\n  holdfast key passwd -b nightly\n  holdfast key passwd --repo /mnt/disk/backup --new-password-file /root/new"
    )]
    Passwd {
        #[command(flatten)]
        repository: RepoArgs,
        /// The file that holds the new password; generated without
        #[arg(long, value_name = "FILE")]
        new_password_file: Option<PathBuf>,
    },
}

//! What can be said to `holdfast job`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use jobs::EngineName;

use super::values;

const ADD_EXAMPLES: &str = "\
Examples:
  holdfast job add                                   (asks for everything)
  holdfast job add nightly /etc /home --to /mnt/disk/backup --at 3:00 --keep-within 30D
  holdfast job add offsite --to sftp://me@host.example.org/srv/backup --engine rsync --at @daily
  holdfast job add weekly /srv --to usb:BACKUP --engine duplicity --set Type=incremental
  holdfast job add share /srv --to cifs://me@nas/backup --secret SMBPassword=/root/password

A PLACE is a folder, usb:LABEL, nfs://HOST/EXPORT, cifs://LOGIN@HOST/SHARE,
sftp://USER@HOST:PORT/FOLDER, https://HOST/FOLDER (WebDAV), s3://HOST/BUCKET, b2://BUCKET or
rest:https://HOST:PORT/FOLDER. On a terminal, what is missing is asked for.";

const EDIT_EXAMPLES: &str = "\
Examples:
  holdfast job edit nightly --at '30 2 * * mon-fri' --keep-within 6M
  holdfast job edit nightly /etc /home /srv          (from now on it saves these, and nothing else)
  holdfast job edit share --secret SMBPassword=/root/password
  holdfast job edit nightly --unset Prune";

#[derive(Debug, Subcommand)]
pub enum JobCommand {
    /// List the configured backups
    #[command(after_help = "Examples:\n  holdfast job list")]
    List,
    /// Show one, and what is wrong with it
    #[command(after_help = "Examples:\n  holdfast job show nightly")]
    Show {
        /// Its name
        name: String,
    },
    /// Add one
    #[command(after_help = ADD_EXAMPLES)]
    Add(JobAddArgs),
    /// Change one, in one step
    #[command(after_help = EDIT_EXAMPLES)]
    Edit(JobEditArgs),
    /// Remove one; its repository, password and lists stay
    #[command(after_help = "Examples:\n  holdfast job remove nightly")]
    Remove {
        /// Its name
        name: String,
    },
    /// Let one run
    #[command(after_help = "Examples:\n  holdfast job enable nightly")]
    Enable {
        /// Its name
        name: String,
    },
    /// Keep one from running; it can still be listed and restored
    #[command(after_help = "Examples:\n  holdfast job disable nightly")]
    Disable {
        /// Its name
        name: String,
    },
    /// Say what is wrong with the records and lists, and how to mend it
    #[command(after_help = "Examples:\n  holdfast job check\n  holdfast job check nightly")]
    Check {
        /// Only of this one
        name: Option<String>,
    },
    /// Show what would be saved, or why a path is saved or left out
    #[command(
        after_help = "Examples:\n  holdfast job files -b nightly\n  holdfast job files -b nightly /home/ann/film.iso"
    )]
    Files(JobFilesArgs),
    /// Move the single backup of NethServer up to 1.4 to where this version has its backups
    #[command(after_help = "Examples:\n  holdfast job migrate --dry-run\n  holdfast job migrate")]
    Migrate {
        /// Only say what would be done
        #[arg(short = 'n', long)]
        dry_run: bool,
    },
}

#[derive(Debug, Args)]
pub struct JobOptions {
    /// What saves the data: duplicity (full backups and increments), restic (deduplicated and encrypted snapshots) or
    /// rsync (plain folders, unchanged files hard-linked)
    #[arg(long, value_name = "ENGINE", value_parser = values::engine)]
    pub engine: Option<EngineName>,
    /// When it runs: a time such as 3:00 for every day, five fields of cron, @hourly, @daily, @weekly, @monthly, or never
    #[arg(long, value_name = "WHEN")]
    pub at: Option<String>,
    /// Forget snapshots that are older than this, seen from the newest (such as 30D, 6M, 1Y)
    #[arg(long, value_name = "AGE")]
    pub keep_within: Option<String>,
    /// When to remove data that no snapshot needs: always, or a weekday from 0 (Sunday) to 6
    #[arg(long, value_name = "DAY")]
    pub prune: Option<String>,
    /// When to check the repository after a run: always, never, or once a week from a weekday on (0 is Sunday)
    #[arg(long, value_name = "DAY")]
    pub check: Option<String>,
    /// How much stored data a check reads: none, all, or 1/10 for another tenth each time
    #[arg(long, value_name = "SHARE")]
    pub check_data: Option<String>,
    /// When to send a mail: always, error or never
    #[arg(long, value_name = "WHEN")]
    pub notify: Option<String>,
    /// Who gets it
    #[arg(long, value_name = "ADDRESS")]
    pub notify_to: Vec<String>,
    /// Leave out what this pattern matches, instead of what the exclude lists of this machine say
    #[arg(long, value_name = "PATTERN")]
    pub exclude: Vec<OsString>,
    /// Any other property of its record, such as Type=incremental or Strategy='1:1 30:7'
    #[arg(long, value_name = "PROPERTY=VALUE", value_parser = values::property)]
    pub set: Vec<(String, String)>,
    /// A property whose value is read from a file, such as SMBPassword=/root/password
    #[arg(long, value_name = "PROPERTY=FILE", value_parser = values::property)]
    pub secret: Vec<(String, String)>,
}

#[derive(Debug, Args)]
pub struct JobAddArgs {
    /// Its name
    pub name: Option<String>,
    /// What it saves; without, what the lists of this machine say
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// The place of its repository: a folder, or an address as below
    #[arg(long, value_name = "PLACE")]
    pub to: Option<OsString>,
    #[command(flatten)]
    pub options: JobOptions,
    /// Do not let it run yet
    #[arg(long)]
    pub disabled: bool,
}

#[derive(Debug, Args)]
pub struct JobEditArgs {
    /// Its name
    pub name: String,
    /// What it saves from now on; without, that stays
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Another place of its repository; what is in the old one stays there
    #[arg(long, value_name = "PLACE")]
    pub to: Option<OsString>,
    #[command(flatten)]
    pub options: JobOptions,
    /// Take a property out
    #[arg(long, value_name = "PROPERTY")]
    pub unset: Vec<String>,
}

#[derive(Debug, Args)]
pub struct JobFilesArgs {
    /// The configured backup
    #[arg(short = 'b', long = "backup", value_name = "NAME")]
    pub name: String,
    /// Say of these why they are saved or left out
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// End each path with a NUL byte
    #[arg(short = '0', long)]
    pub null: bool,
}

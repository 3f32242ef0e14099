use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::NameArg;

pub const EXAMPLES: &str = "\
Examples:
  holdfast backends                                  (which engine goes with which storage)
  holdfast backends test -b nightly                  (try the storage before trusting it)
  holdfast backends key -b nightly                   (make an SSH key and have the server take it)";

#[derive(Debug, Args)]
pub struct BackendsArgs {
    #[command(subcommand)]
    pub command: Option<BackendsCommand>,
}

#[derive(Debug, Subcommand)]
pub enum BackendsCommand {
    /// Try the storage of a configured backup: what it can do and how fast it is; leaves nothing there
    #[command(
        after_help = "Examples:\n  holdfast backends test -b nightly\n  holdfast backends test -b nightly --json"
    )]
    Test {
        #[command(flatten)]
        name: NameArg,
    },
    /// Make the SSH key of a configured backup, put it on the server with the account's password, and pin the server's key
    #[command(after_help = KEY_EXAMPLES)]
    Key(SshKeyArgs),
}

const KEY_EXAMPLES: &str = "\
Examples:
  holdfast backends key -b nightly                         (asks for the password on the terminal)
  holdfast backends key -b nightly --password-file -       (reads it from standard input)
  holdfast backends key -b nightly --no-install            (shows the line for authorized_keys, to be put there by hand)";

#[derive(Debug, Args)]
pub struct SshKeyArgs {
    #[command(flatten)]
    pub name: NameArg,
    /// The file that holds the account's password in its first line; `-` reads standard input
    #[arg(long, value_name = "FILE", conflicts_with = "no_install")]
    pub password_file: Option<PathBuf>,
    /// Only make the key, and see whether the server takes it
    #[arg(long)]
    pub no_install: bool,
    /// What the server's own key must be, such as SHA256:…; without, the one of the first contact is pinned
    #[arg(long, value_name = "FINGERPRINT")]
    pub fingerprint: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum DiskCommand {
    /// List the disks and partitions of this machine, and what they are good for
    #[command(after_help = "Examples:\n  holdfast disk list\n  holdfast disk list --json")]
    List,
    /// Format a disk or partition for backups; everything on it is lost
    #[command(
        after_help = "Examples:\n  holdfast disk format /dev/sdb --label backup\n  holdfast disk format /dev/sdb --label backup --confirm /dev/sdb"
    )]
    Format {
        /// The disk, which gets one partition, or the partition
        device: PathBuf,
        /// The label of its filesystem, by which a backup finds it (`USBLabel`)
        #[arg(long)]
        label: String,
        /// The device once more, instead of typing it when asked
        #[arg(long, value_name = "DEVICE")]
        confirm: Option<PathBuf>,
    },
}

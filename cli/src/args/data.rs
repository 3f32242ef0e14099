use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueEnum};
use engine_api::Overwrite;
use jobs::{Access, Compression, Error};

use super::repository::{Filter, Opening, RepoArgs, access};
use super::values;

pub const BACKUP_EXAMPLES: &str = "\
Examples:
  holdfast backup ~/documents --to /mnt/disk/backup
  holdfast backup /etc /home --to /mnt/disk/backup --exclude '*.iso' --exclude /home/*/.cache
  holdfast backup -b nightly

Without -b the repository is made when there is none, with a generated password that is kept for you.";

pub const RESTORE_EXAMPLES: &str = "\
Examples:
  holdfast restore -b nightly --target /tmp/restored
  holdfast restore -b nightly --in-place /home/ann/letter.txt
  holdfast restore -b nightly --beside /home/ann/letter.txt   (as letter.txt_2021-03-05, and nothing is replaced)
  holdfast restore --repo /mnt/disk/backup 1a2b3c4d --target /tmp/restored /etc /home/ann
  holdfast restore -b nightly 15D --target /tmp/restored   (as it was fifteen days ago)

A SNAPSHOT is an id, `latest`, an age such as 15D, a date such as 2021-03-05 or 2021-03-05 18:30, or
seconds since 1970: the newest of that moment or before is taken.";

pub const LS_EXAMPLES: &str = "\
Examples:
  holdfast ls -b nightly
  holdfast ls -b nightly -l 2021-03-05 /home/ann";

pub const DIFF_EXAMPLES: &str = "\
Examples:
  holdfast diff -b nightly 7D latest
  holdfast diff --repo /mnt/disk/backup 1a2b3c4d 5e6f7a8b /etc

`+` only in the second, `-` only in the first, `M` other content, `U` other owner, mode, times or the
like, `T` something else now.";

pub const CAT_EXAMPLES: &str = "\
Examples:
  holdfast cat -b nightly /etc/fstab
  holdfast cat -b nightly 15D /home/ann/photos.tar | tar -t";

pub const RESTORE_FILE_EXAMPLES: &str = "\
Examples:
  restore-file -b nightly / /home/ann/letter.txt
  restore-file -t 15D -b nightly /tmp/restored /home/ann /etc/fstab
  restore-file --beside -b nightly / /home/ann/letter.txt   (as letter.txt_2021-03-05)";

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).args(["backup", "to"]))]
pub struct BackupArgs {
    /// What to save
    #[arg(value_name = "PATH", conflicts_with = "backup")]
    pub paths: Vec<PathBuf>,
    /// Run this configured backup
    #[arg(short, long, value_name = "NAME")]
    pub backup: Option<String>,
    /// The folder of the repository
    #[arg(short = 'r', long, value_name = "FOLDER", visible_alias = "repo")]
    pub to: Option<PathBuf>,
    #[command(flatten)]
    pub opening: Opening,
    /// Leave out what this pattern matches (`*.iso`, `/home/*/.cache`)
    #[arg(short, long, value_name = "PATTERN", conflicts_with = "backup")]
    pub exclude: Vec<OsString>,
    /// Leave out what the patterns of this file match, one a line
    #[arg(long, value_name = "FILE", conflicts_with = "backup")]
    pub exclude_file: Vec<PathBuf>,
    /// Leave out the content of folders with a CACHEDIR.TAG
    #[arg(long, conflicts_with = "backup")]
    pub exclude_caches: bool,
    /// Leave out other filesystems below the paths
    #[arg(short = 'x', long, conflicts_with = "backup")]
    pub one_file_system: bool,
    /// Label the snapshot
    #[arg(long, value_name = "TAG", conflicts_with = "backup")]
    pub tag: Vec<String>,
    /// How hard to compress
    #[arg(long, value_enum, default_value = "auto")]
    pub compression: CompressionArg,
    /// Read every file even if it looks unchanged
    #[arg(short, long)]
    pub force: bool,
    /// Do everything but write
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CompressionArg {
    Auto,
    Off,
    Max,
}

impl BackupArgs {
    /// # Errors
    /// When the name cannot be a job's.
    pub fn access(&self) -> jobs::Result<Access> {
        let mut access = access(self.backup.as_deref(), self.to.as_ref(), &self.opening)?;
        access.compression = match self.compression {
            CompressionArg::Auto => Compression::Auto,
            CompressionArg::Off => Compression::Off,
            CompressionArg::Max => Compression::Max,
        };
        Ok(access)
    }

    pub fn absolute_paths(&self) -> Vec<PathBuf> {
        self.paths.iter().map(|path| values::absolute(path)).collect()
    }
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("where").required(true).args(["target", "in_place", "beside"]))]
pub struct RestoreArgs {
    #[command(flatten)]
    pub repository: RepoArgs,
    /// Which snapshot (the latest without), and which paths of it (all without)
    #[arg(value_name = "SNAPSHOT] [PATH")]
    pub words: Vec<OsString>,
    /// Restore under this folder
    #[arg(short, long, value_name = "FOLDER")]
    pub target: Option<PathBuf>,
    /// Restore where it came from
    #[arg(long)]
    pub in_place: bool,
    /// Restore each path where it came from, under its name with the day of the snapshot; nothing is replaced
    #[arg(long, conflicts_with_all = ["overwrite", "delete"])]
    pub beside: bool,
    /// What to do with files that are there
    #[arg(long, value_enum, default_value = "if-changed")]
    pub overwrite: OverwriteArg,
    /// Remove what the snapshot has not, below the restored folders
    #[arg(long)]
    pub delete: bool,
    /// Take owners by their number, not by their name
    #[arg(long)]
    pub numeric_owners: bool,
    /// Write zeros instead of holes
    #[arg(long)]
    pub no_sparse: bool,
    /// Read everything again afterwards and compare
    #[arg(long)]
    pub verify: bool,
    /// Only say what would be done
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub filter: Filter,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OverwriteArg {
    /// Write them anew
    Always,
    /// Leave those whose size and time are right, else write what differs
    IfChanged,
    /// Write those that are older than the snapshot's
    IfNewer,
    /// Leave them
    Never,
}

impl From<OverwriteArg> for Overwrite {
    fn from(arg: OverwriteArg) -> Self {
        match arg {
            OverwriteArg::Always => Self::Always,
            OverwriteArg::IfChanged => Self::IfChanged,
            OverwriteArg::IfNewer => Self::IfNewer,
            OverwriteArg::Never => Self::Never,
        }
    }
}

/// A snapshot and paths of it, from words of which the first may be either.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    pub snapshot: Option<String>,
    pub paths: Vec<PathBuf>,
}

impl Selected {
    /// A word that begins with `/` is a path, and no snapshot's name does.
    ///
    /// # Errors
    /// When a path does not begin with `/`.
    pub fn read(words: &[OsString]) -> jobs::Result<Self> {
        let is_path = |word: &&OsString| word.as_encoded_bytes().starts_with(b"/");
        let snapshot = words.first().filter(|word| !is_path(word));
        let paths = words.get(usize::from(snapshot.is_some())..).unwrap_or_default();
        if let Some(relative) = paths.iter().find(|word| !is_path(word)) {
            let text = relative.to_string_lossy();
            return Err(Error::Usage(format!(
                "`{text}` is no path in a snapshot: those begin with `/`"
            )));
        }
        Ok(Self {
            snapshot: snapshot.map(|word| word.to_string_lossy().into_owned()),
            paths: paths.iter().map(PathBuf::from).collect(),
        })
    }
}

#[derive(Debug, Args)]
pub struct LsArgs {
    #[command(flatten)]
    pub repository: RepoArgs,
    /// Which snapshot (the latest without), and which paths of it (all without)
    #[arg(value_name = "SNAPSHOT] [PATH")]
    pub words: Vec<OsString>,
    /// Show modes, owners, sizes and times
    #[arg(short, long)]
    pub long: bool,
    /// End each path with a NUL byte
    #[arg(short = '0', long, conflicts_with = "long")]
    pub null: bool,
    #[command(flatten)]
    pub filter: Filter,
}

#[derive(Debug, Args)]
pub struct DiffArgs {
    #[command(flatten)]
    pub repository: RepoArgs,
    /// The older snapshot
    pub first: String,
    /// The newer snapshot
    pub second: String,
    /// Only below this path
    pub path: Option<PathBuf>,
    /// Show files of which only owner, mode, times or the like differ
    #[arg(long)]
    pub metadata: bool,
    #[command(flatten)]
    pub filter: Filter,
}

#[derive(Debug, Args)]
pub struct CatArgs {
    #[command(flatten)]
    pub repository: RepoArgs,
    /// Which snapshot (the latest without), and the file
    #[arg(value_name = "SNAPSHOT] [PATH")]
    pub words: Vec<OsString>,
    #[command(flatten)]
    pub filter: Filter,
}

#[derive(Debug, Args)]
pub struct RestoreFileArgs {
    #[command(flatten)]
    pub name: super::NameArg,
    /// As it was then: a snapshot, an age (15D), a date, or seconds since 1970
    #[arg(short, value_name = "WHEN")]
    pub time: Option<String>,
    /// The folder to restore under; `/` is where the files came from
    pub position: PathBuf,
    /// What to restore
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Restore everything
    #[arg(long, conflicts_with = "paths")]
    pub all: bool,
    /// Put each path beside what is there, under its name with the day of the snapshot; nothing is replaced
    #[arg(long, conflicts_with = "all")]
    pub beside: bool,
    /// Take owners by their number, not by their name
    #[arg(long)]
    pub numeric_owners: bool,
    /// Read everything again afterwards and compare
    #[arg(long)]
    pub verify: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Option<(Option<String>, usize)> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let selected = Selected::read(&words).ok()?;
        Some((selected.snapshot, selected.paths.len()))
    }

    #[test]
    fn the_first_word_is_a_snapshot_unless_it_is_a_path() {
        assert_eq!(read(&[]), Some((None, 0)));
        assert_eq!(read(&["/etc", "/home"]), Some((None, 2)));
        assert_eq!(read(&["15D", "/etc"]), Some((Some("15D".into()), 1)));
        assert_eq!(read(&["15D", "etc"]), None);
    }
}

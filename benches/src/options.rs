use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::remote::Over;

/// Runs Holdfast and every peer found on this machine on the same work and prints a table of medians.
#[derive(Debug, Parser)]
#[command(name = "holdfast-benches")]
pub struct Options {
    /// Holdfast's engine, beside the programs that it is to be compared with.
    #[arg(long, value_enum, default_value_t = Engine::Restic)]
    pub engine: Engine,

    /// Over the network, to a server of this kind on this machine; without, to a folder.
    #[arg(long, value_enum)]
    pub over: Option<Over>,

    /// How long that network takes there and back, in milliseconds.
    #[arg(long, default_value_t = 0, requires = "over")]
    pub delay: u64,

    /// Properties for Holdfast's record of the server, such as SftpCompression=disabled.
    #[arg(long, value_delimiter = ',', value_parser = property, requires = "over")]
    pub properties: Vec<(String, String)>,

    /// Only these programs, such as holdfast,restic.
    #[arg(long, value_delimiter = ',')]
    pub peers: Vec<String>,

    /// Only these steps; the backups that a later step needs are made all the same.
    #[arg(long, value_delimiter = ',', value_enum)]
    pub steps: Vec<Step>,

    /// How often everything is done; the table has medians.
    #[arg(long, default_value_t = 3)]
    pub rounds: u32,

    /// The corpus's size as a share of 3.7 GB.
    #[arg(long, default_value_t = 1.0)]
    pub scale: f64,

    /// How many pages of a large file change in the step `pages`, of 4 KiB each; 200 times the scale when it is not given.
    #[arg(long)]
    pub pages: Option<u64>,

    /// How large that file is, in MiB; 1024 times the scale when it is not given.
    #[arg(long)]
    pub pages_of: Option<u64>,

    /// Where corpus, repositories and restored trees are put; needs three times the corpus.
    #[arg(long)]
    pub folder: Option<PathBuf>,

    /// Leave the corpus for the next time.
    #[arg(long)]
    pub keep: bool,

    /// Remove what was restored, and repositories, at the very end only: ext4 is slow to make files where many were removed
    /// in the last minutes. Takes the room of a repository and of the corpus once more for each program and round.
    #[arg(long)]
    pub spare: bool,

    /// Mebibytes of memory that are held meanwhile: on a machine that gives what it does not use back to its host, every page
    /// has to be got from there first, unless little is left over. Leave enough for the corpus three times.
    #[arg(long, default_value_t = 0)]
    pub hold: u64,

    /// The holdfast program; built from this workspace when it is not given.
    #[arg(long)]
    pub holdfast: Option<PathBuf>,

    /// The restic program.
    #[arg(long, default_value = "restic")]
    pub restic: PathBuf,

    /// The duplicity program.
    #[arg(long, default_value = "duplicity")]
    pub duplicity: PathBuf,

    /// The rustic program.
    #[arg(long, default_value = "rustic")]
    pub rustic: PathBuf,

    /// The borg program.
    #[arg(long, default_value = "borg")]
    pub borg: PathBuf,
}

/// An engine of Holdfast's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// Beside restic, rustic and borg.
    Restic,
    /// Beside duplicity, without encryption.
    Duplicity,
    /// Beside rsync, with and without folders linked against each other, and rsnapshot.
    Rsync,
}

impl Engine {
    /// Its name on Holdfast's command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Restic => "restic",
            Self::Duplicity => "duplicity",
            Self::Rsync => "rsync",
        }
    }
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Step {
    /// Everything is new.
    First,
    /// Nothing has changed.
    Unchanged,
    /// One per cent has changed.
    Changed,
    /// Some pages of a large file have changed; only with the rsync engine, unless it is named.
    Pages,
    /// The list of all files of the last snapshot.
    List,
    /// Everything into an empty folder.
    Restore,
    /// Every byte read and compared with its hash.
    Check,
    /// The older half of the snapshots forgotten before.
    Prune,
}

impl Step {
    pub const ALL: [Self; 8] = [
        Self::First,
        Self::Unchanged,
        Self::Changed,
        Self::Pages,
        Self::List,
        Self::Restore,
        Self::Check,
        Self::Prune,
    ];

    pub fn title(self) -> &'static str {
        match self {
            Self::First => "first backup",
            Self::Unchanged => "backup, nothing changed",
            Self::Changed => "backup, 1 % changed",
            Self::Pages => "backup, pages of a large file changed",
            Self::List => "list all files",
            Self::Restore => "restore",
            Self::Check => "check with all data",
            Self::Prune => "prune after forgetting half",
        }
    }
}

fn property(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it has no =")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl Options {
    pub fn wants(&self, step: Step) -> bool {
        let usual = step != Step::Pages || self.engine == Engine::Rsync;
        (self.steps.is_empty() && usual) || self.steps.contains(&step)
    }

    pub fn folder(&self) -> PathBuf {
        let default = || std::env::temp_dir().join("holdfast-benches");
        self.folder.clone().unwrap_or_else(default)
    }
}

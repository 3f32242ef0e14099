use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args};
use engine_api::SnapshotFilter;
use jobs::{Access, Compression, EngineName, JobName, Which};

use super::values;

/// Which repository, and how it is opened.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).args(["backup", "repo"]))]
pub struct RepoArgs {
    /// The repository of this configured backup
    #[arg(short, long, value_name = "NAME")]
    pub backup: Option<String>,
    /// The repository in this folder
    #[arg(short, long, value_name = "FOLDER")]
    pub repo: Option<PathBuf>,
    #[command(flatten)]
    pub opening: Opening,
}

/// One repository, or those of all configured backups.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").args(["backup", "repo"]))]
pub struct AnyRepoArgs {
    /// Only the repository of this configured backup
    #[arg(short, long, value_name = "NAME")]
    pub backup: Option<String>,
    /// The repository in this folder, instead of those of the configured backups
    #[arg(short, long, value_name = "FOLDER")]
    pub repo: Option<PathBuf>,
    #[command(flatten)]
    pub opening: Opening,
}

impl AnyRepoArgs {
    /// # Errors
    /// When the name cannot be a job's, there is no job, or one password is given for all.
    pub fn sources(&self, context: &jobs::Context) -> jobs::Result<jobs::ask::Sources> {
        let one = self.is_one();
        let folder = if one { self.repo.clone() } else { Some(PathBuf::new()) };
        let access = access(self.backup.as_deref(), folder.as_ref(), &self.opening)?;
        if one {
            return Ok(jobs::ask::Sources::one(access));
        }
        if access.password_file.is_some() || access.engine.is_some() {
            let text = "--password-file and --engine are for one repository: name it with -b or --repo";
            return Err(jobs::Error::Usage(text.to_owned()));
        }
        jobs::ask::Sources::all(context, &access)
    }

    /// Whether one repository was named.
    pub const fn is_one(&self) -> bool {
        self.backup.is_some() || self.repo.is_some()
    }
}

/// How a repository is opened.
#[derive(Debug, Default, Args)]
pub struct Opening {
    /// The file that holds its password, instead of the one that Holdfast keeps
    #[arg(short, long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// The engine of a repository in a folder: duplicity, restic or rsync [default: what is there, or restic]
    #[arg(long, value_name = "ENGINE", value_parser = values::engine)]
    pub engine: Option<EngineName>,
    /// How long to wait for somebody else's lock, such as 30s or 5m
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = values::wait, hide_default_value = true)]
    pub retry_lock: Duration,
}

impl RepoArgs {
    /// # Errors
    /// When the name cannot be a job's.
    pub fn access(&self) -> jobs::Result<Access> {
        access(self.backup.as_deref(), self.repo.as_ref(), &self.opening)
    }
}

/// # Errors
/// When the name cannot be a job's.
pub fn access(backup: Option<&str>, folder: Option<&PathBuf>, opening: &Opening) -> jobs::Result<Access> {
    let which = match (backup, folder) {
        (Some(name), _) => Which::Job(JobName::new(name)?),
        (None, Some(folder)) => Which::Folder(values::absolute(folder)),
        (None, None) => return Err(jobs::Error::Usage("neither a backup nor a folder was named".to_owned())),
    };
    Ok(Access {
        which,
        password_file: opening.password_file.as_deref().map(values::absolute),
        retry_lock: opening.retry_lock,
        compression: Compression::Auto,
        engine: opening.engine,
    })
}

/// Which snapshots are meant.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Which snapshots")]
pub struct Filter {
    /// Of this machine; with -b the default is this one
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// With this tag; with -b the default is the backup's name
    #[arg(long, value_name = "TAG")]
    pub tag: Vec<String>,
    /// That saved this path
    #[arg(long, value_name = "PATH")]
    pub saved: Vec<PathBuf>,
    /// All of the repository, whoever made them
    #[arg(long, conflicts_with_all = ["host", "tag", "saved"])]
    pub everyone: bool,
}

impl Filter {
    /// The filter, `usual` being that of the repository.
    pub fn over(&self, usual: &SnapshotFilter) -> SnapshotFilter {
        if self.everyone {
            return SnapshotFilter::default();
        }
        SnapshotFilter {
            host: self.host.clone().or_else(|| usual.host.clone()),
            tags: if self.tag.is_empty() {
                usual.tags.clone()
            } else {
                self.tag.clone()
            },
            paths: if self.saved.is_empty() {
                usual.paths.clone()
            } else {
                self.saved.clone()
            },
        }
    }
}

//! Every path that Holdfast owns.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::name::JobName;
use crate::record::EngineName;

/// What decides where things are: facts about the process, looked up by the caller.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Moves everything below this folder.
    pub root: Option<PathBuf>,
    /// Whether the user is root.
    pub superuser: bool,
    /// The user's home folder.
    pub home: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`, `XDG_DATA_HOME`, `XDG_STATE_HOME`, `XDG_CACHE_HOME`, in this order, where they are set.
    pub xdg: [Option<PathBuf>; 4],
}

/// Which convention the paths follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Convention {
    /// A NethServer machine's.
    NethServer,
    /// The Filesystem Hierarchy Standard's, in folders named `holdfast`.
    Fhs,
    /// The XDG base directories of one user.
    Xdg,
}

/// Every path that Holdfast owns: configuration, lists, secrets, cache, logs, status, locks, mount points.
///
/// The data that is saved and the destinations are never moved by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Which convention it follows.
    pub convention: Convention,
    /// The folder below which everything was moved, if it was.
    pub root: Option<PathBuf>,
    /// The e-smith databases.
    pub databases: PathBuf,
    /// A second place where old databases may be.
    pub old_databases: Option<PathBuf>,
    /// Lists for all jobs: `*.include` and `*.exclude`.
    pub lists: PathBuf,
    /// Lists of one job: `NAME.include` and `NAME.exclude`.
    pub job_lists: PathBuf,
    /// Passwords of repositories.
    pub secrets: PathBuf,
    /// Caches of the restic engine, one folder a job.
    pub restic_cache: PathBuf,
    /// Archive folders of the duplicity engine, one a job.
    pub duplicity_cache: PathBuf,
    /// Logs of runs.
    pub logs: PathBuf,
    /// Results of runs and what is known of destinations.
    pub status: PathBuf,
    /// Locks of jobs.
    pub locks: PathBuf,
    /// Below this, destinations are mounted as `backup-NAME`.
    pub mounts: PathBuf,
    /// Events: a folder of actions for each.
    pub events: PathBuf,
    /// Programs that are run after each backup.
    pub hooks: PathBuf,
    /// The file of cron's with the hours of all jobs; an ordinary user has none.
    pub crontab: Option<PathBuf>,
    /// Where systemd looks for timers.
    pub units: PathBuf,
    /// What holds secrets of the machine and is saved only where an include names it.
    pub private: Vec<PathBuf>,
}

impl Layout {
    /// The layout of this machine and user.
    ///
    /// # Errors
    /// When the user is not root and has no home folder.
    pub fn find(surroundings: &Surroundings) -> Result<Self> {
        let root = surroundings.root.as_deref().unwrap_or(Path::new("/"));
        let nethserver = root.join(NETHSERVER_DATABASES);
        if surroundings.root.is_some() || surroundings.superuser {
            let mut layout = if nethserver.is_dir() {
                Self::nethserver(root)
            } else {
                Self::fhs(root)
            };
            layout.root.clone_from(&surroundings.root);
            return Ok(layout);
        }
        let mut layout = Self::xdg(surroundings)?;
        // An ordinary user of a NethServer machine may be allowed to read its databases, and keeps all else at home.
        if nethserver.read_dir().is_ok() {
            layout.databases = nethserver;
        }
        Ok(layout)
    }

    fn nethserver(root: &Path) -> Self {
        Self {
            convention: Convention::NethServer,
            root: None,
            databases: root.join(NETHSERVER_DATABASES),
            old_databases: Some(root.join("home/e-smith")),
            lists: root.join("etc/backup-data.d"),
            job_lists: root.join("etc/backup-data"),
            secrets: root.join("var/lib/nethserver/secrets"),
            restic_cache: root.join("var/lib/nethserver/backup/restic"),
            duplicity_cache: root.join("var/lib/nethserver/backup/duplicity"),
            logs: root.join("var/log/backup"),
            status: root.join("var/spool/backup"),
            locks: root.join("run/holdfast"),
            mounts: root.join("mnt"),
            events: root.join("etc/e-smith/events"),
            hooks: root.join("etc/backup-data.hooks"),
            crontab: Some(root.join("etc/cron.d/backup-data")),
            units: root.join("etc/systemd/system"),
            private: vec![root.join(NETHSERVER_DATABASES), root.join("root/.ssh")],
        }
    }

    fn fhs(root: &Path) -> Self {
        let (etc, lib) = (root.join("etc/holdfast"), root.join("var/lib/holdfast"));
        Self {
            convention: Convention::Fhs,
            root: None,
            databases: etc.join("db"),
            events: etc.join("events"),
            hooks: etc.join("backup-data.hooks"),
            crontab: Some(root.join("etc/cron.d/backup-data")),
            units: root.join("etc/systemd/system"),
            old_databases: None,
            lists: etc.join("backup-data.d"),
            job_lists: etc.join("backup-data"),
            secrets: lib.join("secrets"),
            restic_cache: root.join("var/cache/holdfast/restic"),
            duplicity_cache: root.join("var/cache/holdfast/duplicity"),
            logs: root.join("var/log/holdfast"),
            status: lib.join("status"),
            locks: root.join("run/holdfast"),
            mounts: lib.join("mnt"),
            private: Vec::new(),
        }
    }

    fn xdg(surroundings: &Surroundings) -> Result<Self> {
        let [config, data, state, cache] = &surroundings.xdg;
        let place = |set: &Option<PathBuf>, below_home: &str| -> Result<PathBuf> {
            // The specification has relative ones ignored.
            let set = set.as_ref().filter(|path| path.is_absolute());
            let base = match (set, &surroundings.home) {
                (Some(path), _) => path.clone(),
                (None, Some(home)) if home.is_absolute() => home.join(below_home),
                (None, _) => {
                    return Err(Error::NoHome {
                        reason: "HOME is not set",
                    });
                }
            };
            Ok(base.join("holdfast"))
        };
        let (config, data) = (place(config, ".config")?, place(data, ".local/share")?);
        let (state, cache) = (place(state, ".local/state")?, place(cache, ".cache")?);
        Ok(Self {
            convention: Convention::Xdg,
            root: None,
            databases: config.join("db"),
            events: config.join("events"),
            hooks: config.join("backup-data.hooks"),
            crontab: None,
            units: config.with_file_name("systemd").join("user"),
            old_databases: None,
            lists: config.join("backup-data.d"),
            job_lists: config.join("backup-data"),
            secrets: data.join("secrets"),
            restic_cache: cache.join("restic"),
            duplicity_cache: cache.join("duplicity"),
            logs: state.join("log"),
            status: state.join("status"),
            locks: state.join("locks"),
            mounts: state.join("mnt"),
            private: Vec::new(),
        })
    }

    /// The list of what the job saves (`include`) or leaves out (`exclude`), which stands in place of the common ones
    /// where it exists.
    #[must_use]
    pub fn job_list(&self, name: &JobName, suffix: &str) -> PathBuf {
        self.job_lists.join(format!("{name}.{suffix}"))
    }

    /// The archive of the machine's configuration, where this kind of machine has one.
    #[must_use]
    pub fn configuration_archive(&self) -> Option<PathBuf> {
        let nethserver = self.convention == Convention::NethServer;
        nethserver.then(|| self.duplicity_cache.with_file_name("backup-config.tar.xz"))
    }

    /// The folder with what packages want to stand in the databases, where this kind of machine has one.
    #[must_use]
    pub fn fragments(&self) -> Option<PathBuf> {
        let nethserver = self.convention == Convention::NethServer;
        nethserver.then(|| self.events.with_file_name("db"))
    }

    /// The private key of a job for its SSH server.
    #[must_use]
    pub fn ssh_key(&self, name: &JobName) -> PathBuf {
        self.secrets.join(format!("sftp_{name}"))
    }

    /// The one key that NethServer made for all jobs.
    #[must_use]
    pub fn old_ssh_key(&self) -> PathBuf {
        self.duplicity_cache.with_file_name("backup.key")
    }

    /// The host keys that a job trusts.
    #[must_use]
    pub fn known_hosts(&self, name: &JobName) -> PathBuf {
        self.secrets.join(format!("known_hosts_{name}"))
    }

    /// Where the password of a job's repository is.
    #[must_use]
    pub fn password(&self, engine: EngineName, name: &JobName) -> PathBuf {
        self.secrets.join(format!("{engine}_{name}"))
    }

    /// The journal of a job's runs.
    #[must_use]
    pub fn journal(&self, name: &JobName) -> PathBuf {
        self.status.join(format!("runs-{name}.jsonl"))
    }

    /// What is known of a job's last run.
    #[must_use]
    pub fn state(&self, name: &JobName) -> PathBuf {
        self.status.join(format!("status-{name}.json"))
    }

    /// Of which missing run of a job somebody was told.
    #[must_use]
    pub fn overdue(&self, name: &JobName) -> PathBuf {
        self.status.join(format!("overdue-{name}"))
    }

    /// What no backup ever saves: caches, and the secrets that open the repositories.
    #[must_use]
    pub fn never_saved(&self) -> Vec<PathBuf> {
        let mut never = vec![
            self.restic_cache.clone(),
            self.duplicity_cache.clone(),
            self.secrets.clone(),
            self.locks.clone(),
        ];
        if self.convention == Convention::NethServer {
            never.push(self.old_ssh_key());
        }
        never
    }
}

const NETHSERVER_DATABASES: &str = "var/lib/nethserver/db";

#[cfg(test)]
mod tests;

//! Which repository is meant, and which of Holdfast's own files belong to it.

use std::fmt::Write;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use backends::layers::Rate;
use engine_api::SnapshotFilter;
use sha2::{Digest, Sha256};

use crate::catalog;
use crate::context::Context;
use crate::detect;
use crate::error::Result;
use crate::name::JobName;
use crate::paths;
use crate::record::{EngineName, Job, Place, Sets, Strategy};

pub use engine_restic::Compression;

/// Which repository a command works on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// That of a job.
    Job(JobName),
    /// The one in this folder, without any configuration.
    Folder(PathBuf),
}

/// Which repository to open, and how.
#[derive(Debug, Clone)]
pub struct Access {
    /// Which.
    pub which: Which,
    /// The file that holds its password, instead of the one that Holdfast keeps.
    pub password_file: Option<PathBuf>,
    /// How long to wait for somebody else's lock.
    pub retry_lock: Duration,
    /// How hard new data is compressed, by the restic engine.
    pub compression: Compression,
    /// The engine of a repository without configuration; what is there tells it when `None`.
    pub engine: Option<EngineName>,
}

impl Access {
    /// The usual way to open it.
    #[must_use]
    pub fn to(which: Which) -> Self {
        Self {
            which,
            password_file: None,
            retry_lock: Duration::ZERO,
            compression: Compression::Auto,
            engine: None,
        }
    }
}

/// A repository's place and the files that belong to it here.
#[derive(Debug, Clone)]
pub struct Site {
    /// What reads and writes it.
    pub engine: EngineName,
    /// Where the repository is.
    pub place: Place,
    /// The same for messages.
    pub location: String,
    /// Where its password is kept.
    pub secret: PathBuf,
    /// What to say on the command line to mean it: `-b NAME` or `--repo FOLDER`.
    pub selector: String,
    /// The snapshots that are meant when none is named: a job's own, or all.
    pub filter: SnapshotFilter,
    /// How it is opened.
    pub(crate) access: Access,
    pub(crate) cache: PathBuf,
    /// Where the storage is mounted, when it is one that is.
    pub(crate) mount_point: Option<PathBuf>,
    /// The repository's folder below that.
    pub(crate) subfolder: PathBuf,
    /// Keys for an SSH server, and whom to believe that it is the server.
    pub(crate) ssh_keys: Vec<PathBuf>,
    pub(crate) known_hosts: PathBuf,
    /// What holds the traffic down, both ways, while a run goes on.
    pub(crate) rate: Option<Arc<Rate>>,
    pub(crate) sets: Sets,
    pub(crate) strategy: Strategy,
    pub(crate) connections: Option<NonZeroUsize>,
    /// How long the storage may not answer, where the record says so.
    pub(crate) answer_limit: Option<Duration>,
    /// Says where a repository was seen last, so that a missing one is not taken for a new one.
    pub(crate) origin: PathBuf,
}

impl Site {
    /// Looks it up.
    ///
    /// # Errors
    /// When there is no such job, or its record cannot be used.
    pub fn find(context: &Context, access: &Access) -> Result<Self> {
        match &access.which {
            Which::Job(name) => Ok(Self::of_job(context, catalog::job(context, name)?, access)),
            Which::Folder(folder) => Ok(Self::of_folder(context, folder, access)),
        }
    }

    /// That of a job as it was read.
    pub(crate) fn of_job(context: &Context, job: Job, access: &Access) -> Self {
        let (layout, name) = (&context.layout, &job.name);
        let kept = layout.password(job.engine, name);
        let cache = match job.engine {
            EngineName::Duplicity => &layout.duplicity_cache,
            EngineName::Restic | EngineName::Rsync => &layout.restic_cache,
        };
        Self {
            engine: job.engine,
            mount_point: is_mounted(&job.place).then(|| layout.mounts.join(format!("backup-{name}"))),
            subfolder: subfolder(context, &job),
            ssh_keys: vec![layout.ssh_key(name), layout.old_ssh_key()],
            known_hosts: layout.known_hosts(name),
            place: job.place.clone(),
            location: job.location(),
            rate: None,
            sets: job.sets.clone(),
            strategy: job.strategy.clone(),
            connections: job.connections,
            answer_limit: job.conduct.answer_limit,
            secret: access.password_file.clone().unwrap_or(kept),
            selector: format!("-b {name}"),
            filter: own_snapshots(context, job.engine, name),
            cache: cache.join(name.as_str()),
            origin: layout.status.join(format!("repository-{name}")),
            access: access.clone(),
        }
    }

    fn of_folder(context: &Context, folder: &Path, access: &Access) -> Self {
        let layout = &context.layout;
        let key = file_name_for(&paths::real(folder));
        let kept = layout.secrets.join(format!("repository_{key}"));
        let engine = access
            .engine
            .or_else(|| detect::engine_in(folder))
            .unwrap_or(EngineName::Restic);
        let cache = match engine {
            EngineName::Duplicity => layout.duplicity_cache.join("repositories"),
            // Restic keeps the caches of any number of repositories side by side, each under its id.
            EngineName::Restic | EngineName::Rsync => layout.restic_cache.join("repositories"),
        };
        Self {
            engine,
            rate: None,
            sets: Sets {
                full_day: Some(0),
                encrypt: access.password_file.is_some() || kept.exists(),
                ..Sets::default()
            },
            strategy: Strategy::default(),
            connections: None,
            answer_limit: None,
            mount_point: None,
            subfolder: PathBuf::new(),
            ssh_keys: Vec::new(),
            known_hosts: PathBuf::new(),
            place: Place::Local(folder.to_owned()),
            location: folder.display().to_string(),
            secret: access.password_file.clone().unwrap_or(kept),
            selector: format!("--repo {}", folder.display()),
            filter: SnapshotFilter::default(),
            cache,
            origin: layout.status.join(format!("repository_{key}")),
            access: access.clone(),
        }
    }

    /// Whether there is a password to it.
    #[must_use]
    pub fn has_password(&self) -> bool {
        match self.engine {
            EngineName::Restic => true,
            EngineName::Duplicity => self.sets.encrypt && self.sets.encrypt_keys.is_empty(),
            EngineName::Rsync => false,
        }
    }

    /// What tells this destination from others, as a part of a file's name; all jobs that go to one place agree on it.
    pub(crate) fn lock_key(&self) -> String {
        let key = match &self.place {
            Place::Local(folder) => paths::real(folder).into_os_string().into_encoded_bytes(),
            place => place.to_string().into_bytes(),
        };
        let digest = Sha256::digest(key);
        digest.iter().take(12).fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// Which repository it is, as it was asked for.
    pub(crate) const fn which(&self) -> &Which {
        &self.access.which
    }

    /// The folder of this machine below which the repository is, where it is in one: mounted ones too.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match &self.place {
            Place::Local(folder) => Some(folder),
            _ => self.mount_point.as_deref(),
        }
    }
}

/// Where NethServer would mount it: a WebDAV share too, though it is not mounted here.
fn is_mounted(place: &Place) -> bool {
    matches!(
        place,
        Place::Usb { .. } | Place::Cifs { .. } | Place::Nfs { .. } | Place::WebDav { .. }
    )
}

/// On storages that several machines may share, repositories are in a folder of the machine's name, but restic's: that is
/// the topmost folder everywhere but on B2.
/// A record may name a folder of its own, on any storage.
fn subfolder(context: &Context, job: &Job) -> PathBuf {
    if let Some(folder) = &job.host_folder {
        return PathBuf::from(folder);
    }
    let named = match &job.place {
        Place::Local(_) | Place::Sftp { .. } | Place::Rest { .. } => false,
        Place::B2 { .. } => true,
        Place::Usb { .. } | Place::Cifs { .. } | Place::Nfs { .. } | Place::WebDav { .. } | Place::S3 { .. } => {
            job.engine != EngineName::Restic
        }
    };
    let name = context.host.split('.').next().filter(|_| named).unwrap_or_default();
    PathBuf::from(if named && name.is_empty() { "localhost" } else { name })
}

/// Restic's repositories may be shared, and their snapshots say whose they are; the other engines' never are.
fn own_snapshots(context: &Context, engine: EngineName, name: &JobName) -> SnapshotFilter {
    match engine {
        EngineName::Restic => SnapshotFilter {
            host: Some(context.host.clone()),
            tags: vec![name.to_string()],
            paths: Vec::new(),
        },
        EngineName::Duplicity | EngineName::Rsync => SnapshotFilter::default(),
    }
}

/// A file name that tells which path it stands for, the same for no other path.
fn file_name_for(path: &Path) -> String {
    const LONGEST: usize = 180;
    let bytes = path.as_os_str().as_bytes();
    let mut name = String::new();
    for &byte in bytes.strip_prefix(b"/").unwrap_or(bytes) {
        match byte {
            b'/' => name.push('-'),
            b'_' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => name.push(char::from(byte)),
            other => {
                let _ = write!(name, "%{other:02x}");
            }
        }
    }
    if name.len() <= LONGEST {
        return name;
    }
    name.truncate(100);
    name.push('%');
    for byte in Sha256::digest(bytes).iter().take(16) {
        let _ = write!(name, "{byte:02x}");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_a_file_name_of_its_own() {
        let name = |path: &str| file_name_for(Path::new(path));
        assert_eq!(name("/srv/backup"), "srv-backup");
        assert_ne!(name("/srv-backup"), name("/srv/backup"));
        assert_eq!(name("/srv/a b%"), "srv-a%20b%25");
        let long = format!("/{}", "x".repeat(3000));
        assert_eq!(name(&long).len(), 133);
        assert_ne!(name(&long), name(&format!("{long}y")));
    }
}

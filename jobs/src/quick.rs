//! A backup with nothing configured: these paths into that folder.

use std::fs;
use std::io;
use std::path::PathBuf;

use engine_api::{BackupReport, BackupRequest, Progress, Selection};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::lists;
use crate::open::Repository;
use crate::run::steps;
use crate::site::{Access, Site};

/// A backup to make without a record.
#[derive(Debug, Clone)]
pub struct QuickBackup {
    /// Where to.
    pub access: Access,
    /// What: absolute paths, taken as they are.
    pub paths: Vec<PathBuf>,
    /// What not: patterns of `fstree`'s language.
    pub excludes: Vec<Vec<u8>>,
    /// Whether folders with a `CACHEDIR.TAG` are left empty.
    pub exclude_caches: bool,
    /// Whether other filesystems below the paths are left out.
    pub one_file_system: bool,
    /// Labels of the snapshot.
    pub tags: Vec<String>,
    /// Read every file even if it looks unchanged.
    pub force_read: bool,
    /// Do everything but write.
    pub dry_run: bool,
    /// Count files and bytes first, for a listener that shows the time left.
    pub estimate: bool,
}

/// What it has done.
#[derive(Debug)]
pub struct QuickReport {
    /// What was saved.
    pub backup: BackupReport,
    /// Whether the repository was made for it.
    pub made: bool,
    /// Where everything is.
    pub site: Site,
}

impl QuickBackup {
    /// A plain backup of these paths.
    #[must_use]
    pub fn of(paths: Vec<PathBuf>, access: Access) -> Self {
        Self {
            access,
            paths,
            excludes: Vec::new(),
            exclude_caches: false,
            one_file_system: false,
            tags: Vec::new(),
            force_read: false,
            dry_run: false,
            estimate: false,
        }
    }

    /// Makes the backup; the repository too, with a password of its own, if there is none.
    ///
    /// # Errors
    /// When a path is missing or lies in the destination, or the backup could not be made.
    pub fn run(self, context: &Context, progress: &dyn Progress) -> engine_api::Result<QuickReport> {
        self.check_paths()?;
        let site = Site::find(context, &self.access)?;
        let selection = Selection {
            includes: self.paths.iter().map(|path| lists::exactly(path)).collect(),
            excludes: self.excludes,
            exclude_caches: self.exclude_caches,
            one_file_system: self.one_file_system,
        };
        let selection = lists::guard(context, selection, &self.paths, site.folder())?;
        let (repository, made) = if self.dry_run {
            (Repository::open_at(context, site)?, false)
        } else {
            Repository::open_or_init(context, site)?
        };
        let request = BackupRequest {
            selection,
            host: context.host.clone(),
            tags: self.tags,
            time: None,
            parent: None,
            force_read: self.force_read,
            dry_run: self.dry_run,
            estimate: self.estimate,
        };
        let backup = repository.engine().backup(&request, progress)?;
        Ok(QuickReport {
            backup,
            made,
            site: repository.site,
        })
    }

    fn check_paths(&self) -> Result<()> {
        if self.paths.is_empty() {
            return Err(Error::NothingToBackup {
                reason: "no path was named".to_owned(),
            });
        }
        for path in &self.paths {
            match fs::symlink_metadata(path) {
                Ok(_) => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                    return Err(Error::MissingPath { path: path.clone() });
                }
                Err(error) => return Err(Error::io("look at", path, error)),
            }
        }
        Ok(())
    }
}

impl QuickReport {
    /// What was done, and how to go on from here: lines for a person.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let dry_run = self.backup.snapshot.is_none();
        let mut lines = if self.made {
            steps::new_repository(&self.site)
        } else {
            Vec::new()
        };
        lines.extend(steps::saved(&self.backup, dry_run));
        lines
    }
}

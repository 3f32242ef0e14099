//! The engine: a duplicity repository behind the contract of all engines.

use std::path::Path;
use std::sync::Arc;

use engine_api::BlobStore;

use crate::chain::{self, Collection};
use crate::error::{Error, Result};
use crate::format::Container;
use crate::settings::Settings;

/// A duplicity repository on a storage.
pub struct DuplicityEngine {
    blobs: Arc<dyn BlobStore>,
    settings: Settings,
}

impl DuplicityEngine {
    /// Opens the repository, which may be empty; nothing is read yet.
    ///
    /// # Errors
    /// [`Error::Usage`] when a setting makes no sense.
    pub fn open(blobs: Arc<dyn BlobStore>, settings: Settings) -> Result<Self> {
        if settings.volume_size < (1 << 20) {
            return Err(Error::Usage("a volume must have a mebibyte at least".to_owned()));
        }
        if settings.prefixes.has_pattern() {
            let text = "a file prefix may hold no slash and none of the characters + * ? ( ) [ ] { } ^ $ | \\";
            return Err(Error::Usage(text.to_owned()));
        }
        if !settings.source.is_absolute() {
            return Err(Error::Usage(format!(
                "{} is no absolute path",
                settings.source.display()
            )));
        }
        if settings.archive_name.contains(['/', '\0']) || matches!(settings.archive_name.as_str(), "." | "..") {
            return Err(Error::Usage(format!("`{}` is no folder's name", settings.archive_name)));
        }
        Ok(Self { blobs, settings })
    }

    /// The storage.
    pub(crate) fn blobs(&self) -> &Arc<dyn BlobStore> {
        &self.blobs
    }

    /// What it was opened with.
    pub(crate) const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Where temporary files are made.
    pub(crate) fn temp(&self) -> &Path {
        let settings = &self.settings;
        // There is no archive folder before the first backup of this machine.
        let archive = settings.archive.as_deref().filter(|folder| folder.is_dir());
        settings
            .temp
            .as_deref()
            .or(archive)
            .unwrap_or_else(|| Path::new("/var/tmp"))
    }

    /// Whether no set was ever begun there.
    ///
    /// # Errors
    /// When the storage could not be listed.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(chain::list(self.blobs.as_ref(), &self.settings.prefixes)?.is_empty())
    }

    /// What lies on the storage now, in chains.
    pub(crate) fn collection(&self) -> Result<Collection> {
        let files = chain::list(self.blobs.as_ref(), &self.settings.prefixes)?;
        Ok(Collection::new(files))
    }

    /// How volumes and signature files are wrapped by these settings.
    pub(crate) const fn container(&self) -> Container {
        match (&self.settings.encryption, self.settings.compression) {
            (Some(_), _) => Container::OpenPgp,
            (None, true) => Container::Gzip,
            (None, false) => Container::Plain,
        }
    }

    /// How manifests are wrapped by these settings.
    pub(crate) const fn manifest_container(&self) -> Container {
        match self.settings.encryption {
            Some(_) => Container::OpenPgp,
            None => Container::Plain,
        }
    }
}

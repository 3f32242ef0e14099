//! What every operation needs to know of the machine, looked up once by the caller.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use crate::esmith::DatabaseFile;
use crate::layout::{Convention, Layout};

/// The machine and user that this process runs on and for.
#[derive(Debug, Clone)]
pub struct Context {
    /// Where Holdfast's own files are.
    pub layout: Layout,
    /// The kernel's host name, whole.
    pub host: String,
    /// The user's name.
    pub user: String,
    /// The zone for days, hours and printed times.
    pub zone: TimeZone,
}

/// A database found by name.
#[derive(Debug)]
pub struct FoundDatabase {
    /// The file.
    pub file: DatabaseFile,
    /// Whether it lies in the place of very old versions, which nothing else reads.
    pub historical: bool,
}

impl Context {
    /// The database of the jobs.
    #[must_use]
    pub fn backups(&self) -> DatabaseFile {
        self.database(OsStr::new("backups"), None).file
    }

    /// The database of the machine's settings.
    #[must_use]
    pub fn configuration(&self) -> DatabaseFile {
        self.database(OsStr::new("configuration"), None).file
    }

    /// The database that `name` means: below `prefix` when that is given, as it is when it is an absolute path, else
    /// among the layout's.
    #[must_use]
    pub fn database(&self, name: &OsStr, prefix: Option<&Path>) -> FoundDatabase {
        let plain = |path: PathBuf| DatabaseFile::new(path, self.zone.clone());
        let name = Path::new(name);
        if let Some(prefix) = prefix {
            // Appended as text: an absolute name must not leave the prefix.
            let mut path = prefix.as_os_str().to_owned();
            path.push("/");
            path.push(name);
            return found(plain(path.into()));
        }
        if name.is_absolute() {
            return found(self.computed(plain(name.to_owned())));
        }
        let path = self.layout.databases.join(name);
        let old = self.layout.old_databases.as_ref().map(|folder| folder.join(name));
        match old {
            Some(old) if !path.exists() && old.exists() => FoundDatabase {
                file: plain(old),
                historical: true,
            },
            _ => found(self.computed(plain(path))),
        }
    }

    /// On a NethServer machine, three keys of `configuration` follow the system.
    fn computed(&self, file: DatabaseFile) -> DatabaseFile {
        let own = self.layout.databases.join("configuration");
        if self.layout.convention != Convention::NethServer || file.path() != own {
            return file;
        }
        let (name, domain) = self.host.split_once('.').unwrap_or((&self.host, ""));
        let zone = self.zone.iana_name().unwrap_or("UTC");
        let computed = [("SystemName", name), ("DomainName", domain), ("TimeZone", zone)];
        file.with_computed(computed.map(|(key, value)| (key, value.to_owned())).to_vec())
    }
}

fn found(file: DatabaseFile) -> FoundDatabase {
    FoundDatabase {
        file,
        historical: false,
    }
}

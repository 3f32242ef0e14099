//! What packages and administrators want to stand in a database: one file for each value, in the folders
//! `DATABASE/defaults/KEY/PROPERTY` (where it is missing) and `DATABASE/force/KEY/PROPERTY` (whatever is there).

use std::collections::BTreeMap;
use std::fs::{self, DirEntry};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use super::{Database, DatabaseFile, Record};
use crate::error::{Error, Result};

/// A value longer than this is none that anybody has meant.
const LONGEST: u64 = 64 << 10;

/// Values by key and property; the property `type` is the type.
type Values = BTreeMap<Vec<u8>, BTreeMap<Vec<u8>, Vec<u8>>>;

/// What was filled in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filled {
    /// The values that were missing, as `KEY/PROPERTY`.
    pub added: Vec<String>,
    /// The values that were others, and are as they must be now.
    pub forced: Vec<String>,
    /// Programs of the original's that this one cannot run: they are pieces of Perl.
    pub left_out: Vec<PathBuf>,
}

/// The names of the databases for which there are such folders below `folder`, in order.
///
/// # Errors
/// When the folder is there and cannot be read.
pub fn databases(folder: &Path) -> Result<Vec<String>> {
    let folders = entries(folder)?.into_iter().filter(|entry| entry.path().is_dir());
    let names = folders.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    Ok(names)
}

/// Fills `file` with what the folder `folder/NAME` says, in one write; what is there and right stays.
///
/// # Errors
/// When a folder cannot be read, a value cannot be stored, or the database not be written; nothing is changed then.
pub fn fill(file: &DatabaseFile, folder: &Path) -> Result<Filled> {
    let defaults = values(&folder.join("defaults"))?;
    let forced = values(&folder.join("force"))?;
    let mut filled = Filled {
        left_out: entries(&folder.join("migrate"))?.iter().map(DirEntry::path).collect(),
        ..Filled::default()
    };
    filled.left_out.sort();
    if defaults.is_empty() && forced.is_empty() {
        return Ok(filled);
    }
    file.update(|database| {
        filled.added = put(file, database, &defaults, false)?;
        filled.forced = put(file, database, &forced, true)?;
        Ok(())
    })?;
    Ok(filled)
}

/// Puts the values in, and names those that were put.
fn put(file: &DatabaseFile, database: &mut Database, values: &Values, force: bool) -> Result<Vec<String>> {
    let mut named = Vec::new();
    for (key, properties) in values {
        let before = database.record(key);
        let mut record = before.clone().unwrap_or_default();
        // A record that has lost a separator is mended by who looks at it, and not made worse.
        if file.is_computed(key) || record.dangling.is_some() {
            continue;
        }
        for (property, value) in properties {
            if set(&mut record, property, value, force) {
                named.push(format!(
                    "{}/{}",
                    String::from_utf8_lossy(key),
                    String::from_utf8_lossy(property)
                ));
            }
        }
        if before.as_ref() != Some(&record) {
            database.set(key, &record).map_err(|misfit| file.unfit(misfit))?;
        }
    }
    Ok(named)
}

/// Whether the record is another one now. An empty property is one that somebody has emptied, and stays.
fn set(record: &mut Record, property: &[u8], value: &[u8], force: bool) -> bool {
    if property == b"type" {
        let wanted = record.kind.is_empty() || force;
        let changes = wanted && record.kind != value;
        if changes {
            record.kind = value.to_vec();
        }
        return changes;
    }
    let there = record.props.get(property);
    let changes = there.is_none_or(|there| force && there != value);
    if changes {
        record.props.insert(property.to_vec(), value.to_vec());
    }
    changes
}

/// What stands in the folder, two levels deep.
fn values(folder: &Path) -> Result<Values> {
    let mut values = Values::new();
    for key in entries(folder)? {
        if !key.path().is_dir() {
            continue;
        }
        let mut properties = BTreeMap::new();
        for property in entries(&key.path())? {
            let path = property.path();
            let metadata = match fs::metadata(&path) {
                // A link that leads nowhere says nothing.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                found => found.map_err(|error| Error::io("look at", &path, error))?,
            };
            if !metadata.is_file() || metadata.len() > LONGEST {
                continue;
            }
            let mut value = fs::read(&path).map_err(|error| Error::io("read", &path, error))?;
            if value.last() == Some(&b'\n') {
                value.pop();
            }
            properties.insert(property.file_name().into_vec(), value);
        }
        values.insert(key.file_name().into_vec(), properties);
    }
    Ok(values)
}

/// What is in a folder, without what is hidden; a folder that is not there has nothing.
fn entries(folder: &Path) -> Result<Vec<DirEntry>> {
    let listed = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed.and_then(Iterator::collect::<io::Result<Vec<_>>>),
    };
    let mut listed = listed.map_err(|error| Error::io("read", folder, error))?;
    listed.retain(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."));
    Ok(listed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_filled_in_and_what_must_be_is_forced() {
        let machine = tempfile::tempdir().unwrap();
        let folder = machine.path().join("fragments/backups");
        let write = |below: &str, value: &str| {
            let path = folder.join(below);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, value).unwrap();
        };
        write("defaults/b1/Notify", "error\n");
        write("defaults/b1/NotifyTo", "root@localhost\n");
        write("defaults/b1/CleanupOlderThan", "30D");
        write("defaults/new/type", "restic\n");
        write("defaults/new/status", "disabled\n");
        write("force/b1/Prune", "always\n");
        write("force/b1/.Prune.swp", "x");
        write("migrate/20old", "{ my $x; }");
        std::os::unix::fs::symlink("nowhere", folder.join("force/b1/Gone")).unwrap();
        let file = DatabaseFile::new(machine.path().join("backups"), jiff::tz::TimeZone::UTC);
        fs::write(file.path(), "b1=rsync|CleanupOlderThan||Notify|always|Prune|0\n").unwrap();
        let filled = fill(&file, &folder).unwrap();
        assert_eq!(filled.added, ["b1/NotifyTo", "new/status", "new/type"]);
        assert_eq!(filled.forced, ["b1/Prune"]);
        assert_eq!(filled.left_out, [folder.join("migrate/20old")]);
        let database = file.read().unwrap();
        let is = |key: &str, raw: &str| assert_eq!(database.raw(key.as_bytes()), Some(raw.as_bytes()), "{key}");
        is(
            "b1",
            "rsync|CleanupOlderThan||Notify|always|NotifyTo|root@localhost|Prune|always",
        );
        is("new", "restic|status|disabled");
        // The second time there is nothing to do, and nothing is written.
        let before = fs::metadata(file.path()).unwrap().modified().unwrap();
        let again = fill(&file, &folder).unwrap();
        assert!(again.added.is_empty() && again.forced.is_empty());
        assert_eq!(fs::metadata(file.path()).unwrap().modified().unwrap(), before);
        assert_eq!(databases(&machine.path().join("fragments")).unwrap(), ["backups"]);
        assert_eq!(databases(Path::new("/nonexistent")).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_value_that_cannot_be_stored_changes_nothing() {
        let machine = tempfile::tempdir().unwrap();
        let folder = machine.path().join("fragments/backups");
        fs::create_dir_all(folder.join("force/b1")).unwrap();
        fs::create_dir_all(folder.join("defaults/b1")).unwrap();
        fs::write(folder.join("defaults/b1/Notify"), "error").unwrap();
        fs::write(folder.join("force/b1/SMBShare"), "share\\").unwrap();
        let file = DatabaseFile::new(machine.path().join("backups"), jiff::tz::TimeZone::UTC);
        assert!(matches!(fill(&file, &folder), Err(Error::Unfit { .. })));
        assert!(!file.path().exists());
    }
}

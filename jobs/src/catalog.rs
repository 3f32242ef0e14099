//! The jobs of this machine, as its `backups` database has them.

use std::path::PathBuf;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::esmith::{Database, Record};
use crate::lists::{self, Rules};
use crate::lock;
use crate::migrate;
use crate::name::JobName;
use crate::record::{EngineName, Job, RecordError};
use crate::site::{Access, Site, Which};

pub use crate::inspect::{Finding, Inspected, Weight, inspect};
pub use crate::migrate::{Migration, migrate};
pub use crate::record::{Address, check, is_secret, read_address};

/// A job as it is listed: the record, and what is wrong with it.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Its key, as it stands in the database.
    pub key: String,
    /// Its record.
    pub record: Record,
    /// What keeps it from running as it is meant, and notes; see [`RecordError::is_note`].
    pub errors: Vec<RecordError>,
    /// What is to be said of a record that does not stand in the database yet.
    pub notes: Vec<String>,
}

impl Listed {
    /// Where its data goes, as far as the record says.
    #[must_use]
    pub fn location(&self) -> Option<String> {
        let name = JobName::new(&self.key).ok()?;
        Job::read(&name, &self.record).ok().map(|job| job.location())
    }
}

/// What is changed of a job's record, all at once.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Its engine.
    pub engine: Option<EngineName>,
    /// Properties that get a value; an empty one is as good as none.
    pub set: Vec<(String, Vec<u8>)>,
    /// Properties that are taken out.
    pub unset: Vec<String>,
    /// All that it saves from now on.
    pub paths: Option<Vec<PathBuf>>,
    /// All that it leaves out from now on, as patterns.
    pub excludes: Option<Vec<Vec<u8>>>,
}

/// The database, with the single backup of older versions where it has not been moved there yet.
fn database(context: &Context) -> Result<(Database, Vec<String>)> {
    let mut database = context.backups().read()?;
    if database.raw(migrate::KEY.as_bytes()).is_some() {
        return Ok((database, Vec::new()));
    }
    let Some(old) = migrate::old(&context.configuration().read()?) else {
        return Ok((database, Vec::new()));
    };
    let mut notes = vec!["it is the single backup of an older version and stands in `configuration`".to_owned()];
    notes.extend(old.notes);
    // A value that no database can hold cannot have come from one.
    let _ = database.set(migrate::KEY.as_bytes(), &old.record);
    Ok((database, notes))
}

/// Every record of the database, by name.
///
/// # Errors
/// When the database cannot be read.
pub fn list(context: &Context) -> Result<Vec<Listed>> {
    let (database, notes) = database(context)?;
    let listed = |key: &[u8]| {
        let (key, record) = (String::from_utf8_lossy(key).into_owned(), database.record(key)?);
        let errors = match JobName::new(&key) {
            Ok(name) => check(&name, &record),
            Err(_) => Vec::new(),
        };
        let notes = if key == migrate::KEY { notes.clone() } else { Vec::new() };
        Some(Listed {
            key,
            record,
            errors,
            notes,
        })
    };
    Ok(database.keys().filter_map(listed).collect())
}

/// The record of a job.
///
/// # Errors
/// When there is none.
pub fn record(context: &Context, name: &JobName) -> Result<Record> {
    let (database, _) = database(context)?;
    match database.record(name.as_str().as_bytes()) {
        Some(record) => Ok(record),
        None => Err(none(context, name.as_str())?),
    }
}

/// What to say where there is no job of that name.
pub(crate) fn none(context: &Context, name: &str) -> Result<Error> {
    let (database, _) = database(context)?;
    Ok(Error::NoJob {
        name: name.to_owned(),
        database: context.backups().path().to_owned(),
        known: database
            .keys()
            .map(|key| String::from_utf8_lossy(key).into_owned())
            .collect(),
    })
}

/// The job of that name.
///
/// # Errors
/// When there is none, or its record cannot be used.
pub fn job(context: &Context, name: &JobName) -> Result<Job> {
    Ok(Job::read(name, &record(context, name)?)?)
}

/// What a job saves and leaves out, line by line.
///
/// # Errors
/// When there is no such job, its record cannot be used, or a list cannot be read.
pub fn rules(context: &Context, name: &JobName) -> Result<Rules> {
    let access = Access::to(Which::Job(name.clone()));
    let site = Site::of_job(context, job(context, name)?, &access);
    Rules::of_job(context, name, site.folder())
}

/// Adds a job, checked property by property; with `paths`, it has a list of its own of just these.
///
/// # Errors
/// When one of that name or such a list exists, or anything in the record is wrong; nothing is written then.
pub fn add(context: &Context, name: &JobName, record: &Record, paths: &[PathBuf]) -> Result<()> {
    add_without(context, name, record, paths, &[])
}

/// The same; with `excludes`, it has a list of its own of just these patterns, too.
///
/// # Errors
/// As [`add`].
pub fn add_without(
    context: &Context,
    name: &JobName,
    record: &Record,
    paths: &[PathBuf],
    excludes: &[Vec<u8>],
) -> Result<()> {
    if let Some(error) = check(name, record).into_iter().next() {
        return Err(Error::Refused(error));
    }
    let file = context.backups();
    // Tried out on nothing, so that no list is written for a record that no database can hold.
    let probe = Database::default().set(name.as_str().as_bytes(), record);
    probe.map_err(|misfit| file.unfit(misfit))?;
    let exists = || Error::JobExists {
        name: name.to_string(),
        database: context.backups().path().to_owned(),
    };
    let (known, _) = database(context)?;
    if known.raw(name.as_str().as_bytes()).is_some() {
        return Err(exists());
    }
    let lists = [
        ("include", paths.is_empty(), lists::of_paths(paths)?),
        ("exclude", excludes.is_empty(), lists::of_patterns(excludes)?),
    ];
    for (suffix, is_empty, content) in &lists {
        if !is_empty {
            lists::write_own(context, name, suffix, content, false)?;
        }
    }
    file.update(|database| {
        if database.raw(name.as_str().as_bytes()).is_some() {
            return Err(exists());
        }
        let set = database.set(name.as_str().as_bytes(), record);
        set.map_err(|misfit| file.unfit(misfit))
    })
}

/// Changes a job in one step, checked as a whole; says what is still wrong with it.
///
/// What was wrong before and is not touched may stay: a record is mended piece by piece.
///
/// # Errors
/// When there is no such job, or the change would make anything wrong; nothing is written then.
pub fn edit(context: &Context, name: &JobName, change: &Change) -> Result<Vec<RecordError>> {
    let paths = change.paths.as_deref().map(lists::of_paths).transpose()?;
    let excludes = change.excludes.as_deref().map(lists::of_patterns).transpose()?;
    record(context, name)?;
    if name.as_str() == migrate::KEY {
        migrate(context, false)?;
    }
    let file = context.backups();
    let key = name.as_str().as_bytes();
    let left = file.update(|database| {
        let Some(before) = database.record(key) else {
            return Err(none(context, name.as_str())?);
        };
        let after = change.apply(before.clone());
        let known = check(name, &before);
        let errors = check(name, &after);
        let is_new = |error: &&RecordError| !error.is_note() && (change.touches(error) || !known.contains(error));
        if let Some(error) = errors.iter().find(is_new) {
            return Err(Error::Refused(error.clone()));
        }
        database.set(key, &after).map_err(|misfit| file.unfit(misfit))?;
        Ok(errors)
    })?;
    for (suffix, content) in [("include", paths), ("exclude", excludes)] {
        if let Some(content) = content {
            lists::write_own(context, name, suffix, &content, true)?;
        }
    }
    Ok(left)
}

impl Change {
    fn apply(&self, mut record: Record) -> Record {
        if let Some(engine) = self.engine {
            record.kind = engine.as_str().into();
        }
        for (property, value) in &self.set {
            record.props.insert(property.clone().into_bytes(), value.clone());
        }
        for property in &self.unset {
            record.props.remove(property.as_bytes());
        }
        record
    }

    fn touches(&self, error: &RecordError) -> bool {
        let property = error.property();
        self.set.iter().any(|(name, _)| name == property) || (property == "type" && self.engine.is_some())
    }
}

/// Lets a job run, or keeps it from running.
///
/// # Errors
/// When there is no such job; when it is to run and its record is wrong.
pub fn enable(context: &Context, name: &JobName, enabled: bool) -> Result<Vec<RecordError>> {
    if enabled {
        let errors = check(name, &record(context, name)?);
        let in_the_way = |error: &RecordError| !error.is_note() && error.property() != "status";
        if let Some(error) = errors.into_iter().find(in_the_way) {
            return Err(Error::Refused(error));
        }
    }
    let status: &[u8] = if enabled { b"enabled" } else { b"disabled" };
    let change = Change {
        set: vec![("status".to_owned(), status.to_owned())],
        ..Change::default()
    };
    edit(context, name, &change)
}

/// Removes a job's record; its repository, lists and password stay.
///
/// # Errors
/// When there is none, or it is running.
pub fn remove(context: &Context, name: &JobName) -> Result<()> {
    record(context, name)?;
    let _lock = lock::of_job(context, name)?;
    if name.as_str() == migrate::KEY {
        migrate(context, false)?;
    }
    context.backups().update(|database| {
        database.remove(name.as_str().as_bytes());
        Ok(())
    })
}

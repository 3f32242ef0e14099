//! The jobs of this machine, as its `backups` database has them.

use std::path::PathBuf;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::esmith::Record;
use crate::lists;
use crate::name::JobName;
use crate::record::{Job, RecordError};

pub use crate::record::{check, is_secret};

/// A job as it is listed: the record, and what is wrong with it.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Its key, as it stands in the database.
    pub key: String,
    /// Its record.
    pub record: Record,
    /// What keeps it from running as it is meant.
    pub errors: Vec<RecordError>,
}

/// Every record of the database, by name.
///
/// # Errors
/// When the database cannot be read.
pub fn list(context: &Context) -> Result<Vec<Listed>> {
    let database = context.backups().read()?;
    let listed = |key: &[u8]| {
        let (key, record) = (String::from_utf8_lossy(key).into_owned(), database.record(key)?);
        let errors = match JobName::new(&key) {
            Ok(name) => check(&name, &record),
            Err(_) => Vec::new(),
        };
        Some(Listed { key, record, errors })
    };
    Ok(database.keys().filter_map(listed).collect())
}

/// The record of a job.
///
/// # Errors
/// When there is none.
pub fn record(context: &Context, name: &JobName) -> Result<Record> {
    let file = context.backups();
    let database = file.read()?;
    database.record(name.as_str().as_bytes()).ok_or_else(|| Error::NoJob {
        name: name.to_string(),
        database: file.path().to_owned(),
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

/// Adds a job, checked property by property; with `paths`, it has a list of its own of just these.
///
/// # Errors
/// When one of that name or such a list exists, or anything in the record is wrong; nothing is written then.
pub fn add(context: &Context, name: &JobName, record: &Record, paths: &[PathBuf]) -> Result<()> {
    if let Some(error) = check(name, record).into_iter().next() {
        return Err(Error::Refused(error));
    }
    let file = context.backups();
    if file.read()?.raw(name.as_str().as_bytes()).is_some() {
        return Err(exists(context, name));
    }
    if !paths.is_empty() {
        lists::write_own(context, name, paths)?;
    }
    file.update(|database| {
        if database.raw(name.as_str().as_bytes()).is_some() {
            return Err(exists(context, name));
        }
        let set = database.set(name.as_str().as_bytes(), record);
        set.map_err(|misfit| file.unfit(misfit))
    })
}

fn exists(context: &Context, name: &JobName) -> Error {
    Error::JobExists {
        name: name.to_string(),
        database: context.backups().path().to_owned(),
    }
}

/// Removes a job's record; its repository, lists and password stay.
///
/// # Errors
/// When there is none.
pub fn remove(context: &Context, name: &JobName) -> Result<()> {
    record(context, name)?;
    context.backups().update(|database| {
        database.remove(name.as_str().as_bytes());
        Ok(())
    })
}

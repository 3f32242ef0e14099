//! One run of a job at a time.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::atomic;
use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::name::JobName;

/// The right to run a job; let go when it is dropped, or when the process dies in whatever way.
#[derive(Debug)]
pub struct JobLock {
    _file: File,
}

impl JobLock {
    /// Takes the lock of `name`, at once or not at all.
    ///
    /// # Errors
    /// [`Error::Running`] when somebody has it, saying who.
    pub fn take(layout: &Layout, name: &JobName, zone: &TimeZone) -> Result<Self> {
        let path = layout.locks.join(format!("backup-{name}.lock"));
        atomic::create_dir(&layout.locks, 0o755)?;
        let failed = |error| Error::io("lock", &path, error);
        // The file stays for ever: removing it would let two processes lock two files of one name.
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o644)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Self::running(path, name)),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let write = || -> io::Result<()> {
            let since = Timestamp::now().to_zoned(zone.clone());
            file.set_len(0)?;
            (&file).write_all(format!("process {}, since {}\n", std::process::id(), since.strftime("%F %T")).as_bytes())
        };
        write().map_err(failed)?;
        Ok(Self { _file: file })
    }

    fn running(lock: PathBuf, name: &JobName) -> Error {
        let holder = fs::read_to_string(&lock).unwrap_or_default();
        let holder = match holder.trim() {
            "" => "by a process that is just beginning".to_owned(),
            holder => holder.to_owned(),
        };
        Error::Running {
            name: name.to_string(),
            holder,
            lock,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Surroundings;

    #[test]
    fn one_holder_at_a_time_and_the_next_is_told_who() {
        let folder = tempfile::tempdir().unwrap();
        let surroundings = Surroundings {
            root: Some(folder.path().to_owned()),
            ..Surroundings::default()
        };
        let layout = Layout::find(&surroundings).unwrap();
        let name = JobName::new("b").unwrap();
        let held = JobLock::take(&layout, &name, &TimeZone::UTC).unwrap();
        let error = JobLock::take(&layout, &name, &TimeZone::UTC).unwrap_err().to_string();
        let holder = format!("backup b is running already: process {}, since 2", std::process::id());
        assert!(error.starts_with(&holder), "{error}");
        assert!(
            JobLock::take(&layout, &JobName::new("c").unwrap(), &TimeZone::UTC).is_ok(),
            "another job is free"
        );
        drop(held);
        assert!(JobLock::take(&layout, &name, &TimeZone::UTC).is_ok());
    }
}

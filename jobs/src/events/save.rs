//! The event `nethserver-backup-data-save`: what has to be done when a backup was configured.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use jiff::Zoned;
use zeroize::Zeroizing;

use super::Event;
use crate::actions::Words;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::esmith::fragments;
use crate::migrate::migrate;
use crate::name::JobName;
use crate::open::reach;
use crate::schedule;
use crate::secrets::Secret;
use crate::text;

/// Its name.
pub const SAVE_EVENT: &str = "nethserver-backup-data-save";

/// The event of an upgrade.
pub const UPDATE_EVENT: &str = "nethserver-backup-data-update";

/// No account has a longer password, in bytes.
const LONGEST: usize = 4096;

/// What the event needs beside its words.
pub struct Save<'a> {
    /// The machine.
    pub context: &'a Context,
    /// The program that cron or systemd will call.
    pub program: &'a Path,
    /// The current moment.
    pub now: Zoned,
}

impl<'a> Save<'a> {
    /// The event with the actions of its folder and those that the program does itself: the schedule is handed over; with
    /// a NAME its destination is looked at; with a PASSWORDFILE as well (`-` is `stdin`), an SSH server gets the key.
    ///
    /// The password file is read and removed before anything else, whatever comes then.
    ///
    /// # Errors
    /// When the words are wrong or there is no password.
    pub fn event(self, words: Words, stdin: &mut dyn Read) -> Result<Event<'a>> {
        let password = match words.get(1) {
            Some(file) if file == "-" => Some(first_line(stdin, Path::new("standard input"))?),
            Some(file) if !file.is_empty() => Some(taken(Path::new(file))?),
            _ => None,
        };
        let name = words.first().filter(|name| !name.is_empty());
        let name = name.map(|name| JobName::new(&name.to_string_lossy())).transpose()?;
        let context = self.context;
        let mut event = Event::find_if_there(&context.layout, SAVE_EVENT, words)?;
        event = event.with_own("S05write-schedule", move |line| self.write_schedule(line));
        let Some(name) = name else { return Ok(event) };
        if let Some(password) = password
            && reach::wants_key(context, &name)
        {
            let name = name.clone();
            event = event.with_own("S40install-ssh-key", move |line| {
                let lines = reach::install_key(context, &name, &password).map_err(explained)?;
                lines.iter().for_each(|text| line(text));
                Ok(())
            });
        }
        Ok(event.with_own("S50check-destination", move |line| {
            line(&reach::check(context, &name).map_err(explained)?);
            Ok(())
        }))
    }

    /// The event of an upgrade, with the actions of its folder and those that the program does itself: the single backup
    /// of older versions is moved to where this one has its backups, the databases are filled with what their folders of
    /// defaults say, and the schedule is handed over.
    ///
    /// # Errors
    /// When the folder of its actions cannot be read.
    pub fn update_event(self, words: Words) -> Result<Event<'a>> {
        let context = self.context;
        let event = Event::find_if_there(&context.layout, UPDATE_EVENT, words)?;
        let event = event.with_own("S00migrate-backup", move |line| {
            let migration = migrate(context, false).map_err(|error| explained(error.into()))?;
            if !migration.moved.is_empty() {
                line(&format!(
                    "moved from `configuration` to `backups`: {}",
                    migration.moved.join(", ")
                ));
            }
            migration.notes.iter().for_each(|note| line(note));
            Ok(())
        });
        // The original's own action, where it is still there, has run by then.
        let event = event.with_own("S01fill-databases", move |line| {
            fill_databases(context, line).map_err(|error| explained(error.into()))
        });
        Ok(event.with_own("S05write-schedule", move |line| self.write_schedule(line)))
    }

    fn write_schedule(self, line: &mut dyn FnMut(&str)) -> std::result::Result<(), String> {
        let installed = schedule::install(self.context, self.program, &self.now);
        let installed = installed.map_err(|error| explained(error.into()))?;
        for path in &installed.written {
            line(&format!("{} is written", path.display()));
        }
        for path in &installed.removed {
            line(&format!("{} is removed", path.display()));
        }
        for (job, problem) in &installed.left_out {
            line(&format!("backup {job} never runs by itself: {problem}"));
        }
        Ok(())
    }
}

/// Puts the defaults of all databases in, and says what was put. One that cannot be filled keeps no other from it; the first
/// of these failures is the action's.
fn fill_databases(context: &Context, line: &mut dyn FnMut(&str)) -> Result<()> {
    let Some(folder) = context.layout.fragments() else {
        return Ok(());
    };
    let mut failure = Ok(());
    for name in fragments::databases(&folder)? {
        let file = context.database(name.as_ref(), None).file;
        let filled = match fragments::fill(&file, &folder.join(&name)) {
            Ok(filled) => filled,
            Err(error) => {
                failure = failure.and(Err(error));
                continue;
            }
        };
        for (words, values) in [("filled in", &filled.added), ("set as they must be in", &filled.forced)] {
            if !values.is_empty() {
                line(&format!("{words} `{name}`: {}", values.join(", ")));
            }
        }
        for path in &filled.left_out {
            line(&format!("left out: {} (a piece of Perl)", text::path(path)));
        }
    }
    failure
}

fn explained(error: engine_api::Error) -> String {
    match error.hint() {
        Some(hint) => format!("{}; {hint}", error.chain()),
        None => error.chain(),
    }
}

/// Reads the password of a file, and removes that.
fn taken(path: &Path) -> Result<Secret> {
    struct Removed(PathBuf);
    impl Drop for Removed {
        fn drop(&mut self) {
            // One that is gone already is what was wanted.
            let _ = fs::remove_file(&self.0);
        }
    }
    let file = fs::File::open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::NoPasswordFile { path: path.to_owned() },
        _ => Error::io("read the password file", path, error),
    });
    // A device or a pipe is no file that somebody has written a password into.
    let regular = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
    let _removed = regular.then(|| Removed(path.to_owned()));
    first_line(&mut file?, path)
}

fn first_line(from: &mut dyn Read, path: &Path) -> Result<Secret> {
    let mut text = Zeroizing::new(String::with_capacity(LONGEST));
    let read = from.take(LONGEST as u64).read_to_string(&mut text);
    read.map_err(|error| Error::io("read the password from", path, error))?;
    match text.lines().next().map(|line| line.trim_end_matches('\r')) {
        Some(line) if !line.is_empty() => Ok(Secret::new(line)),
        _ => Err(Error::EmptyPassword { path: path.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d55_a_password_file_is_gone_once_it_is_read_good_or_bad() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        fs::write(&path, "p w \r\nsecond line\n").unwrap();
        assert_eq!(taken(&path).unwrap().reveal(), "p w ");
        assert!(!path.exists());
        for bad in [b"".as_slice(), b"\n", b"\xff\xfe\n"] {
            fs::write(&path, bad).unwrap();
            assert!(taken(&path).is_err());
            assert!(!path.exists(), "{bad:?}");
        }
        assert!(matches!(taken(&path), Err(Error::NoPasswordFile { .. })));
    }
}

//! What is typed on the terminal: passwords unseen, and words of consent.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};

use jobs::{Error, Secret};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

/// Asks twice for a new password; `None` without a terminal.
///
/// # Errors
/// When the two differ, nothing is typed, or the terminal fails.
pub fn new_password() -> Result<Option<Secret>, Error> {
    let Some(terminal) = terminal() else {
        return Ok(None);
    };
    let failed = |error| Error::Usage(format!("the password cannot be read from the terminal: {error}"));
    let first = unseen(&terminal, "New password: ").map_err(failed)?;
    let second = unseen(&terminal, "The same again: ").map_err(failed)?;
    if first != second {
        return Err(Error::Usage("the two passwords differ".to_owned()));
    }
    if first.is_empty() {
        return Err(Error::Usage("no password was typed".to_owned()));
    }
    Ok(Some(Secret::new(first)))
}

/// Asks once for a password that exists already.
///
/// # Errors
/// When there is no terminal, it fails, or nothing is typed.
pub fn known_password(question: &str) -> Result<Secret, Error> {
    let terminal = terminal().ok_or_else(|| {
        Error::Usage("there is no terminal to type the password on: name a file with --password-file".to_owned())
    })?;
    let typed = unseen(&terminal, question);
    let typed =
        typed.map_err(|error| Error::Usage(format!("the password cannot be read from the terminal: {error}")))?;
    if typed.is_empty() {
        return Err(Error::Usage("no password was typed".to_owned()));
    }
    Ok(Secret::new(typed))
}

/// Asks for a line on the terminal.
///
/// # Errors
/// When there is no terminal or it fails.
pub fn line(question: &str) -> Result<String, Error> {
    let terminal = terminal().ok_or_else(|| {
        Error::Usage("there is no terminal to type the answer on: give it as an option (see --help)".to_owned())
    })?;
    let ask = || -> io::Result<String> {
        (&terminal).write_all(question.as_bytes())?;
        let mut line = String::new();
        BufReader::new(&terminal).read_line(&mut line)?;
        Ok(line.trim().to_owned())
    };
    ask().map_err(|error| Error::Usage(format!("the answer cannot be read from the terminal: {error}")))
}

/// The first line of what `reader` has, for a password from a pipe.
///
/// # Errors
/// When it cannot be read or is empty.
pub fn first_line(reader: impl Read) -> Result<String, Error> {
    let mut line = String::new();
    let read = BufReader::new(reader).take(1 << 16).read_line(&mut line);
    read.map_err(|error| Error::Usage(format!("the password cannot be read from standard input: {error}")))?;
    match line.trim_end_matches(['\n', '\r']) {
        "" => Err(Error::Usage("standard input holds no password".to_owned())),
        password => Ok(password.to_owned()),
    }
}

fn terminal() -> Option<File> {
    OpenOptions::new().read(true).write(true).open("/dev/tty").ok()
}

fn unseen(mut terminal: &File, question: &str) -> io::Result<String> {
    terminal.write_all(question.as_bytes())?;
    let before = tcgetattr(terminal)?;
    let mut unseen = before.clone();
    unseen.local_modes.remove(LocalModes::ECHO);
    tcsetattr(terminal, OptionalActions::Flush, &unseen)?;
    let mut line = String::new();
    let read = BufReader::new(terminal).read_line(&mut line);
    tcsetattr(terminal, OptionalActions::Flush, &before)?;
    terminal.write_all(b"\n")?;
    read?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

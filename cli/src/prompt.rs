//! A password typed on the terminal, unseen.

use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, Write};

use jobs::{Error, Secret};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

/// Asks twice for a new password; `None` without a terminal.
///
/// # Errors
/// When the two differ, nothing is typed, or the terminal fails.
pub fn new_password() -> Result<Option<Secret>, Error> {
    let Ok(terminal) = OpenOptions::new().read(true).write(true).open("/dev/tty") else {
        return Ok(None);
    };
    let ask = |question: &str| -> io::Result<String> {
        (&terminal).write_all(question.as_bytes())?;
        let before = tcgetattr(&terminal)?;
        let mut unseen = before.clone();
        unseen.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&terminal, OptionalActions::Flush, &unseen)?;
        let mut line = String::new();
        let read = BufReader::new(&terminal).read_line(&mut line);
        tcsetattr(&terminal, OptionalActions::Flush, &before)?;
        (&terminal).write_all(b"\n")?;
        read?;
        Ok(line.trim_end_matches(['\n', '\r']).to_owned())
    };
    let failed = |error| Error::Usage(format!("the password cannot be read from the terminal: {error}"));
    let first = ask("New password: ").map_err(failed)?;
    let second = ask("The same again: ").map_err(failed)?;
    if first != second {
        return Err(Error::Usage("the two passwords differ".to_owned()));
    }
    if first.is_empty() {
        return Err(Error::Usage("no password was typed".to_owned()));
    }
    Ok(Some(Secret::new(first)))
}

//! Somebody at a terminal, who is asked for what a command still needs.

use std::io::{self, BufRead, IsTerminal, Write};
use std::os::fd::AsFd;

use jobs::Error;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

/// Somebody who can be asked: standard input and standard error are a terminal.
pub struct Terminal(());

impl Terminal {
    /// The terminal of this process; `None` when nobody sits at it.
    pub fn open() -> Option<Self> {
        (io::stdin().is_terminal() && io::stderr().is_terminal()).then_some(Self(()))
    }

    /// Asks; an empty answer is `default`.
    ///
    /// # Errors
    /// When the terminal fails or has no more to say.
    pub fn ask(&self, question: &str, default: Option<&str>) -> Result<String, Error> {
        let shown = default.map(|default| format!(" [{default}]")).unwrap_or_default();
        self.write(&format!("{question}{shown}: "))?;
        let line = read_line(&mut io::stdin().lock())?;
        let answer = line.trim();
        Ok(if answer.is_empty() {
            default.unwrap_or_default()
        } else {
            answer
        }
        .to_owned())
    }

    /// The same without showing what is typed.
    ///
    /// # Errors
    /// When the terminal fails or has no more to say.
    pub fn ask_unseen(&self, question: &str) -> Result<String, Error> {
        self.write(&format!("{question}: "))?;
        let line = unseen(&io::stdin(), || read_line(&mut io::stdin().lock()))?;
        self.write("\n")?;
        Ok(line)
    }

    /// Says something between questions.
    ///
    /// # Errors
    /// When the terminal fails.
    pub fn say(&self, text: &str) -> Result<(), Error> {
        self.write(&format!("{}\n", jobs::text::clean(text)))
    }

    #[allow(clippy::unused_self, reason = "a terminal must be there to write to")]
    fn write(&self, text: &str) -> Result<(), Error> {
        io::stderr().write_all(text.as_bytes()).map_err(|error| failed(&error))
    }
}

fn failed(error: &io::Error) -> Error {
    Error::Usage(format!("the terminal cannot be used: {error}"))
}

/// A line without its end.
fn read_line(from: &mut dyn BufRead) -> Result<String, Error> {
    let mut line = String::new();
    match from.read_line(&mut line).map_err(|error| failed(&error))? {
        0 => Err(Error::Usage(
            "the questions were not answered to the end: nothing was written".to_owned(),
        )),
        _ => Ok(line.trim_end_matches(['\n', '\r']).to_owned()),
    }
}

/// What `read` does while the terminal shows nothing of what is typed.
fn unseen<T>(terminal: &impl AsFd, read: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    let failed = |error: rustix::io::Errno| failed(&error.into());
    let before = tcgetattr(terminal).map_err(failed)?;
    let mut unseen = before.clone();
    unseen.local_modes.remove(LocalModes::ECHO);
    tcsetattr(terminal, OptionalActions::Flush, &unseen).map_err(failed)?;
    let read = read();
    tcsetattr(terminal, OptionalActions::Flush, &before).map_err(failed)?;
    read
}

//! Mail by this machine's own program.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{MemfdFlags, memfd_create};

use super::letter::Letter;
use super::{Limits, Sent, Unsent};
use crate::actions::{self, Call, Ending, Environment};
use crate::text;

/// Where systems have it.
const USUAL: [&str; 3] = ["/usr/sbin/sendmail", "/sbin/sendmail", "/usr/lib/sendmail"];

/// What of its complaints is told.
const MOST: usize = 4096;

/// Hands the letter to `program`, or to the one in the usual place, as NethServer did; `-i` so that no line of a log ends it.
pub(super) fn send(program: Option<&Path>, letter: &Letter, limits: &Limits) -> Sent {
    let usual = || USUAL.iter().map(PathBuf::from).find(|path| path.exists());
    let program = program.map(Path::to_owned).or_else(usual).ok_or_else(|| Unsent {
        message: "there is no program sendmail on this machine".to_owned(),
        hint: Some("install a mail server such as postfix, or set SMTPHost".to_owned()),
    })?;
    let failed = |what: String| Unsent {
        message: format!("{} {what}", text::path(&program)),
        hint: Some("look at this machine's mail log, or set SMTPHost".to_owned()),
    };
    let letter_file = in_memory(letter).map_err(|error| failed(format!("could not be given the letter: {error}")))?;
    let words = ["-t", "-i", "-f", &letter.from].map(OsString::from);
    let call = Call {
        program: &program,
        words: &words,
        environment: Environment::Plain,
        input: Some(&letter_file),
        limit: limits.way,
    };
    let mut said = String::new();
    let ending = actions::run(&call, &|| false, &mut |line| {
        if said.len() + line.len() < MOST {
            said.push_str(line);
            said.push(' ');
        }
    });
    let said = said.trim_end();
    match ending {
        Ending::Exit(0) => Ok(()),
        Ending::TimedOut(limit) => {
            let seconds = limit.as_secs_f64();
            Err(failed(format!("did not end within {seconds} seconds, and was stopped")))
        }
        Ending::NotStarted(cause) => Err(failed(format!("could not be started: {cause}"))),
        other => Err(failed(format!("failed ({other}): {said}"))),
    }
}

/// The letter as a file that no folder has: a program that reads nothing holds nobody up.
fn in_memory(letter: &Letter) -> io::Result<File> {
    let mut content = File::from(memfd_create("letter", MemfdFlags::CLOEXEC)?);
    let lines = letter.message.split(|byte| *byte == b'\r').collect::<Vec<_>>().concat();
    content.write_all(&lines)?;
    content.rewind()?;
    Ok(content)
}

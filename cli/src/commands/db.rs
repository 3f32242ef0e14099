use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use jobs::esmith::command::{CommandError, run as run_command, usage};
use jobs::{Context, Status};

use super::end;
use crate::output::{Output, Verbosity};
use crate::signals::Interrupt;
use crate::{exit, machine};

/// `db DBFILE COMMAND …`, or `config COMMAND …`. There are no options: every word may begin with a dash.
pub fn run(program: &str, words: &[OsString]) -> ExitCode {
    let output = Output::new(program, false, false, Verbosity::default());
    let status = match machine::context() {
        Ok(context) => answer(&output, &context, program, words),
        Err(error) => exit::report(&output, &error.into()),
    };
    end(&output, &Interrupt::default(), status)
}

fn answer(output: &Output, context: &Context, program: &str, words: &[OsString]) -> Status {
    let (database, words) = match (program, words) {
        ("config", words) => (OsStr::new("configuration"), words),
        (_, [database, words @ ..]) if !database.is_empty() => (database.as_os_str(), words),
        _ => return refuse(output, &usage("db DBFILE")),
    };
    let prefix = std::env::var_os("DBPATH")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from);
    let found = context.database(database, prefix.as_deref());
    if found.historical {
        output.warn(&format!(
            "{} is in the place of an old version; move it",
            found.file.path().display()
        ));
    }
    let call = match program {
        "config" => "config".to_owned(),
        _ => format!("db {}", database.to_string_lossy()),
    };
    let stdin = || Box::new(std::io::stdin()) as Box<dyn Read>;
    match run_command(&found.file, &call, words.to_vec(), &stdin) {
        Ok(answer) => {
            let _ = output.raw(&answer.output);
            answer.warnings.iter().for_each(|warning| output.warn(warning));
            let strict = std::env::var_os("HOLDFAST_STRICT").is_some_and(|value| !value.is_empty());
            if answer.success && !(strict && answer.missed) {
                Status::Success
            } else {
                Status::Failed
            }
        }
        Err(CommandError::Usage(text)) => refuse(output, &text),
        Err(CommandError::Failed(error)) => exit::report(output, &error.into()),
    }
}

fn refuse(output: &Output, usage: &str) -> Status {
    output.usage(usage);
    Status::Usage
}

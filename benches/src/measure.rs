use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use wait4::Wait4;

use crate::error::{At, Error};

/// What one run of a program took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    pub wall: Duration,
    /// User and system time, of all threads and children.
    pub cpu: Duration,
    /// Peak resident bytes.
    pub memory: u64,
}

/// Runs `command` to its end; what it prints goes to the file `log`.
pub fn run(mut command: Command, log: &Path) -> Result<Cost, Error> {
    let output = File::create(log).at("write", log)?;
    let errors = output.try_clone().at("write", log)?;
    command.stdin(Stdio::null()).stdout(output).stderr(errors);
    let start = Instant::now();
    let child = command.spawn().map_err(|source| Error::Start {
        program: command.get_program().to_string_lossy().into_owned(),
        source,
    })?;
    let used = child.wait4().at("wait for", log)?;
    let wall = start.elapsed();
    if !used.status.success() {
        return Err(failure(&command, &used.status.to_string(), log));
    }
    Ok(Cost {
        wall,
        cpu: used.rusage.utime + used.rusage.stime,
        memory: used.rusage.maxrss,
    })
}

fn failure(command: &Command, status: &str, log: &Path) -> Error {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let command: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    let output = std::fs::read(log).unwrap_or_default();
    Error::Command {
        command: command.join(" "),
        status: status.to_owned(),
        output: String::from_utf8_lossy(&output).into_owned(),
    }
}

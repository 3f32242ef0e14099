//! The system's own programs, run with a time limit and without a word of secret on their command lines.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use engine_api::{Cause, StoreErrorKind};

use super::error::Failed;

/// How long a program may take: a server that does not answer is given up by the kernel after about as long.
const LIMIT: Duration = Duration::from_secs(120);
/// How much of what it says is kept.
const KEPT: u64 = 4096;

/// Where programs are looked for.
pub(super) const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// What a program said.
pub(super) struct Said {
    pub(super) success: bool,
    /// Standard output.
    pub(super) output: String,
    /// What it complained about, in one line.
    pub(super) complaint: String,
}

/// Runs `name` to its end.
pub(super) fn run<'a>(
    operation: &'static str,
    name: &str,
    words: impl IntoIterator<Item = &'a OsStr>,
) -> Result<Said, Failed> {
    run_with(operation, name, words, None)
}

/// The same, with something to read for it: no more than a pipe holds.
pub(super) fn run_with<'a>(
    operation: &'static str,
    name: &str,
    words: impl IntoIterator<Item = &'a OsStr>,
    input: Option<&str>,
) -> Result<Said, Failed> {
    let mut child = Command::new(name)
        .args(words)
        .env_clear()
        .env("PATH", PATH)
        .env("LC_ALL", "C")
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|cause| missing(operation, name, cause))?;
    if let (Some(input), Some(mut pipe)) = (input, child.stdin.take()) {
        // A program that does not read it says why by itself.
        let _ = pipe.write_all(input.as_bytes());
    }
    let output = drain(child.stdout.take());
    let complaint = drain(child.stderr.take());
    let success = wait(operation, name, &mut child)?;
    Ok(Said {
        success,
        output: output.join().unwrap_or_default(),
        complaint: one_line(&complaint.join().unwrap_or_default()),
    })
}

/// A program that is not installed is no missing disk or share.
fn missing(operation: &'static str, name: &str, cause: std::io::Error) -> Failed {
    if cause.kind() != std::io::ErrorKind::NotFound {
        return Failed::io(operation, cause);
    }
    let cause = Cause::new(format!("the program {name} is not installed"));
    Failed {
        operation,
        kind: StoreErrorKind::Unsupported,
        cause: cause
            .with_hint(format!("install the system's package that has {name}"))
            .into(),
    }
}

/// Whether `mount` says that it, or the kernel, has nothing for this kind of filesystem.
pub(super) fn knows_not(complaint: &str) -> bool {
    let said = ["unknown filesystem type", "helper program", "No such device"];
    said.iter().any(|said| complaint.contains(said))
}

/// Reads what comes, and keeps the beginning, so that the program is never held up.
fn drain(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let Some(mut pipe) = pipe else {
            return String::new();
        };
        let mut kept = Vec::new();
        let _ = pipe.by_ref().take(KEPT * 64).read_to_end(&mut kept);
        let _ = std::io::copy(&mut pipe, &mut std::io::sink());
        String::from_utf8_lossy(&kept).into_owned()
    })
}

fn wait(operation: &'static str, name: &str, child: &mut Child) -> Result<bool, Failed> {
    let end = Instant::now() + LIMIT;
    let mut pause = Duration::from_millis(2);
    loop {
        match child.try_wait().map_err(|cause| Failed::io(operation, cause))? {
            Some(status) => return Ok(status.success()),
            None if Instant::now() > end => {
                let _ = child.kill();
                give_time(child);
                let cause = format!("{name} did not come to an end within {} seconds", LIMIT.as_secs());
                return Err(Failed::new(operation, StoreErrorKind::Timeout, cause));
            }
            None => thread::sleep(pause),
        }
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}

/// Waits a moment for a program that was killed: one that hangs in the kernel may not even die.
fn give_time(child: &mut Child) {
    for _ in 0..100 {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn one_line(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut line = lines.join("; ");
    if let Some((end, _)) = line.char_indices().nth(500) {
        line.truncate(end);
    }
    line
}

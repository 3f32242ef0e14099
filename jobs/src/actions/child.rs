//! One program, from its start to its end or its limit.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, PipeReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};

use super::Ending;
use crate::text;

/// How often the limit and the wish to stop are looked at.
const TICK: Duration = Duration::from_millis(50);

/// How long a program may put things in order when it is told to stop.
const GRACE: Duration = Duration::from_secs(5);

/// How much of one program's output is told; the rest is counted.
const MOST_OUTPUT: usize = 64 << 10;

/// How much is read at once.
const PIECE: usize = 16 << 10;

/// How much a program can have left in the pipe at its end: the size that a pipe may be given at the most.
const MOST_LEFT: usize = 1 << 20;

/// How much of one line is told.
const LONGEST_LINE: usize = 2000;

/// What a program finds in its environment, beside what this process has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Environment {
    /// That of NethServer's events: one language for all.
    NethServer,
    /// A language that every system has.
    Plain,
}

/// What to run, and how long at the most.
pub(crate) struct Call<'a> {
    pub(crate) program: &'a Path,
    pub(crate) words: &'a [std::ffi::OsString],
    pub(crate) environment: Environment,
    /// What it reads; nothing where there is none.
    pub(crate) input: Option<&'a File>,
    pub(crate) limit: Duration,
}

/// Runs it to its end, telling `line` what it prints, and `cancelled` being asked whether to stop it before.
///
/// It has a process group of its own: a Ctrl-C on the terminal does not reach it, and stopping it stops what it started.
pub(crate) fn run(call: &Call<'_>, cancelled: &dyn Fn() -> bool, line: &mut dyn FnMut(&str)) -> Ending {
    let begin = Instant::now();
    let (mut child, mut pipe) = match start(call) {
        Ok(started) => started,
        Err(error) => return Ending::NotStarted(error.to_string()),
    };
    let mut output = Output::default();
    let ending = loop {
        output.take(&mut pipe, TICK, line);
        match child.try_wait() {
            Ok(Some(status)) => break ending(status),
            Ok(None) => {}
            Err(error) => break Ending::NotStarted(error.to_string()),
        }
        let stopped = if begin.elapsed() >= call.limit {
            Ending::TimedOut(call.limit)
        } else if cancelled() {
            Ending::Cancelled
        } else {
            continue;
        };
        stop(&mut child, &mut pipe, &mut output, line);
        break stopped;
    };
    // What a program has started and left running may hold the pipe for ever, or fill it for ever.
    for _ in 0..MOST_LEFT / PIECE {
        if !output.take(&mut pipe, Duration::ZERO, line) {
            break;
        }
    }
    output.finish(line);
    ending
}

/// So often is a program tried that somebody is just writing, or seems to: a process that was begun in the same moment holds
/// what its parent had open for writing until it is another program.
const BUSY_TRIES: u32 = 100;
const BUSY_WAIT: Duration = Duration::from_millis(10);

fn start(call: &Call<'_>) -> io::Result<(Child, PipeReader)> {
    let mut started = start_once(call);
    for _ in 0..BUSY_TRIES {
        match started {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => thread::sleep(BUSY_WAIT),
            other => return other,
        }
        started = start_once(call);
    }
    started
}

fn start_once(call: &Call<'_>) -> io::Result<(Child, PipeReader)> {
    const NO_FORMAT: i32 = 8;
    match spawn(call, call.program.as_os_str(), None) {
        // A script without its first line is the shell's, as it has always been.
        Err(error) if error.raw_os_error() == Some(NO_FORMAT) => {
            spawn(call, OsStr::new("/bin/sh"), Some(call.program.as_os_str()))
        }
        other => other,
    }
}

fn spawn(call: &Call<'_>, program: &OsStr, first: Option<&OsStr>) -> io::Result<(Child, PipeReader)> {
    let (reader, writer) = io::pipe()?;
    let mut command = Command::new(program);
    command.args(first).args(call.words);
    for name in LOCALE {
        command.env_remove(name);
    }
    command.env(
        "LANG",
        match call.environment {
            Environment::NethServer => "en_US.utf8",
            Environment::Plain => "C.UTF-8",
        },
    );
    command.stdin(match call.input {
        Some(file) => Stdio::from(file.try_clone()?),
        None => Stdio::null(),
    });
    command.stdout(writer.try_clone()?).stderr(writer);
    let child = command.process_group(0).spawn()?;
    Ok((child, reader))
}

/// What would take the place of `LANG`.
const LOCALE: [&str; 14] = [
    "LANGUAGE",
    "LC_ALL",
    "LC_ADDRESS",
    "LC_COLLATE",
    "LC_CTYPE",
    "LC_IDENTIFICATION",
    "LC_MEASUREMENT",
    "LC_MESSAGES",
    "LC_MONETARY",
    "LC_NAME",
    "LC_NUMERIC",
    "LC_PAPER",
    "LC_TELEPHONE",
    "LC_TIME",
];

fn ending(status: ExitStatus) -> Ending {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Exit(code),
        (None, number) => Ending::Signal(number.unwrap_or_default()),
    }
}

fn stop(child: &mut Child, pipe: &mut PipeReader, output: &mut Output, line: &mut dyn FnMut(&str)) {
    let group = Pid::from_child(child);
    let _ = kill_process_group(group, Signal::TERM);
    let begin = Instant::now();
    while begin.elapsed() < GRACE && matches!(child.try_wait(), Ok(None)) {
        output.take(pipe, TICK, line);
    }
    // Also those that the program has started and that took no notice.
    let _ = kill_process_group(group, Signal::KILL);
    let _ = child.wait();
}

/// The lines of a program, with a limit to each and to all of them.
#[derive(Default)]
struct Output {
    /// A line that has not ended yet.
    begun: Vec<u8>,
    told: usize,
    dropped: u64,
    ended: bool,
}

impl Output {
    /// Waits for output as long as that and takes some; says whether there was any.
    fn take(&mut self, pipe: &mut PipeReader, wait: Duration, line: &mut dyn FnMut(&str)) -> bool {
        if self.ended {
            thread::sleep(wait.min(Duration::from_millis(5)));
            return false;
        }
        if !readable(pipe, wait) {
            return false;
        }
        let mut buffer = [0; PIECE];
        match pipe.read(&mut buffer) {
            Ok(0) | Err(_) => self.ended = true,
            Ok(length) => self.add(buffer.get(..length).unwrap_or_default(), line),
        }
        !self.ended
    }

    fn add(&mut self, bytes: &[u8], line: &mut dyn FnMut(&str)) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let room = LONGEST_LINE.saturating_sub(self.begun.len());
            let (kept, rest) = piece.split_at(room.min(piece.len()));
            self.begun.extend_from_slice(kept);
            self.dropped += rest.len() as u64;
            if piece.ends_with(b"\n") {
                self.tell(line);
            }
        }
    }

    fn tell(&mut self, line: &mut dyn FnMut(&str)) {
        let length = self.begun.len();
        if self.told + length > MOST_OUTPUT {
            self.dropped += length as u64;
        } else if !self.begun.trim_ascii_end().is_empty() {
            self.told += length;
            line(&text::clean(String::from_utf8_lossy(&self.begun).trim_end()));
        }
        self.begun.clear();
    }

    fn finish(&mut self, line: &mut dyn FnMut(&str)) {
        if !self.begun.is_empty() {
            self.tell(line);
        }
        if self.dropped > 0 {
            line(&format!("({} of output left out)", text::size(self.dropped)));
        }
    }
}

fn readable(pipe: &PipeReader, wait: Duration) -> bool {
    let timeout = Timespec {
        tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(wait.subsec_nanos()),
    };
    let mut pipes = [PollFd::new(pipe, PollFlags::IN)];
    matches!(poll(&mut pipes, Some(&timeout)), Ok(ready) if ready > 0)
}

//! Mail by this machine's own program.

use std::fs::File;
use std::io::{self, PipeReader, Read, Seek, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::letter::Letter;
use super::{Limits, Sent, Unsent};
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
    let (mut child, mut complaints) =
        start(&program, letter).map_err(|error| failed(format!("could not be started: {error}")))?;
    let said = match wait(&mut child, &mut complaints, limits.way) {
        Ok(Some(said)) => said,
        Ok(None) => {
            let seconds = limits.way.as_secs_f64();
            return Err(failed(format!("did not end within {seconds} seconds, and was stopped")));
        }
        Err(error) => return Err(failed(format!("could not be waited for: {error}"))),
    };
    let status = child
        .wait()
        .map_err(|error| failed(format!("could not be waited for: {error}")))?;
    if status.success() {
        return Ok(());
    }
    let said = text::clean(String::from_utf8_lossy(&said).trim());
    Err(failed(format!("ended with {status}: {said}")))
}

/// The letter is in a file, so that a program that reads nothing holds nobody up.
fn start(program: &Path, letter: &Letter) -> io::Result<(Child, PipeReader)> {
    let mut content = File::from(memfd_create("letter", MemfdFlags::CLOEXEC)?);
    let lines = letter.message.split(|byte| *byte == b'\r').collect::<Vec<_>>().concat();
    content.write_all(&lines)?;
    content.rewind()?;
    let (complaints, writer) = io::pipe()?;
    let child = Command::new(program)
        .args(["-t", "-i", "-f", &letter.from])
        .stdin(content)
        .stdout(Stdio::null())
        .stderr(writer)
        .process_group(0)
        .spawn()?;
    Ok((child, complaints))
}

/// Waits for the program's end, reading what it complains about; `None` when the time is over and it was stopped.
fn wait(child: &mut Child, complaints: &mut PipeReader, limit: Duration) -> io::Result<Option<Vec<u8>>> {
    let group = Pid::from_child(child);
    let process = pidfd_open(group, PidfdFlags::empty())?;
    let until = Instant::now() + limit;
    let (mut said, mut open) = (Vec::new(), true);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let _ = kill_process_group(group, Signal::KILL);
            child.wait()?;
            return Ok(None);
        }
        let timeout = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        let events = if open { PollFlags::IN } else { PollFlags::empty() };
        let mut both = [PollFd::new(&*complaints, events), PollFd::new(&process, PollFlags::IN)];
        let asked = if open {
            both.as_mut_slice()
        } else {
            both.get_mut(1..).unwrap_or_default()
        };
        poll(asked, Some(&timeout))?;
        let [pipe, ended] = both.map(|polled| !polled.revents().is_empty());
        if open && pipe {
            open = take(complaints, &mut said)?;
        } else if ended {
            return Ok(Some(said));
        }
    }
}

/// Whether more may come.
fn take(complaints: &mut PipeReader, said: &mut Vec<u8>) -> io::Result<bool> {
    let mut buffer = [0; 4096];
    let length = complaints.read(&mut buffer)?;
    let room = MOST.saturating_sub(said.len());
    said.extend(buffer.iter().take(length.min(room)));
    Ok(length > 0)
}

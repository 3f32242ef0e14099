//! Shares whose files the kernel has not done closing.
//!
//! When a share's server falls silent in the middle of a close, Linux closes again in the background, and since its change
//! 340cea84f691c of 2026 (in Debian's 6.1 since 6.1.170; not mended in 6.1.192) does not keep the share for it. A share whose last
//! user goes in that time, by a plain `umount` too, is a bug that the kernel stops at: `Busy inodes after unmount`, and on some
//! systems the end of the whole machine. So a share is only let go of when nothing of it is being closed any more.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{io, thread};

use rustix::fs::{Mode, OFlags};

use super::program;

/// How the name of a thread of the kernel ends that is just closing a file again.
const AT_WORK: &str = "+serverclose";
const PAUSE: Duration = Duration::from_millis(50);

/// Holds, at its descriptor 3, what its standard input is, and lets go when the process `$1` has no file of the mount `$2` open,
/// in none of its threads, and no thread of the kernel has a name that ends in `$3`. A process that is just ending shows no file
/// at all. Whoever ends what a service has left, as systemd does, does so by its control group; so it leaves that first.
const KEEPER: &str = r#"exec 3<&0
for group in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
    [ ! -e "$group/cgroup.procs" ] || echo $$ >"$group/cgroup.procs"
done 2>/dev/null
closing() { cat /proc/[0-9]*/comm | grep -q "$1\$"; }
ending() {
    [ -d "/proc/$1" ] || return 1
    for file in "/proc/$1"/task/*/fd/*; do [ ! -L "$file" ] || return 1; done
}
using() { grep -q "^mnt_id:[[:space:]]*$2\$" "/proc/$1"/task/*/fdinfo/*; }
{
    sleep 3
    while ending "$1" || using "$1" "$2" || closing "$3"; do sleep 3; done
} </dev/null >/dev/null 2>&1 &"#;

/// Whether the kernel is closing files again, of whatever share.
fn is_closing() -> bool {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut names = processes.filter_map(|process| fs::read_to_string(process.path().join("comm")).ok());
    names.any(|name| name.trim_end().ends_with(AT_WORK))
}

/// Waits until nothing is being closed; whether that was so within `limit`.
pub(super) fn is_over(limit: Duration) -> bool {
    let begin = Instant::now();
    while is_closing() {
        if begin.elapsed() > limit {
            return false;
        }
        thread::sleep(PAUSE);
    }
    true
}

/// Keeps what is mounted at `point` beyond its unmounting and the end of this process, in a process of its own, until the kernel
/// has closed all of its files. What is held back of a share's files would make the process wait when it begins, for it closes
/// ours: a share is mounted so that nothing is.
pub(super) fn keep(point: &Path) -> io::Result<()> {
    // No question to the server: only the place is opened.
    let place = rustix::fs::open(point, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let information = fs::read_to_string(format!("/proc/self/fdinfo/{}", place.as_raw_fd()))?;
    let mount = information.lines().find_map(|line| line.strip_prefix("mnt_id:"));
    let mount = mount.ok_or_else(|| io::Error::other("the kernel does not say which mount it is"))?;
    let status = Command::new("sh")
        .args(["-c", KEEPER, "holdfast-keeps-a-share"])
        .args([&std::process::id().to_string(), mount.trim(), AT_WORK])
        .env_clear()
        .env("PATH", program::PATH)
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::from(File::from(place)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    if status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("the shell that keeps it: {status}")))
}

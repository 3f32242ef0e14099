//! Who holds a lock, as text: a word and its value on each line.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use engine_api::Timestamp;
use rustix::process::{Pid, test_kill_process};

use crate::engine::Settings;
use crate::error::Error;

/// Age in seconds after which a lock that was not renewed is stale.
const STALE_AFTER: i64 = 30 * 60;

/// The holder of a lock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holder {
    pub host: String,
    pub user: String,
    pub pid: u32,
    /// Which start of the machine this is: after another the process is gone for certain.
    pub boot: String,
    pub since: i64,
    pub renewed: i64,
    /// Tells this lock from every other.
    pub token: String,
}

impl Holder {
    /// This process.
    pub fn new(settings: &Settings) -> Self {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let now = Timestamp::now();
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        let pid = std::process::id();
        Self {
            host: one_line(&settings.host),
            user: one_line(&settings.user),
            pid,
            boot: one_line(&boot),
            since: now.seconds,
            renewed: now.seconds,
            token: format!("{pid:x}-{:x}-{:x}-{count:x}", now.seconds, now.nanos),
        }
    }

    pub fn renew(&mut self) {
        self.renewed = Timestamp::now().seconds;
    }

    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let numbers = [
            ("pid", i64::from(self.pid)),
            ("since", self.since),
            ("renewed", self.renewed),
        ];
        let words = [
            ("host", &self.host),
            ("user", &self.user),
            ("boot", &self.boot),
            ("token", &self.token),
        ];
        // Writing to a string does not fail.
        for (word, value) in words {
            let _ = writeln!(text, "{word} {value}");
        }
        for (word, value) in numbers {
            let _ = writeln!(text, "{word} {value}");
        }
        text
    }

    /// Reads a lock; what is missing or makes no sense is empty or zero, which makes it stale.
    pub fn parse(content: &[u8]) -> Self {
        let text = String::from_utf8_lossy(content);
        let mut holder = Self::default();
        for (word, value) in text.lines().filter_map(|line| line.split_once(' ')) {
            match word {
                "host" => value.clone_into(&mut holder.host),
                "user" => value.clone_into(&mut holder.user),
                "boot" => value.clone_into(&mut holder.boot),
                "token" => value.clone_into(&mut holder.token),
                "pid" => holder.pid = value.parse().unwrap_or(0),
                "since" => holder.since = value.parse().unwrap_or(0),
                "renewed" => holder.renewed = value.parse().unwrap_or(0),
                _ => {}
            }
        }
        holder
    }

    /// Whether this holder is gone for certain, as `me` sees it.
    pub fn is_stale(&self, me: &Self) -> bool {
        if me.since - self.renewed > STALE_AFTER {
            return true;
        }
        // The start of a machine is the best name it has.
        let here = !self.boot.is_empty() && self.boot == me.boot;
        if here {
            return !is_alive(self.pid);
        }
        !me.host.is_empty() && self.host == me.host
    }

    pub fn describe(&self) -> String {
        let Self { pid, user, host, .. } = self;
        format!("process {pid} of {user} on {host}")
    }

    pub fn into_error(self, location: &str) -> Error {
        let since = Timestamp {
            seconds: self.since,
            nanos: 0,
        };
        Error::Locked {
            location: location.to_owned(),
            pid: self.pid,
            host: self.host,
            since: since.to_jiff().map_or_else(String::new, |since| since.to_string()),
        }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_alive(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

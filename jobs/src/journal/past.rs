//! A run as the journal has it; docs/commands.md describes the JSON.

use engine_api::Counts;
use serde::{Deserialize, Serialize};

use crate::status::Status;

/// The most of a run's warnings that are kept.
pub(crate) const WARNINGS: usize = 50;

/// A run that is over, or that never began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PastRun {
    /// Its id: no other run has it.
    pub run: String,
    /// The job.
    pub backup: String,
    /// The machine.
    pub host: String,
    /// The engine, where the record could be read.
    pub engine: Option<String>,
    /// Where the data went, without secrets, where the record could be read.
    pub location: Option<String>,
    /// When it began, RFC 3339 in UTC.
    pub started: String,
    /// When it was over.
    pub ended: String,
    /// Whether it is only a test of notification, and no run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub test: bool,
    /// Whether it did not come to its end: it was killed, or the machine went off. Then `ended` is when that was noticed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub broken_off: bool,
    /// How long it took, by a clock that nobody sets.
    #[serde(default)]
    pub seconds: f64,
    /// How it ended, as exit codes are named.
    pub status: String,
    /// The exit code.
    pub code: u8,
    /// The snapshot that it made.
    pub snapshot: Option<String>,
    /// Files of the snapshot, against the one before.
    pub files: Option<Tally>,
    /// Folders.
    pub dirs: Option<Tally>,
    /// Links and all else.
    pub others: Option<Tally>,
    /// Bytes of all files of the snapshot.
    pub bytes_processed: Option<u64>,
    /// Bytes that were new, before compression.
    pub bytes_added: Option<u64>,
    /// Bytes that the repository grew by.
    pub bytes_stored: Option<u64>,
    /// Paths that could not be saved.
    #[serde(default)]
    pub problems: PastProblems,
    /// How many snapshots expired.
    pub expired: Option<u64>,
    /// How many bytes a prune has freed.
    pub bytes_freed: Option<u64>,
    /// The check of the repository that followed, where one was due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<PastCheck>,
    /// Why it failed.
    pub error: Option<Failing>,
    /// What did not work and the data did not need.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// What ran around the engine: events and hooks.
    #[serde(default)]
    pub parts: Vec<Part>,
    /// The room at the destination, as this run has found it.
    pub usage: Option<PastSpace>,
    /// Its log.
    pub log: Option<String>,
    /// Who was told, and who could not be.
    #[serde(default)]
    pub notified: Vec<Told>,
}

/// A check of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastCheck {
    /// When it was over, RFC 3339 in UTC.
    pub time: String,
    /// How much data was read: `none`, `all`, `3/10` for the third of ten parts, `5%` for so much at random.
    pub read: String,
    /// The same in bytes.
    pub bytes_read: u64,
    /// Snapshots looked at.
    pub snapshots: u64,
    /// How many errors were found.
    pub errors: u64,
}

impl PastCheck {
    /// Whether it tells how the repository is after `before`: what reads less does not see the damage that was found.
    pub(crate) fn stands_for(&self, before: &Self) -> bool {
        let again = self.read == before.read && !self.read.ends_with('%');
        before.errors == 0 || before.read == "none" || self.read == "all" || again
    }
}

/// New, changed and unchanged entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Not in the snapshot before.
    pub new: u64,
    /// In it, and different.
    pub changed: u64,
    /// In it, and the same.
    pub unchanged: u64,
}

impl Tally {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.new + self.changed + self.unchanged
    }
}

impl From<Counts> for Tally {
    fn from(counts: Counts) -> Self {
        Self {
            new: counts.new,
            changed: counts.changed,
            unchanged: counts.unchanged,
        }
    }
}

/// Paths that could not be saved: all counted, the first kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastProblems {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub first: Vec<PastProblem>,
}

/// A path that could not be saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastProblem {
    /// What was being done.
    pub action: String,
    /// The path, with replacement characters where it is no UTF-8.
    pub path: String,
    /// Its bytes, when it is no UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_base64: Option<String>,
    /// Why not.
    pub cause: String,
}

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// The error with its causes.
    pub message: String,
    /// What to try.
    pub hint: Option<String>,
}

/// Something that ran before or after the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// `event` or `hook`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Whether it did what it should.
    pub success: bool,
    /// What it said, or why it failed.
    pub message: Option<String>,
}

/// The room at a destination, and when it was asked for: an old answer is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastSpace {
    /// When, RFC 3339 in UTC.
    pub time: String,
    /// The whole size in bytes.
    pub total: u64,
    /// What is in use.
    pub used: u64,
    /// What can still be written.
    pub available: u64,
}

/// A way of notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Way {
    /// Mail.
    Mail,
    /// A web hook.
    Webhook,
    /// A ping at the start of a run.
    PingStart,
    /// A ping at its end.
    Ping,
    /// Prometheus' text file.
    Prometheus,
}

impl Way {
    /// Its name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Webhook => "webhook",
            Self::PingStart => "ping at the start",
            Self::Ping => "ping",
            Self::Prometheus => "Prometheus file",
        }
    }
}

/// What became of one notification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// By which way.
    pub way: Way,
    /// To whom, without secrets.
    pub to: String,
    /// Whether it was taken.
    pub success: bool,
    /// Why not.
    pub message: Option<String>,
    /// What to try.
    pub hint: Option<String>,
}

impl Told {
    /// What became of it, in a line.
    #[must_use]
    pub fn line(&self) -> String {
        let (way, to) = (self.way.name(), &self.to);
        if self.success {
            return format!("{way} to {to}: sent");
        }
        let why = self.message.as_deref().unwrap_or("nobody knows why");
        let hint = self.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("no {way} to {to}: {why}{hint}")
    }
}

/// A run in short: which, when, and what it made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// The run's id.
    pub run: String,
    /// When it began, RFC 3339 in UTC.
    pub started: String,
    /// When it was over.
    pub ended: String,
    /// Its snapshot.
    pub snapshot: Option<String>,
}

impl PastRun {
    /// Whether it was a full success.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.code == Status::Success.code()
    }

    /// Which it was, in short.
    #[must_use]
    pub fn moment(&self) -> Moment {
        Moment {
            run: self.run.clone(),
            started: self.started.clone(),
            ended: self.ended.clone(),
            snapshot: self.snapshot.clone(),
        }
    }
}

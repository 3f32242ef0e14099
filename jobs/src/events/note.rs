//! What is told of an event, while it happens and afterwards.

use std::ffi::OsString;
use std::path::Path;

use crate::actions::{ActionReport, Ending};

/// Hears what becomes of an event.
pub trait Listener {
    /// Takes note.
    fn note(&self, note: &Note<'_>);

    /// Whether the action that is running is to be stopped and no other begun.
    fn cancelled(&self) -> bool;
}

/// One thing that happened in an event.
#[derive(Debug, Clone, Copy)]
pub enum Note<'a> {
    /// It begins.
    Started {
        /// Its name.
        event: &'a str,
        /// What its actions are called with after its name.
        words: &'a [OsString],
        /// How many actions it has.
        steps: usize,
    },
    /// An action begins.
    Running {
        /// The event.
        event: &'a str,
        /// The action.
        action: &'a Path,
        /// Which of them it is, from 1.
        step: usize,
    },
    /// An action has printed a line, harmless for a terminal and no longer than a few thousand characters.
    Line {
        /// The event.
        event: &'a str,
        /// The action's file name.
        action: &'a str,
        /// The line.
        text: &'a str,
    },
    /// An action has ended.
    Done {
        /// The event.
        event: &'a str,
        /// How the action ended.
        report: &'a ActionReport,
        /// Which of them it is, from 1.
        step: usize,
        /// How many there are.
        steps: usize,
    },
    /// It is over.
    Ended {
        /// The event.
        event: &'a str,
        /// Whether every action did what it is there for.
        success: bool,
    },
}

impl Note<'_> {
    /// The line that tells it, as NethServer's system log has it; none for what that does not tell.
    #[must_use]
    pub fn line(&self) -> Option<String> {
        match self {
            Self::Started { event, words, .. } => {
                let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
                Some(format!("Event: {event} {}", words.join(" ")).trim_end().to_owned())
            }
            Self::Running { .. } => None,
            // Moved in, so that no action can say that the backup has succeeded.
            Self::Line { text, .. } => Some(format!("  {text}")),
            Self::Done { report, .. } => Some(done(report)),
            Self::Ended { event, success } => {
                let word = if *success { "SUCCESS" } else { "FAILED" };
                Some(format!("Event: {event} {word}"))
            }
        }
    }
}

fn done(report: &ActionReport) -> String {
    let (path, seconds) = (report.path.display(), report.elapsed.as_secs_f64());
    match &report.ending {
        ending if ending.success() => format!("Action: {path} SUCCESS [{seconds:.6}]"),
        Ending::Exit(code) => format!("Action: {path} FAILED: {code} [{seconds:.6}]"),
        other => format!("Action: {path} FAILED: {} ({other}) [{seconds:.6}]", other.code()),
    }
}

/// What an event has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventReport {
    /// Its name.
    pub event: String,
    /// Its actions, in their order.
    pub actions: Vec<ActionReport>,
}

impl EventReport {
    /// The actions that failed.
    pub fn failed(&self) -> impl Iterator<Item = &ActionReport> {
        self.actions.iter().filter(|action| !action.ending.success())
    }

    /// Whether every action did what it is there for.
    #[must_use]
    pub fn success(&self) -> bool {
        self.failed().next().is_none()
    }

    /// The failed actions and how they ended, in words; nothing when none failed.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let complaint = |action: &ActionReport| format!("{} of {}: {}", action.name, self.event, action.ending);
        self.failed().map(complaint).collect()
    }
}

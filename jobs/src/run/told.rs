//! What happens beside the engine's work, told to the run's watcher.

use super::{Step, Watcher};
use crate::context::Context;
use crate::error::Result;
use crate::events::{Listener, Note, SystemLog};

/// Tells what an event does: to the run, so that its log says why, and to the system's log, as ever.
pub(super) struct EventListener<'a> {
    watcher: &'a dyn Watcher,
    system: SystemLog,
    /// Whether a wish to stop the run stops the event, too.
    stoppable: bool,
}

impl<'a> EventListener<'a> {
    pub(super) fn new(context: &Context, watcher: &'a dyn Watcher, stoppable: bool) -> Self {
        Self {
            watcher,
            system: SystemLog::of(&context.layout),
            stoppable,
        }
    }
}

impl Listener for EventListener<'_> {
    fn note(&self, note: &Note<'_>) {
        if let Some(line) = note.line() {
            self.system.line(line.trim_start());
        }
        self.watcher.step(&Step::Event { note });
    }

    fn cancelled(&self) -> bool {
        self.stoppable && self.watcher.cancelled()
    }
}

/// Makes a warning of what failed beside the run.
pub(super) fn told(watcher: &dyn Watcher, done: Result<()>) {
    if let Err(error) = done {
        watcher.step(&Step::Warning {
            text: &engine_api::Error::from(error).chain(),
        });
    }
}

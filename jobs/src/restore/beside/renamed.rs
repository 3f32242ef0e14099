use std::path::PathBuf;

use engine_api::{Event, Problem, Progress};

/// Tells problems with the paths that people know.
pub(super) struct Renamed<'p> {
    pub(super) progress: &'p dyn Progress,
    pub(super) from: PathBuf,
    pub(super) to: PathBuf,
}

impl Renamed<'_> {
    pub(super) fn problem(&self, problem: &Problem) -> Problem {
        let path = match problem.path.strip_prefix(&self.from) {
            Ok(below) => self.to.join(below),
            Err(_) => problem.path.clone(),
        };
        Problem {
            path,
            action: problem.action,
            cause: problem.cause.clone(),
        }
    }
}

impl Progress for Renamed<'_> {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::Problem(problem) => self.progress.event(Event::Problem(&self.problem(problem))),
            other => self.progress.event(other),
        }
    }

    fn cancelled(&self) -> bool {
        self.progress.cancelled()
    }
}

//! Events: a folder of actions for each, run one after the other when something happens, as NethServer has it.
//!
//! A failing action never keeps the ones after it from running; the event has failed when one of them has.

mod note;
mod save;
mod system_log;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::actions::{self, ActionReport, Call, Ending, Environment, Words};
use crate::error::{Error, Result};
use crate::layout::{Convention, Layout};

pub use note::{EventReport, Listener, Note};
pub use save::{SAVE_EVENT, Save, UPDATE_EVENT};
pub use system_log::SystemLog;

/// How long an action may take unless it is said otherwise: a dump of a large database is one.
pub const ACTION_LIMIT: Duration = Duration::from_hours(4);

/// What is done in an action's place by the program itself; it says what it does line by line.
type Own<'a> = Box<dyn FnOnce(&mut dyn FnMut(&str)) -> Result<(), String> + 'a>;

enum Work<'a> {
    Program,
    Own(Own<'a>),
}

struct Step<'a> {
    name: String,
    path: PathBuf,
    work: Work<'a>,
}

/// An event that is about to happen: its actions are known, none has run.
pub struct Event<'a> {
    name: String,
    words: Words,
    steps: Vec<Step<'a>>,
    environment: Environment,
    limit: Duration,
}

impl<'a> Event<'a> {
    /// Looks its actions up: every executable in its folder, and the two that NethServer adds to an event with templates
    /// or services.
    ///
    /// # Errors
    /// When there is no such event.
    pub fn find(layout: &Layout, name: &str, words: Words) -> Result<Self> {
        let mut event = Self::empty(layout, name, words)?;
        let folder = layout.events.join(name);
        let found = actions::in_folder(&folder).map_err(|error| Error::io("open the directory", &folder, error))?;
        event.add_programs(layout, &folder, found);
        Ok(event)
    }

    /// The same for an event that may have no folder.
    ///
    /// # Errors
    /// When the name is none, or the folder is there and cannot be read.
    pub fn find_if_there(layout: &Layout, name: &str, words: Words) -> Result<Self> {
        let mut event = Self::empty(layout, name, words)?;
        let folder = layout.events.join(name);
        match actions::in_folder(&folder) {
            Ok(found) => event.add_programs(layout, &folder, found),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("open the directory", &folder, error)),
        }
        Ok(event)
    }

    fn empty(layout: &Layout, name: &str, words: Words) -> Result<Self> {
        // The folder of the programs that events link to is none itself.
        let plain = !name.is_empty() && !name.contains(['/', '\0']) && !name.starts_with('.');
        if !plain || name == "actions" {
            return Err(Error::Usage(format!("`{name}` is no event")));
        }
        Ok(Self {
            name: name.to_owned(),
            words,
            steps: Vec::new(),
            environment: match layout.convention {
                Convention::NethServer => Environment::NethServer,
                Convention::Fhs | Convention::Xdg => Environment::Plain,
            },
            limit: ACTION_LIMIT,
        })
    }

    fn add_programs(&mut self, layout: &Layout, folder: &Path, found: Vec<actions::Found>) {
        let programs = found.into_iter().filter(|found| found.executable).map(|found| Step {
            name: found.name,
            path: found.path,
            work: Work::Program,
        });
        self.steps.extend(programs);
        let added = [
            (
                "templates2expand",
                "S05generic_template_expand",
                "generic_template_expand",
            ),
            ("services2adjust", "S90adjust-services", "adjust-services"),
        ];
        for (data, name, program) in added {
            let path = layout.events.join("actions").join(program);
            if folder.join(data).is_dir() && path.exists() {
                self.steps.push(Step {
                    name: name.to_owned(),
                    path,
                    work: Work::Program,
                });
            }
        }
        self.sort();
    }

    fn sort(&mut self) {
        self.steps.sort_by(|a, b| a.name.cmp(&b.name));
    }

    /// The same with an action that the program does itself, among the others by its name.
    #[must_use]
    pub(crate) fn with_own(
        mut self,
        name: &str,
        work: impl FnOnce(&mut dyn FnMut(&str)) -> Result<(), String> + 'a,
    ) -> Self {
        self.steps.push(Step {
            name: name.to_owned(),
            path: name.into(),
            work: Work::Own(Box::new(work)),
        });
        self.sort();
        self
    }

    /// The same with another limit to each action's time.
    #[must_use]
    pub fn with_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Whether it has no action at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Runs the actions one after the other.
    pub fn execute(self, listener: &dyn Listener) -> EventReport {
        let Self {
            name,
            words,
            steps,
            environment,
            limit,
        } = self;
        let (name, count) = (name.as_str(), steps.len());
        listener.note(&Note::Started {
            event: name,
            words: &words,
            steps: count,
        });
        let mut report = EventReport {
            event: name.to_owned(),
            actions: Vec::with_capacity(count),
        };
        let call = Caller {
            event: name,
            words: std::iter::once(OsString::from(name))
                .chain(words.iter().cloned())
                .collect(),
            environment,
            limit,
            listener,
        };
        for (index, step) in steps.into_iter().enumerate() {
            listener.note(&Note::Running {
                event: name,
                action: &step.path,
                step: index + 1,
            });
            let done = call.action(step);
            listener.note(&Note::Done {
                event: name,
                report: &done,
                step: index + 1,
                steps: count,
            });
            report.actions.push(done);
        }
        listener.note(&Note::Ended {
            event: name,
            success: report.success(),
        });
        report
    }
}

struct Caller<'a> {
    event: &'a str,
    words: Words,
    environment: Environment,
    limit: Duration,
    listener: &'a dyn Listener,
}

impl Caller<'_> {
    fn action(&self, step: Step<'_>) -> ActionReport {
        let begin = Instant::now();
        let Step { name, path, work } = step;
        let event = self.event;
        let mut line = |text: &str| {
            self.listener.note(&Note::Line {
                event,
                action: &name,
                text,
            });
        };
        let ending = match work {
            _ if self.listener.cancelled() => Ending::Cancelled,
            Work::Program => {
                let call = Call {
                    program: &path,
                    words: &self.words,
                    environment: self.environment,
                    input: None,
                    limit: self.limit,
                };
                actions::run(&call, &|| self.listener.cancelled(), &mut line)
            }
            Work::Own(work) => match work(&mut line) {
                Ok(()) => Ending::Exit(0),
                Err(cause) => {
                    line(&cause);
                    Ending::Exit(1)
                }
            },
        };
        ActionReport {
            name,
            path,
            ending,
            elapsed: begin.elapsed(),
        }
    }
}

#[cfg(test)]
mod tests;

//! `signal-event`: the actions of an event.

use std::ffi::OsString;

use jobs::events::{ACTION_LIMIT, Event, EventReport, Listener, Note, SAVE_EVENT, Save, SystemLog, UPDATE_EVENT};
use jobs::{Status, text};
use serde::Serialize;

use super::{App, Outcome};
use crate::args::SignalEventArgs;
use crate::machine;

pub fn run(app: &App, args: SignalEventArgs) -> Outcome {
    let name = args.words.first().map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_default();
    let words: Vec<OsString> = args.words.into_iter().skip(1).collect();
    let program = machine::program()?;
    let save = Save {
        context: &app.context,
        program: &program,
        now: machine::now(&app.context),
    };
    let event = match name.as_str() {
        SAVE_EVENT => save.event(words, &mut std::io::stdin())?,
        UPDATE_EVENT => save.update_event(words)?,
        _ => Event::find(&app.context.layout, &name, words)?,
    };
    let listener = Shown::by(app);
    let report = event
        .with_limit(args.timeout.unwrap_or(ACTION_LIMIT))
        .execute(&listener);
    Ok(end(app, &report))
}

/// Tells what happens: to the system's log as ever, and here when it is wanted.
pub struct Shown<'a> {
    app: &'a App,
    system: SystemLog,
}

impl<'a> Shown<'a> {
    pub fn by(app: &'a App) -> Self {
        Self {
            app,
            system: SystemLog::of(&app.context.layout),
        }
    }
}

impl Listener for Shown<'_> {
    fn note(&self, note: &Note<'_>) {
        let output = &self.app.output;
        if let Some(line) = note.line() {
            self.system.line(line.trim_start());
            if output.terminal || self.app.global.verbose > 0 {
                output.line(&text::clean(&line));
            }
        }
        if let Some(line) = Line::of(note) {
            output.event(&line);
        }
    }

    fn cancelled(&self) -> bool {
        self.app.interrupt.is_set()
    }
}

/// A line as NethServer's interfaces read it, with the type that all lines have here.
#[derive(Serialize)]
struct Line<'a> {
    r#type: &'static str,
    event: &'a str,
    pid: u32,
    #[serde(flatten)]
    state: State<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum State<'a> {
    Started {
        args: Vec<String>,
        steps: usize,
    },
    Running {
        action: String,
        state: &'static str,
        step: usize,
    },
    Output {
        action: &'a str,
        line: &'a str,
    },
    Done {
        action: String,
        time: f64,
        exit: i32,
        state: &'static str,
        step: usize,
        progress: String,
    },
}

impl<'a> Line<'a> {
    fn of(note: &'a Note<'_>) -> Option<Self> {
        let (r#type, event, state) = match note {
            Note::Started { event, words, steps } => {
                let args = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
                ("event", *event, State::Started { args, steps: *steps })
            }
            Note::Running { event, action, step } => {
                let state = State::Running {
                    action: action.display().to_string(),
                    state: "running",
                    step: *step,
                };
                ("action", *event, state)
            }
            Note::Line { event, action, text } => ("output", *event, State::Output { action, line: text }),
            Note::Done {
                event,
                report,
                step,
                steps,
            } => {
                let state = State::Done {
                    action: report.path.display().to_string(),
                    time: report.elapsed.as_secs_f64(),
                    exit: report.ending.code(),
                    state: "done",
                    step: *step,
                    progress: share(*step, *steps),
                };
                ("action", *event, state)
            }
            // The last line of a command has that.
            Note::Ended { .. } => return None,
        };
        Some(Self {
            r#type,
            event,
            pid: std::process::id(),
            state,
        })
    }
}

fn share(step: usize, steps: usize) -> String {
    let hundredths = step * 100 / steps.max(1);
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

#[derive(Serialize)]
struct Details<'a> {
    event: &'a str,
    pid: u32,
    failed: Vec<&'a str>,
}

fn end(app: &App, report: &EventReport) -> Status {
    let complaints = report.complaints();
    if !app.output.is_json() {
        complaints.iter().for_each(|complaint| app.output.complain(complaint));
    }
    let status = if complaints.is_empty() {
        Status::Success
    } else {
        Status::Failed
    };
    let details = Details {
        event: &report.event,
        pid: std::process::id(),
        failed: report.failed().map(|action| action.name.as_str()).collect(),
    };
    app.output
        .event(&crate::json::ResultLine::new("signal-event", status, details));
    status
}

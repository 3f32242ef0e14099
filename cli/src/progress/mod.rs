//! Listeners of an operation: a bar on a terminal, JSON lines, or plain lines.

mod bar;
mod meter;
pub mod steps;

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use engine_api::{Change, Event, Phase, Problem, Progress};
use jobs::{Step, Watcher, text};
use serde::Serialize;

use crate::json::JsonPath;
use crate::output::Output;
use crate::signals::Interrupt;
use bar::Bar;
use meter::{Meter, Reading};

/// How often the bar moves.
const FRAME: Duration = Duration::from_millis(200);

/// How often a JSON line tells the progress.
const LINE: Duration = Duration::from_secs(1);

/// Hears an operation and shows it, as long as it lives.
pub struct Listener {
    output: Arc<Output>,
    interrupt: Interrupt,
    meter: Arc<Meter>,
    ticker: Option<(Sender<()>, JoinHandle<()>)>,
}

#[derive(Serialize)]
struct ProgressLine<'a> {
    r#type: &'static str,
    phase: Option<Phase>,
    files: u64,
    total_files: Option<u64>,
    bytes: u64,
    total_bytes: Option<u64>,
    items: u64,
    total: Option<u64>,
    problems: u64,
    seconds_left: Option<u64>,
    #[serde(flatten)]
    path: Option<&'a JsonPath>,
}

#[derive(Serialize)]
struct ProblemLine<'a> {
    r#type: &'static str,
    action: &'a str,
    #[serde(flatten)]
    path: JsonPath,
    cause: &'a str,
}

#[derive(Serialize)]
struct MessageLine<'a> {
    r#type: &'static str,
    message: &'a str,
}

impl Listener {
    pub fn new(output: &Arc<Output>, interrupt: &Interrupt) -> Self {
        let meter = Arc::new(Meter::default());
        let bar = std::io::stderr().is_terminal() && !output.verbosity.quiet;
        let ticker = if output.is_json() {
            Some(start(LINE, Arc::clone(&meter), Arc::clone(output), tell))
        } else if bar {
            Some(start(FRAME, Arc::clone(&meter), Arc::clone(output), draw))
        } else {
            None
        };
        Self {
            output: Arc::clone(output),
            interrupt: interrupt.clone(),
            meter,
            ticker,
        }
    }

    fn problem(&self, problem: &Problem) {
        if self.output.is_json() {
            self.output.event(&ProblemLine {
                r#type: "problem",
                action: problem.action,
                path: problem.path.as_path().into(),
                cause: &problem.cause,
            });
        } else {
            self.output.complain(&text::problem(problem));
        }
    }

    fn message(&self, r#type: &'static str, message: &str) {
        if self.output.is_json() {
            self.output.event(&MessageLine { r#type, message });
        } else if r#type == "warning" {
            self.output.warn(message);
        } else if !self.output.verbosity.quiet {
            self.output.complain(message);
        }
    }

    fn finished(&self, path: &std::path::Path, change: Change) {
        let (mark, level) = match change {
            Change::New => ("+", 1),
            Change::Changed => ("M", 1),
            Change::Unchanged => (" ", 2),
        };
        if self.output.verbosity.verbose >= level {
            self.output.line(&format!("{mark} {}", text::path(path)));
        }
    }
}

impl Progress for Listener {
    fn event(&self, event: Event<'_>) {
        let new_phase = self.meter.event(&event);
        match event {
            Event::Problem(problem) => self.problem(problem),
            Event::Notice(notice) => self.message("notice", notice),
            Event::Finished { path, change, .. } => self.finished(path, change),
            _ if new_phase && self.output.is_json() => tell(&mut Bar::default(), &self.meter.read(), &self.output),
            _ => {}
        }
    }

    fn cancelled(&self) -> bool {
        self.interrupt.is_set()
    }
}

impl Watcher for Listener {
    fn step(&self, step: &Step<'_>) {
        if let Step::Warning { text } = step {
            return self.message("warning", text);
        }
        steps::tell(&self.output, step);
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.ticker.take() {
            drop(stop);
            let _ = thread.join();
        }
        self.output.bar(None);
    }
}

type Show = fn(&mut Bar, &Reading, &Output);

fn start(every: Duration, meter: Arc<Meter>, output: Arc<Output>, show: Show) -> (Sender<()>, JoinHandle<()>) {
    let (stop, stopped) = channel();
    let work = move || {
        let mut bar = Bar::default();
        let mut last = Instant::now();
        while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
            let reading = meter.read();
            bar.update(&reading, last.elapsed());
            last = Instant::now();
            show(&mut bar, &reading, &output);
        }
    };
    (stop, std::thread::spawn(work))
}

fn draw(bar: &mut Bar, reading: &Reading, output: &Output) {
    let columns = rustix::termios::tcgetwinsize(std::io::stderr()).map_or(80, |size| usize::from(size.ws_col));
    output.bar(Some(&bar.line(reading, columns.max(20))));
}

fn tell(bar: &mut Bar, reading: &Reading, output: &Output) {
    let known = |number| reading.found.done.then_some(number);
    let path = JsonPath::from(reading.path.as_path());
    output.event(&ProgressLine {
        r#type: "progress",
        phase: reading.phase,
        files: reading.files,
        total_files: known(reading.found.files),
        bytes: reading.bytes,
        total_bytes: known(reading.found.bytes),
        items: reading.items,
        total: reading.total,
        problems: reading.problems,
        seconds_left: bar.left(reading).map(|left| left.as_secs()),
        path: (!reading.path.as_os_str().is_empty()).then_some(&path),
    });
}

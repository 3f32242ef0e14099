//! Standard output and standard error: text or JSON lines, never more than was asked for.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jobs::text;
use serde::Serialize;

use crate::charset::Charset;

/// How much is said.
#[derive(Debug, Clone, Copy, Default)]
pub struct Verbosity {
    /// Only errors.
    pub quiet: bool,
    /// 1: notices and changed files; 2: unchanged files too.
    pub verbose: u8,
}

/// Where everything that is printed goes through.
pub struct Output {
    program: String,
    json: bool,
    /// Standard output belongs to a file's content; everything else goes to standard error.
    content: bool,
    pub verbosity: Verbosity,
    pub terminal: bool,
    /// The characters of standard output and standard error, where they are terminals.
    charsets: [Charset; 2],
    state: Mutex<State>,
}

struct State {
    stdout: BufWriter<Stdout>,
    /// Set by the first failure; nothing is written after it.
    failed: Option<io::Error>,
    /// Columns of the progress line that stands on the terminal.
    bar: bool,
}

impl Output {
    pub fn new(program: &str, json: bool, content: bool, verbosity: Verbosity) -> Self {
        let stdout = io::stdout();
        let charset = |terminal: bool| match terminal {
            true => Charset::of_environment(),
            // A pipe or a file gets every byte as it is.
            false => Charset::Utf8,
        };
        let charsets = [charset(stdout.is_terminal()), charset(io::stderr().is_terminal())];
        Self {
            program: program.to_owned(),
            json,
            content,
            verbosity,
            terminal: stdout.is_terminal(),
            charsets,
            state: Mutex::new(State {
                stdout: BufWriter::with_capacity(1 << 16, stdout),
                failed: None,
                bar: false,
            }),
        }
    }

    pub fn is_json(&self) -> bool {
        self.json
    }

    /// A line for people, unless they want JSON or quiet.
    pub fn line(&self, line: &str) {
        if !self.json && !self.verbosity.quiet {
            let _ = self.write(&[line.as_bytes(), b"\n"], true);
        }
    }

    pub fn lines(&self, lines: &[String]) {
        lines.iter().for_each(|line| self.line(line));
    }

    /// A line that is the answer itself: said also when quiet. Breaks when nobody reads any more.
    pub fn answer(&self, line: &[u8]) -> ControlFlow<()> {
        self.write(&[line, b"\n"], false)
    }

    /// An answer with a name in it: as it is for a program, harmless for a terminal.
    pub fn name(&self, before: &str, name: &[u8]) -> ControlFlow<()> {
        if self.terminal {
            self.answer(format!("{before}{}", text::bytes(name)).as_bytes())
        } else {
            self.write(&[before.as_bytes(), name, b"\n"], false)
        }
    }

    /// Bytes as they are.
    pub fn raw(&self, bytes: &[u8]) -> ControlFlow<()> {
        self.write_as(Charset::Utf8, &[bytes], false)
    }

    /// A JSON line of a listing, when JSON is wanted.
    pub fn item(&self, value: &impl Serialize) -> ControlFlow<()> {
        self.json_line(value, false)
    }

    /// A JSON line of something that is going on, when JSON is wanted.
    pub fn event(&self, value: &impl Serialize) {
        let _ = self.json_line(value, true);
    }

    fn json_line(&self, value: &impl Serialize, flush: bool) -> ControlFlow<()> {
        if !self.json || self.content {
            return ControlFlow::Continue(());
        }
        let line = serde_json::to_vec(value).unwrap_or_default();
        self.write_as(Charset::Utf8, &[&line, b"\n"], flush)
    }

    /// The last JSON line of a command that failed.
    pub fn error_json(&self, value: &impl Serialize) {
        if self.content {
            let line = serde_json::to_vec(value).unwrap_or_default();
            self.to_stderr(&[&line, b"\n"]);
        } else {
            self.event(value);
        }
    }

    /// An error on standard error.
    pub fn complain(&self, message: &str) {
        let line = format!("{}: {}\n", self.program, text::clean(message));
        self.to_stderr(&[line.as_bytes()]);
    }

    /// What to do about it.
    pub fn hint(&self, hint: &str) {
        self.to_stderr(&[format!("hint: {}\n", text::clean(hint)).as_bytes()]);
    }

    /// How a command is called, on standard error.
    pub fn usage(&self, usage: &str) {
        let lines = usage.lines().map(text::clean).collect::<Vec<_>>().join("\n");
        self.to_stderr(&[lines.as_bytes(), b"\n"]);
    }

    /// Something worth knowing that is no failure, on standard error.
    pub fn warn(&self, message: &str) {
        if !self.json {
            self.complain(&format!("warning: {message}"));
        }
    }

    /// Shows `line` in place of the progress line before, or takes that away.
    pub fn bar(&self, line: Option<&str>) {
        let mut state = self.state();
        if line.is_none() && !state.bar {
            return;
        }
        state.bar = line.is_some();
        let text = format!("\r\x1b[K{}", line.unwrap_or_default());
        let [_, shown] = self.charsets;
        let _ = io::stderr().write_all(&shown.shown(text.as_bytes()));
    }

    /// Writes out what is buffered; says what went wrong with any of it.
    pub fn finish(&self) -> Result<(), io::Error> {
        self.bar(None);
        let mut state = self.state();
        match state.failed.take() {
            Some(error) => Err(error),
            None => state.stdout.flush(),
        }
    }

    fn write(&self, parts: &[&[u8]], flush: bool) -> ControlFlow<()> {
        let [shown, _] = self.charsets;
        self.write_as(shown, parts, flush)
    }

    fn write_as(&self, shown: Charset, parts: &[&[u8]], flush: bool) -> ControlFlow<()> {
        let mut state = self.state();
        if state.failed.is_some() {
            return ControlFlow::Break(());
        }
        if state.bar {
            state.bar = false;
            let _ = io::stderr().write_all(b"\r\x1b[K");
        }
        let mut write = || -> io::Result<()> {
            for part in parts {
                state.stdout.write_all(&shown.shown(part))?;
            }
            if flush { state.stdout.flush() } else { Ok(()) }
        };
        match write() {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                state.failed = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    fn to_stderr(&self, parts: &[&[u8]]) {
        let mut state = self.state();
        let _ = state.stdout.flush();
        let mut text = if state.bar { b"\r\x1b[K".to_vec() } else { Vec::new() };
        state.bar = false;
        parts.iter().for_each(|part| text.extend(*part));
        let [_, shown] = self.charsets;
        let _ = io::stderr().write_all(&shown.shown(&text));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

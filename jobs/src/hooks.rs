//! Hooks: the programs in one folder that are run after each backup, whatever came of it.

use std::io;
use std::time::{Duration, Instant};

use crate::actions::{self, ActionReport, Call, Ending, Environment, Words};
use crate::context::Context;
use crate::run::RunReport;

/// One thing about a hook.
#[derive(Debug, Clone, Copy)]
pub enum HookNote<'a> {
    /// It has printed a line.
    Line(&'a str),
    /// It has ended.
    Done(&'a ActionReport),
}

impl HookNote<'_> {
    /// The line that tells it.
    #[must_use]
    pub fn line(&self) -> String {
        match self {
            Self::Line(text) => format!("  {text}"),
            Self::Done(report) => {
                let path = report.path.display();
                match &report.ending {
                    Ending::Exit(0) => format!("Hook {path}: SUCCESS"),
                    Ending::NotExecutable => format!("Hook {path}: {}", report.ending),
                    other => format!("Hook {path}: FAIL ({other})"),
                }
            }
        }
    }
}

/// Runs every hook in the order of their names, each with the job's name, the path of the log (empty where there is
/// none), the exit code of the run, and the second since 1970 in which it began.
pub(crate) fn run(
    context: &Context,
    run: &RunReport,
    limit: Duration,
    tell: &dyn Fn(&HookNote<'_>),
) -> Vec<ActionReport> {
    let found = match actions::in_folder(&context.layout.hooks) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            let report = ActionReport {
                name: context.layout.hooks.display().to_string(),
                path: context.layout.hooks.clone(),
                ending: Ending::NotStarted(error.to_string()),
                elapsed: Duration::ZERO,
            };
            tell(&HookNote::Done(&report));
            return vec![report];
        }
    };
    let log = run
        .log
        .as_ref()
        .map(|log| log.clone().into_os_string())
        .unwrap_or_default();
    let words: Words = vec![
        run.name.as_str().into(),
        log,
        run.status.code().to_string().into(),
        run.started.timestamp().as_second().to_string().into(),
    ];
    let one = |hook: actions::Found| {
        let begin = Instant::now();
        let ending = if hook.executable {
            let call = Call {
                program: &hook.path,
                words: &words,
                environment: Environment::Plain,
                input: None,
                limit,
            };
            // A run that was asked to stop says so by its hooks as well.
            actions::run(&call, &|| false, &mut |line| tell(&HookNote::Line(line)))
        } else {
            Ending::NotExecutable
        };
        let report = ActionReport {
            name: hook.name,
            path: hook.path,
            ending,
            elapsed: begin.elapsed(),
        };
        tell(&HookNote::Done(&report));
        report
    };
    found.into_iter().map(one).collect()
}

//! `schedule`: when backups run, who starts them, and what was missed.

use jiff::Zoned;
use jobs::schedule::{self, Installed, Planned, Scheduler};
use jobs::{Status, text};
use serde::Serialize;

use super::backup::Unseen;
use super::{App, Outcome};
use crate::args::ScheduleCommand;
use crate::machine;

pub fn run(app: &App, command: Option<ScheduleCommand>) -> Outcome {
    match command {
        None => show(app),
        Some(ScheduleCommand::Write) => write(app),
        Some(ScheduleCommand::CatchUp { dry_run }) => catch_up(app, dry_run),
    }
}

#[derive(Serialize)]
struct PlannedLine<'a> {
    r#type: &'static str,
    name: &'a str,
    schedule: &'a str,
    next: Option<String>,
    check: Option<&'a str>,
    began: Option<String>,
    ended: Option<String>,
    running: bool,
    missed: Option<String>,
    problem: Option<&'a str>,
}

#[derive(Serialize)]
struct Shown {
    jobs: usize,
    scheduler: &'static str,
}

const fn name(scheduler: Scheduler) -> &'static str {
    match scheduler {
        Scheduler::Cron => "cron",
        Scheduler::Systemd => "systemd",
    }
}

fn show(app: &App) -> Outcome {
    let scheduler = Scheduler::of(&app.context)?;
    let jobs = schedule::overview(&app.context, &machine::now(&app.context))?;
    for job in &jobs {
        if app.output.is_json() {
            let _ = app.output.item(&line(job));
        } else {
            let _ = app.output.answer(text::clean(&row(job)).as_bytes());
        }
    }
    if jobs.is_empty() {
        app.output.line("There is no backup configuration");
    }
    let shown = Shown {
        jobs: jobs.len(),
        scheduler: name(scheduler),
    };
    app.done("schedule", Status::Success, shown)
}

fn row(job: &Planned) -> String {
    let when = match (&job.problem, &job.next) {
        (Some(problem), _) => format!("never: {problem}"),
        (None, Some(next)) => format!("next {}", next.strftime("%F %H:%M")),
        (None, None) => "never: no such day will come".to_owned(),
    };
    let state = match &job.missed {
        _ if job.running => ", running now".to_owned(),
        Some(missed) => format!(", missed since {}", missed.strftime("%F %H:%M")),
        None => String::new(),
    };
    let check = checked(&job.check).filter(|_| job.problem.is_none());
    let check = check.map(|check| format!(", {check}")).unwrap_or_default();
    format!("{:<16} {:<16} {when}{check}{state}", job.key, job.text)
}

/// When its repository is checked, in words; what is no such property says `holdfast job check`.
fn checked(check: &str) -> Option<String> {
    const DAYS: [&str; 8] = [
        "Sunday",
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
        "Sunday",
    ];
    if check == "always" {
        return Some("checked after each run".to_owned());
    }
    let day = check.parse::<usize>().ok().and_then(|day| DAYS.get(day))?;
    Some(format!("checked each {day}"))
}

fn line(job: &Planned) -> PlannedLine<'_> {
    let moment = |zoned: &Option<Zoned>| zoned.as_ref().map(|zoned| zoned.timestamp().to_string());
    let second = |second: Option<i64>| {
        let moment = jiff::Timestamp::from_second(second?).ok()?;
        Some(moment.to_string())
    };
    PlannedLine {
        r#type: "planned",
        name: &job.key,
        schedule: &job.text,
        next: moment(&job.next),
        check: Some(job.check.as_str()).filter(|check| !check.is_empty()),
        began: second(job.last.began),
        ended: second(job.last.ended),
        running: job.running,
        missed: moment(&job.missed),
        problem: job.problem.as_deref(),
    }
}

#[derive(Serialize)]
struct LeftOut<'a> {
    name: &'a str,
    problem: &'a str,
}

#[derive(Serialize)]
struct Written<'a> {
    scheduler: &'static str,
    written: Vec<String>,
    removed: Vec<String>,
    left_out: Vec<LeftOut<'a>>,
}

fn write(app: &App) -> Outcome {
    let installed = schedule::install(&app.context, &machine::program()?, &machine::now(&app.context))?;
    let Installed {
        scheduler,
        written,
        removed,
        left_out,
    } = &installed;
    for path in written {
        app.output.line(&format!("Written: {}", text::path(path)));
    }
    for path in removed {
        app.output.line(&format!("Removed: {}", text::path(path)));
    }
    for (job, problem) in left_out {
        app.output.line(&text::clean(&format!("Left out: {job}: {problem}")));
    }
    let paths = |paths: &[std::path::PathBuf]| paths.iter().map(|path| path.display().to_string()).collect();
    let details = Written {
        scheduler: name(*scheduler),
        written: paths(written),
        removed: paths(removed),
        left_out: left_out
            .iter()
            .map(|(name, problem)| LeftOut { name, problem })
            .collect(),
    };
    app.done("schedule write", Status::Success, details)
}

#[derive(Serialize)]
struct Runs<'a> {
    dry_run: bool,
    runs: Vec<Run<'a>>,
}

#[derive(Serialize)]
struct Run<'a> {
    name: &'a str,
    missed: Option<String>,
    status: Option<&'static str>,
}

fn catch_up(app: &App, dry_run: bool) -> Outcome {
    let now = || machine::now(&app.context);
    let made_up = schedule::make_up(&app.context, &now, &Unseen::of(app), dry_run)?;
    if let Some(holder) = &made_up.busy {
        app.output
            .line(&format!("Missed backups are being run already: {holder}"));
    }
    let mut status = Status::Success;
    let mut runs = Vec::new();
    for (job, report) in &made_up.runs {
        let ended = report.as_ref().map(|report| report.status);
        let word = match ended {
            None => "would be run".to_owned(),
            Some(status) => format!("run: {}", status.name()),
        };
        app.output.line(&text::clean(&format!("{}: {word}", row(job))));
        if let Some(ended) = ended.filter(|ended| *ended != Status::Success) {
            status = ended;
        }
        runs.push(Run {
            name: &job.key,
            missed: job.missed.as_ref().map(|missed| missed.timestamp().to_string()),
            status: ended.map(Status::name),
        });
    }
    app.done("schedule catch-up", status, Runs { dry_run, runs })
}

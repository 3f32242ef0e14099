//! How all backups are: `status`, and the runs that were: `runs`.

use std::fmt::Write;

use jiff::Timestamp;
use jobs::journal::{self, PastRun};
use jobs::overview::{self, JobOverview, Verdict};
use jobs::{JobName, text};
use serde::Serialize;

use super::{App, Outcome};

#[derive(Serialize)]
struct StatusLine<'a> {
    r#type: &'static str,
    backup: &'a str,
    verdict: &'static str,
    reasons: &'a [String],
    enabled: bool,
    running: bool,
    engine: Option<&'static str>,
    location: Option<String>,
    last: Option<&'a PastRun>,
    last_good: Option<&'a journal::Moment>,
    last_snapshot: Option<&'a journal::Moment>,
    failures: u64,
    last_check: Option<&'a journal::PastCheck>,
    next: Option<String>,
    overdue_since: Option<String>,
    bytes: Option<u64>,
    space: Option<&'a journal::PastSpace>,
}

#[derive(Serialize)]
struct RunLine<'a> {
    r#type: &'static str,
    #[serde(flatten)]
    run: &'a PastRun,
}

#[derive(Serialize)]
struct Counted {
    backups: usize,
}

#[derive(Serialize)]
struct CountedRuns {
    runs: usize,
}

pub fn run(app: &App, name: Option<&str>) -> Outcome {
    let name = name.map(JobName::new).transpose()?;
    let now = Timestamp::now();
    let jobs = overview::overview(&app.context, name.as_ref(), now)?;
    let status = overview::status(&jobs);
    if app.output.is_json() {
        for job in &jobs {
            let _ = app.output.item(&line(job));
        }
    } else if jobs.is_empty() {
        app.output.line("There is no backup configuration");
    } else {
        table(app, &jobs, now);
    }
    app.done("status", status, Counted { backups: jobs.len() })
}

pub fn runs(app: &App, name: &str, limit: usize) -> Outcome {
    let name = JobName::new(name)?;
    let runs = journal::runs(&app.context, &name, limit)?;
    if runs.is_empty() {
        // A typing error is no empty journal.
        jobs::catalog::record(&app.context, &name)?;
        app.output.line("It has not run yet");
    }
    for run in &runs {
        if app.output.is_json() {
            let _ = app.output.item(&RunLine { r#type: "run", run });
            continue;
        }
        let files = run
            .files
            .map(|files| text::count(files.total(), "file"))
            .unwrap_or_default();
        let size = run.bytes_processed.map(text::size).unwrap_or_default();
        let took = text::clock(std::time::Duration::try_from_secs_f64(run.seconds).unwrap_or_default());
        let snapshot = run.snapshot.as_deref().map_or("-", text::short_id);
        let started = moment(app, &run.started, "%F %T");
        let status = paint(app, colour_of(run), &format!("{:<12}", text::clean(&run.status)));
        let rest = text::clean(&format!("{took:>8}  {snapshot:<16}  {files}, {size}"));
        let _ = app
            .output
            .answer(format!("{started}  {status} {}", rest.trim_end_matches(", ")).as_bytes());
        if let Some(error) = &run.error {
            let _ = app
                .output
                .answer(format!("    {}", text::clean(&error.message)).as_bytes());
        }
    }
    app.done("runs", jobs::Status::Success, CountedRuns { runs: runs.len() })
}

fn line(job: &JobOverview) -> StatusLine<'_> {
    let known = job.job.as_ref();
    let state = job.state.as_ref();
    StatusLine {
        r#type: "status",
        backup: &job.name,
        verdict: job.verdict.name(),
        reasons: &job.reasons,
        enabled: known.is_some_and(|job| job.enabled),
        running: job.running,
        engine: known.map(|job| job.engine.as_str()),
        location: known.map(|job| text::clean(&job.location())),
        last: state.map(|state| &state.last),
        last_good: state.and_then(|state| state.last_good.as_ref()),
        last_snapshot: state.and_then(|state| state.last_snapshot.as_ref()),
        failures: state.map_or(0, |state| state.failures),
        last_check: state.and_then(|state| state.last_check.as_ref()),
        next: job.next.map(|next| next.to_string()),
        overdue_since: job.overdue.map(|due| due.to_string()),
        bytes: job.size,
        space: job.space.as_ref(),
    }
}

const HEADS: [&str; 8] = [
    "BACKUP",
    "STATUS",
    "LAST RUN",
    "LAST GOOD",
    "NEXT RUN",
    "CHECKED",
    "SIZE",
    "FREE",
];

/// Columns as wide as what stands in them, and below each backup that is not well, why.
fn table(app: &App, jobs: &[JobOverview], now: Timestamp) {
    let rows: Vec<[String; 8]> = jobs.iter().map(|job| cells(app, job, now)).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or_default();
        widest.max(HEADS.get(column).map_or(0, |head| head.len()))
    };
    let widths: Vec<usize> = (0..HEADS.len()).map(width).collect();
    let heads = HEADS.map(str::to_owned);
    let _ = app.output.answer(joined(app, &heads, &widths, None).as_bytes());
    for (job, row) in jobs.iter().zip(&rows) {
        let _ = app
            .output
            .answer(joined(app, row, &widths, Some(colour(job.verdict))).as_bytes());
        for reason in &job.reasons {
            let _ = app.output.answer(format!("    {}", text::clean(reason)).as_bytes());
        }
    }
}

fn joined(app: &App, row: &[String; 8], widths: &[usize], colour: Option<&str>) -> String {
    let mut line = String::new();
    for (index, (cell, width)) in row.iter().zip(widths).enumerate() {
        let padded = format!("{cell:<width$}");
        let shown = match colour {
            Some(colour) if index == 1 => paint(app, colour, &padded),
            _ => padded,
        };
        let _ = write!(line, "{shown}  ");
    }
    line.trim_end().to_owned()
}

fn cells(app: &App, job: &JobOverview, now: Timestamp) -> [String; 8] {
    let state = job.state.as_ref();
    let last = state.map_or("-".to_owned(), |state| moment(app, &state.last.started, "%F %H:%M"));
    let good = state.and_then(|state| state.last_good.as_ref());
    let checked = state.and_then(|state| state.last_check.as_ref());
    let zoned = |moment: Timestamp| {
        moment
            .to_zoned(app.context.zone.clone())
            .strftime("%F %H:%M")
            .to_string()
    };
    let free = job.space.as_ref().map_or("-".to_owned(), |space| {
        let old = state.is_some_and(|state| state.last.usage.is_none());
        let when = if old {
            format!(", {}", moment(app, &space.time, "%F"))
        } else {
            String::new()
        };
        format!("{} of {}{when}", text::size(space.available), text::size(space.total))
    });
    [
        text::clean(&job.name),
        if job.running {
            format!("{}, running", job.verdict.name())
        } else {
            job.verdict.name().to_owned()
        },
        last,
        good.map_or("-".to_owned(), |good| age(&good.started, now)),
        job.next.map_or("-".to_owned(), zoned),
        checked.map_or("-".to_owned(), |check| age(&check.time, now)),
        job.size.map_or("-".to_owned(), text::size),
        free,
    ]
}

/// A moment of the journal in this machine's zone.
fn moment(app: &App, text: &str, format: &str) -> String {
    match text.parse::<Timestamp>() {
        Ok(moment) => moment.to_zoned(app.context.zone.clone()).strftime(format).to_string(),
        Err(_) => text::clean(text),
    }
}

/// How long ago, in the largest unit of which there are two.
fn age(moment: &str, now: Timestamp) -> String {
    let Ok(moment) = moment.parse::<Timestamp>() else {
        return "-".to_owned();
    };
    let seconds = now.duration_since(moment).as_secs();
    match seconds {
        ..120 => "just now".to_owned(),
        120..7200 => format!("{} minutes ago", seconds / 60),
        7200..172_800 => format!("{} hours ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const GREEN: &str = "\x1b[32m";
const FAINT: &str = "\x1b[2m";

fn colour(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Good => GREEN,
        Verdict::Incomplete => YELLOW,
        Verdict::Overdue | Verdict::Failed | Verdict::Broken => RED,
        Verdict::Disabled | Verdict::New => FAINT,
    }
}

fn colour_of(run: &PastRun) -> &'static str {
    match run.code {
        0 => GREEN,
        3 => YELLOW,
        _ => RED,
    }
}

/// In colour on a terminal, unless its user wants none.
fn paint(app: &App, colour: &str, text: &str) -> String {
    let plain = !app.output.terminal || std::env::var_os("NO_COLOR").is_some_and(|set| !set.is_empty());
    if plain {
        text.to_owned()
    } else {
        format!("{colour}{text}\x1b[0m")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_in_a_unit_that_says_something() {
        let now: Timestamp = "2021-03-05T12:00:00Z".parse().unwrap();
        let ages = [
            ("2021-03-05T12:30:00Z", "just now"),
            ("2021-03-05T11:59:00Z", "just now"),
            ("2021-03-05T11:00:00Z", "60 minutes ago"),
            ("2021-03-04T12:00:00Z", "24 hours ago"),
            ("2021-03-01T12:00:00Z", "4 days ago"),
            ("nonsense", "-"),
        ];
        for (moment, expected) in ages {
            assert_eq!(age(moment, now), expected, "{moment}");
        }
    }
}

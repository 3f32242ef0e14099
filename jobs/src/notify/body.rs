//! What a mail says: first what a person wants to know.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::journal::{JobState, PastRun};
use crate::status::Status;
use crate::text;

/// How many of the paths that could not be saved are named.
const NAMED: usize = 20;

/// The subject that NethServer's users have filters for: one word for success, one for all else.
pub(super) fn subject(run: &PastRun) -> String {
    let word = if run.is_good() { "SUCCESS" } else { "ERROR" };
    format!("Backup {} [{}]: {word}", run.backup, text::clean(&run.host))
}

/// Subject and body of a mail that is only to arrive.
pub(super) fn trial(run: &PastRun) -> (String, String) {
    let (name, host) = (&run.backup, text::clean(&run.host));
    let subject = format!("Backup {name} [{host}]: TEST");
    let body = format!("This is a test. Mails about the backup {name} on {host} arrive here.\n");
    (subject, body)
}

/// The first sentence: what happened.
pub(super) fn headline(run: &PastRun) -> String {
    let (name, host) = (&run.backup, text::clean(&run.host));
    if run.is_good() {
        return format!("Backup {name} on {host} was successful.");
    }
    if run.code == Status::Incomplete.code() {
        let paths = text::count(run.problems.count, "path");
        return match run.problems.count {
            0 => format!("Backup {name} on {host} is finished, with errors. All data is saved."),
            _ => format!("Backup {name} on {host} is finished, but {paths} could not be saved."),
        };
    }
    if run.broken_off {
        return format!("Backup {name} on {host} broke off in the middle: it was killed, or the machine went off.");
    }
    if run.code == Status::Locked.code() && run.snapshot.is_none() {
        return format!("Backup {name} on {host} was not made: another one is in its way.");
    }
    if run.snapshot.is_some() {
        return format!("Backup {name} on {host} has saved the data, and then failed.");
    }
    if run.code == Status::Interrupted.code() {
        return format!("Backup {name} on {host} was interrupted. Nothing new is saved.");
    }
    format!("Backup {name} on {host} has FAILED. Nothing new is saved.")
}

/// All of the body.
pub(super) fn body(run: &PastRun, state: Option<&JobState>, zone: &TimeZone) -> String {
    let mut lines = vec![headline(run), String::new()];
    lines.extend(facts(run, zone));
    lines.extend(failing(run));
    lines.extend(problems(run));
    lines.extend(parts(run));
    if !run.warnings.is_empty() {
        lines.extend([String::new(), "Warnings".to_owned()]);
        lines.extend(run.warnings.iter().map(|warning| format!("  {}", text::clean(warning))));
    }
    if !run.is_good() {
        lines.push(String::new());
        lines.push(match state.and_then(|state| state.last_good.as_ref()) {
            Some(good) => format!("The last good backup is of {}.", local(&good.started, zone)),
            None => "There is no good backup yet.".to_owned(),
        });
    }
    if let Some(log) = &run.log {
        lines.extend([String::new(), format!("Log file: {}", text::clean(log))]);
    }
    lines.join("\n") + "\n"
}

fn facts(run: &PastRun, zone: &TimeZone) -> Vec<String> {
    let mut facts = Vec::new();
    let mut fact = |name: &str, value: String| facts.push(format!("{name:<11} {value}"));
    if let (Some(engine), Some(location)) = (&run.engine, &run.location) {
        fact("Where", format!("{} ({engine})", text::clean(location)));
    }
    fact("Started", local(&run.started, zone));
    if run.broken_off {
        fact("Noticed", local(&run.ended, zone));
    } else {
        let took = Duration::try_from_secs_f64(run.seconds).unwrap_or_default();
        fact("Took", text::clock(took));
    }
    if let Some(snapshot) = &run.snapshot {
        fact("Snapshot", text::short_id(snapshot).to_owned());
    }
    if let (Some(files), Some(bytes)) = (run.files, run.bytes_processed) {
        let (all, size) = (text::count(files.total(), "file"), text::size(bytes));
        let (new, changed, unchanged) = (files.new, files.changed, files.unchanged);
        fact(
            "Saved",
            format!("{all}, {size} ({new} new, {changed} changed, {unchanged} unchanged)"),
        );
    }
    if let (Some(added), Some(stored)) = (run.bytes_added, run.bytes_stored) {
        fact(
            "New data",
            format!("{}, stored as {}", text::size(added), text::size(stored)),
        );
    }
    if let Some(expired) = run.expired.filter(|expired| *expired > 0) {
        fact("Expired", text::count(expired, "snapshot"));
    }
    if let Some(freed) = run.bytes_freed {
        fact("Freed", text::size(freed));
    }
    if let Some(check) = &run.check {
        let snapshots = text::count(check.snapshots, "snapshot");
        let found = match check.errors {
            0 => "no errors".to_owned(),
            errors => text::count(errors, "error").to_uppercase(),
        };
        fact(
            "Checked",
            format!("{snapshots}, {} read, {found}", text::size(check.bytes_read)),
        );
    }
    if let Some(usage) = &run.usage {
        fact(
            "Free there",
            format!("{} of {}", text::size(usage.available), text::size(usage.total)),
        );
    }
    facts
}

fn failing(run: &PastRun) -> Vec<String> {
    let Some(error) = &run.error else {
        return Vec::new();
    };
    let mut lines = vec![
        String::new(),
        "What failed".to_owned(),
        format!("  {}", text::clean(&error.message)),
    ];
    if let Some(hint) = &error.hint {
        lines.extend(["What to do".to_owned(), format!("  {}", text::clean(hint))]);
    }
    lines
}

fn problems(run: &PastRun) -> Vec<String> {
    if run.problems.count == 0 {
        return Vec::new();
    }
    let mut lines = vec![String::new(), "What could not be saved".to_owned()];
    let named = run.problems.first.iter().take(NAMED);
    lines.extend(named.map(|problem| {
        let (action, path, cause) = (&problem.action, text::clean(&problem.path), text::clean(&problem.cause));
        format!("  cannot {action} {path}: {cause}")
    }));
    let others = run
        .problems
        .count
        .saturating_sub(run.problems.first.len().min(NAMED) as u64);
    if others > 0 {
        lines.push(format!("  and {others} more: the log has them"));
    }
    lines
}

fn parts(run: &PastRun) -> Vec<String> {
    let failed: Vec<_> = run.parts.iter().filter(|part| !part.success).collect();
    if failed.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![String::new(), "What failed around it".to_owned()];
    lines.extend(failed.iter().map(|part| {
        let message = part.message.as_deref().map(text::clean).unwrap_or_default();
        format!("  {} {}: {message}", part.kind, text::clean(&part.name))
    }));
    lines
}

/// A moment of the journal in the machine's own time.
pub(super) fn local(moment: &str, zone: &TimeZone) -> String {
    match moment.parse::<Timestamp>() {
        Ok(moment) => moment.to_zoned(zone.clone()).strftime("%F %T %Z").to_string(),
        Err(_) => moment.to_owned(),
    }
}

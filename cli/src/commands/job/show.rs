//! What is configured.

use std::collections::BTreeMap;

use jobs::catalog::{self, Listed};
use jobs::{JobName, RecordError, Status, text};
use serde::Serialize;

use super::Count;
use crate::commands::{App, Outcome};
use crate::json::Nothing;

#[derive(Serialize)]
struct JobLine {
    r#type: &'static str,
    name: String,
    engine: String,
    enabled: bool,
    location: Option<String>,
    schedule: Option<String>,
    properties: BTreeMap<String, String>,
    problems: Vec<String>,
    notes: Vec<String>,
}

pub fn list(app: &App) -> Outcome {
    let jobs = catalog::list(&app.context)?;
    for job in &jobs {
        let line = line(job);
        if app.output.is_json() {
            let _ = app.output.item(&line);
            continue;
        }
        let _ = app.output.answer(text::clean(&row(&line)).as_bytes());
    }
    if jobs.is_empty() {
        app.output.line("There is no backup configuration");
    }
    app.done("job list", Status::Success, Count { jobs: jobs.len() })
}

fn row(line: &JobLine) -> String {
    let status = if line.enabled { "enabled" } else { "disabled" };
    let kind = line.properties.get("VFSType").map_or("-", String::as_str);
    let place = line.location.as_deref().unwrap_or("-");
    let schedule = line
        .schedule
        .as_deref()
        .map(|at| format!("  at {at}"))
        .unwrap_or_default();
    let problems = match line.problems.len() as u64 {
        0 => String::new(),
        count => format!(
            "  ({}: see `holdfast job check {}`)",
            text::count(count, "problem"),
            line.name
        ),
    };
    format!(
        "{:<16} {status:<9} {:<9} {kind} {place}{schedule}{problems}",
        line.name, line.engine
    )
}

pub fn show(app: &App, name: &str) -> Outcome {
    let name = JobName::new(name)?;
    let record = catalog::record(&app.context, &name)?;
    let listed = catalog::list(&app.context)?
        .into_iter()
        .find(|job| job.key == name.as_str());
    let line = line(&listed.unwrap_or_else(|| Listed {
        key: name.to_string(),
        errors: catalog::check(&name, &record),
        record,
        notes: Vec::new(),
    }));
    if app.output.is_json() {
        let _ = app.output.item(&line);
    } else {
        let _ = app
            .output
            .answer(format!("{}={}", line.name, text::clean(&line.engine)).as_bytes());
        for (property, value) in &line.properties {
            let line = format!("    {}={}", text::clean(property), text::clean(value));
            let _ = app.output.answer(line.as_bytes());
        }
        line.problems
            .iter()
            .chain(&line.notes)
            .for_each(|problem| app.output.warn(problem));
    }
    let status = if line.problems.is_empty() {
        Status::Success
    } else {
        Status::Usage
    };
    app.done("job show", status, Nothing {})
}

fn line(job: &Listed) -> JobLine {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let shown = |(name, value): (&Vec<u8>, &Vec<u8>)| {
        let name = text(name);
        let secret = catalog::is_secret(&name) && !value.is_empty();
        let value = if secret { "(hidden)".to_owned() } else { text(value) };
        (name, value)
    };
    let (notes, problems): (Vec<_>, Vec<_>) = job.errors.iter().partition(|error| error.is_note());
    let texts = |errors: Vec<&RecordError>| errors.into_iter().map(ToString::to_string).collect::<Vec<_>>();
    JobLine {
        r#type: "job",
        name: job.key.clone(),
        engine: text(&job.record.kind),
        enabled: job.record.get("status") == Some(b"enabled"),
        location: job.location(),
        schedule: job.record.get("BackupTime").map(text),
        properties: job.record.props.iter().map(shown).collect(),
        problems: texts(problems),
        notes: [texts(notes), job.notes.clone()].concat(),
    }
}

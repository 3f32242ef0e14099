//! The configured backups: job list, show, add, remove.

use std::collections::BTreeMap;

use jobs::catalog::{self, Listed};
use jobs::esmith::Record;
use jobs::{JobName, Status, text};
use serde::Serialize;

use super::{App, Outcome};
use crate::args::{JobAddArgs, JobCommand, absolute};
use crate::json::Nothing;

#[derive(Serialize)]
struct JobLine {
    r#type: &'static str,
    name: String,
    engine: String,
    properties: BTreeMap<String, String>,
    problems: Vec<String>,
}

#[derive(Serialize)]
struct Count {
    jobs: usize,
}

#[derive(Serialize)]
struct Name {
    name: String,
}

pub fn run(app: &App, command: JobCommand) -> Outcome {
    match command {
        JobCommand::List => list(app),
        JobCommand::Show { name } => show(app, &name),
        JobCommand::Add(args) => add(app, args),
        JobCommand::Remove { name } => remove(app, &name),
    }
}

fn list(app: &App) -> Outcome {
    let jobs = catalog::list(&app.context)?;
    for job in &jobs {
        if app.output.is_json() {
            let _ = app.output.item(&line(job));
            continue;
        }
        let line = line(job);
        let value = |name: &str| line.properties.get(name).cloned().unwrap_or_default();
        let status = match value("status").as_str() {
            "enabled" => "enabled",
            _ => "disabled",
        };
        let problems = match line.problems.len() as u64 {
            0 => String::new(),
            count => format!(
                "  ({}: see `holdfast job show {}`)",
                text::count(count, "problem"),
                line.name
            ),
        };
        let text = format!(
            "{:<16} {:<9} {:<9} {} {}{problems}",
            line.name,
            status,
            line.engine,
            value("VFSType"),
            value("LocalDirectory")
        );
        let _ = app.output.answer(text::clean(&text).as_bytes());
    }
    if jobs.is_empty() {
        app.output.line("There is no backup configuration");
    }
    app.done("job list", Status::Success, Count { jobs: jobs.len() })
}

fn show(app: &App, name: &str) -> Outcome {
    let name = JobName::new(name)?;
    let record = catalog::record(&app.context, &name)?;
    let errors = catalog::check(&name, &record);
    let line = line(&Listed {
        key: name.to_string(),
        record,
        errors,
    });
    if app.output.is_json() {
        let _ = app.output.item(&line);
    } else {
        let _ = app
            .output
            .answer(format!("{}={}", line.name, text::clean(&line.engine)).as_bytes());
        for (property, value) in &line.properties {
            let _ = app
                .output
                .answer(format!("    {}={}", text::clean(property), text::clean(value)).as_bytes());
        }
        for problem in &line.problems {
            app.output.warn(problem);
        }
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
    JobLine {
        r#type: "job",
        name: job.key.clone(),
        engine: text(&job.record.kind),
        properties: job.record.props.iter().map(shown).collect(),
        problems: job.errors.iter().map(ToString::to_string).collect(),
    }
}

fn add(app: &App, args: JobAddArgs) -> Outcome {
    let name = JobName::new(&args.name)?;
    let status = if args.disabled { "disabled" } else { "enabled" };
    let folder = absolute(&args.to).into_os_string().into_encoded_bytes();
    let mut record = Record::of_kind(args.engine.as_str())
        .with("VFSType", "local")
        .with("LocalDirectory", folder)
        .with("status", status);
    let optional = [("CleanupOlderThan", args.keep_within), ("Prune", args.prune)];
    for (property, value) in optional {
        if let Some(value) = value {
            record = record.with(property, value);
        }
    }
    for (property, value) in args.set {
        record = record.with(property, value);
    }
    let paths: Vec<_> = args.paths.iter().map(|path| absolute(path)).collect();
    catalog::add(&app.context, &name, &record, &paths)?;
    app.output.lines(&[
        format!("Added backup {name}"),
        format!("To run it: holdfast backup -b {name}"),
    ]);
    app.done("job add", Status::Success, Name { name: name.to_string() })
}

fn remove(app: &App, name: &str) -> Outcome {
    let name = JobName::new(name)?;
    catalog::remove(&app.context, &name)?;
    app.output.lines(&[
        format!("Removed backup {name}"),
        "Its repository, password and lists are still there".to_owned(),
    ]);
    app.done("job remove", Status::Success, Name { name: name.to_string() })
}

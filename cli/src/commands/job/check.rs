//! What is wrong with what is configured.

use jobs::catalog::{self, Finding, Weight};
use jobs::{Status, text};
use serde::Serialize;

use super::Count;
use crate::commands::{App, Outcome};

#[derive(Serialize)]
struct FindingLine<'a> {
    r#type: &'static str,
    severity: &'static str,
    job: &'a str,
    object: &'a str,
    message: &'a str,
    hint: Option<&'a str>,
}

#[derive(Serialize)]
struct Summary {
    #[serde(flatten)]
    count: Count,
    errors: usize,
    notes: usize,
}

pub fn run(app: &App, name: Option<&str>) -> Outcome {
    let inspected = catalog::inspect(&app.context, name)?;
    let (mut errors, mut notes) = (0, 0);
    for job in &inspected {
        if job.findings.is_empty() {
            app.output.line(&format!("{}: good", text::clean(&job.key)));
        }
        for finding in &job.findings {
            match finding.weight {
                Weight::Error => errors += 1,
                Weight::Note => notes += 1,
            }
            say(app, &job.key, finding);
        }
    }
    if inspected.is_empty() {
        app.output.line("There is no backup configuration");
    }
    let count = Count { jobs: inspected.len() };
    let status = if errors > 0 { Status::Usage } else { Status::Success };
    app.done("job check", status, Summary { count, errors, notes })
}

fn say(app: &App, job: &str, finding: &Finding) {
    let severity = match finding.weight {
        Weight::Error => "error",
        Weight::Note => "hint",
    };
    if app.output.is_json() {
        let _ = app.output.item(&FindingLine {
            r#type: "finding",
            severity,
            job,
            object: &finding.object,
            message: &finding.message,
            hint: finding.hint.as_deref(),
        });
        return;
    }
    let word = match finding.weight {
        Weight::Error => "error",
        Weight::Note => "note",
    };
    let message = finding
        .message
        .strip_prefix(&format!("backup {job}: "))
        .unwrap_or(&finding.message);
    let line = format!("{job}: {word}: {message}");
    let _ = app.output.answer(text::clean(&line).as_bytes());
    if let Some(hint) = &finding.hint {
        let _ = app.output.answer(format!("    {}", text::clean(hint)).as_bytes());
    }
}

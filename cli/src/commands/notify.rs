//! Telling whom it concerns: `notify test` and `notify overdue`.

use jiff::Timestamp;
use jobs::journal::Told;
use jobs::{JobName, Status, notify, text};
use serde::Serialize;

use super::{App, Outcome};
use crate::args::NotifyCommand;

#[derive(Serialize)]
struct ToldLine<'a> {
    r#type: &'static str,
    backup: &'a str,
    #[serde(flatten)]
    told: &'a Told,
}

#[derive(Serialize)]
struct Counts {
    sent: usize,
    failed: usize,
}

pub fn run(app: &App, command: &NotifyCommand) -> Outcome {
    match command {
        NotifyCommand::Test { name } => test(app, &name.name),
        NotifyCommand::Overdue => overdue(app),
    }
}

fn test(app: &App, name: &str) -> Outcome {
    let name = JobName::new(name)?;
    let (told, wrong) = notify::test(&app.context, &name)?;
    wrong.iter().for_each(|wrong| app.output.warn(wrong));
    if told.is_empty() {
        app.output
            .line("Nobody is told of this backup: set Notify, WebhookUrl or PingUrl in its record");
    }
    show(app, &name, &told);
    let status = if wrong.is_empty() { worst(&told) } else { Status::Usage };
    app.done("notify test", status, counts(&told))
}

fn overdue(app: &App) -> Outcome {
    let all = notify::overdue(&app.context, Timestamp::now())?;
    if all.is_empty() {
        app.output.line("No run is missing of which nobody was told");
    }
    for (name, told) in &all {
        app.output
            .line(&format!("A run of backup {name} is missing, or broke off"));
        show(app, name, told);
    }
    let told: Vec<Told> = all.into_iter().flat_map(|(_, told)| told).collect();
    app.done("notify overdue", worst(&told), counts(&told))
}

fn show(app: &App, name: &JobName, told: &[Told]) {
    for told in told {
        if app.output.is_json() {
            let backup = name.as_str();
            let _ = app.output.item(&ToldLine {
                r#type: "told",
                backup,
                told,
            });
        } else {
            let _ = app.output.answer(text::clean(&told.line()).as_bytes());
        }
    }
}

fn worst(told: &[Told]) -> Status {
    if told.iter().all(|told| told.success) {
        Status::Success
    } else {
        Status::Failed
    }
}

fn counts(told: &[Told]) -> Counts {
    let sent = told.iter().filter(|told| told.success).count();
    Counts {
        sent,
        failed: told.len() - sent,
    }
}

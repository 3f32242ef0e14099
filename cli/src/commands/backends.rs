//! Storages: which there are, whether one can be trusted, and the key for an SSH server.

use std::path::Path;

use engine_api::Space;
use jobs::trial::{self, TrialReport, TrialStep};
use jobs::{EngineName, Exchange, JobName, Pair, PlaceKind, Secret, Status, text};
use serde::Serialize;

use super::{App, Outcome};
use crate::args::{BackendsArgs, BackendsCommand, SshKeyArgs};
use crate::prompt;

#[derive(Serialize)]
struct PairLine {
    r#type: &'static str,
    engine: &'static str,
    storage: &'static str,
    possible: bool,
    obstacle: Option<&'static str>,
}

#[derive(Serialize)]
struct Count {
    pairs: usize,
}

#[derive(Serialize)]
struct StepLine<'a> {
    r#type: &'static str,
    #[serde(flatten)]
    step: &'a TrialStep,
}

pub fn run(app: &App, args: BackendsArgs) -> Outcome {
    match args.command {
        None => table(app),
        Some(BackendsCommand::Test { name }) => test(app, &name.name),
        Some(BackendsCommand::Key(args)) => key(app, args),
    }
}

fn table(app: &App) -> Outcome {
    let pairs: Vec<Pair> = Pair::all().collect();
    if app.output.is_json() {
        for pair in &pairs {
            let _ = app.output.item(&PairLine {
                r#type: "pair",
                engine: pair.engine.as_str(),
                storage: pair.storage.as_str(),
                possible: pair.obstacle.is_none(),
                obstacle: pair.obstacle,
            });
        }
    } else {
        let row = |first: &str, cells: [&str; 3]| {
            let [one, two, three] = cells;
            format!("{first:<9} {one:<10} {two:<10} {three}")
        };
        let _ = app
            .output
            .answer(row("storage", EngineName::ALL.map(EngineName::as_str)).as_bytes());
        for storage in PlaceKind::ALL {
            let cells = EngineName::ALL.map(|engine| if storage.goes_with(engine) { "yes" } else { "no" });
            let _ = app.output.answer(row(storage.as_str(), cells).as_bytes());
        }
        for pair in &pairs {
            if let Some(obstacle) = pair.obstacle {
                app.output
                    .line(&format!("no {} on {}: {obstacle}", pair.engine, pair.storage));
            }
        }
    }
    app.done("backends", Status::Success, Count { pairs: pairs.len() })
}

fn test(app: &App, name: &str) -> Outcome {
    let name = JobName::new(name)?;
    let report = trial::run(&app.context, &name, &|| app.interrupt.is_set(), &mut |step| {
        if app.output.is_json() {
            app.output.event(&StepLine { r#type: "step", step });
        } else {
            app.output.line(&told(step));
        }
    })?;
    show(app, &report);
    app.done("backends test", Status::Success, report)
}

/// A step in words.
fn told(step: &TrialStep) -> String {
    let what = match step.name {
        "connect" => "connected",
        "write" => "wrote objects",
        "read" => "read them back, the same",
        "range" => "read parts of them",
        "list" => "found them in a listing",
        "refuse" => "would not overwrite one",
        "replace" => "replaced one",
        "remove" => "removed them all",
        other => other,
    };
    let amount = if matches!(step.name, "write" | "read") {
        format!(
            "  {} in {}",
            text::size(step.bytes),
            text::count(step.operations, "object")
        )
    } else {
        String::new()
    };
    format!("{what:<26} {:>8.2} s{amount}", step.seconds)
}

fn show(app: &App, report: &TrialReport) {
    let line = |what: &str, value: &str| app.output.line(&format!("{what:<26} {value}"));
    line("writes", &speed(report.write_rate));
    line("reads", &speed(report.read_rate));
    line("one answer takes", &format!("{:.0} ms", report.answer_seconds * 1000.0));
    for (what, value) in &report.abilities {
        line(what, value);
    }
    match report.space {
        Some(Space { total, available, .. }) => {
            line("room", &format!("{} of {}", text::size(available), text::size(total)));
        }
        None => line("room", "the storage does not tell"),
    }
    for retry in &report.retries {
        app.output.warn(retry);
    }
    for left in &report.left {
        app.output.warn(&format!("the test had to leave {left}"));
    }
    app.output.line(&format!(
        "{} is good for the {} engine",
        text::clean(&report.location),
        report.engine
    ));
}

fn speed(rate: f64) -> String {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive rate of this world"
    )]
    let bytes = rate as u64;
    format!("{}/s", text::size(bytes))
}

fn key(app: &App, args: SshKeyArgs) -> Outcome {
    let name = JobName::new(&args.name.name)?;
    let password = match args.password_file {
        _ if args.no_install => None,
        Some(path) if path == Path::new("-") => Some(Secret::new(prompt::first_line(std::io::stdin())?)),
        Some(path) => Some(Secret::read_first_line(&path)?),
        None => Some(prompt::known_password("Password of the account on the server: ")?),
    };
    let exchange = Exchange {
        password,
        fingerprint: args.fingerprint,
    };
    let done = exchange.run(&app.context, &name)?;
    for key in &done.host_keys {
        app.output
            .line(&format!("The server's key is pinned: {}", text::clean(key)));
    }
    if done.accepted {
        app.output.line(&format!(
            "{} takes the key {}",
            text::clean(&done.location),
            text::path(&done.key)
        ));
    } else {
        app.output
            .line("The server does not take the key yet. Put this line into .ssh/authorized_keys of the account:");
        let _ = app.output.answer(done.public_key.as_bytes());
    }
    let status = if done.accepted { Status::Success } else { Status::Failed };
    app.done("backends key", status, done)
}

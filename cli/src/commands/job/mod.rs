//! The configured backups: job list, show, add, edit, remove, enable, disable, check, files, migrate.

mod change;
mod check;
mod files;
mod show;
mod wizard;

use jobs::{JobName, Status};
use serde::Serialize;

use super::{App, Outcome};
use crate::args::JobCommand;

#[derive(Serialize)]
struct Name {
    name: String,
}

#[derive(Serialize)]
struct Count {
    jobs: usize,
}

pub fn run(app: &App, command: JobCommand) -> Outcome {
    match command {
        JobCommand::List => show::list(app),
        JobCommand::Show { name } => show::show(app, &name),
        JobCommand::Add(args) => change::add(app, args),
        JobCommand::Edit(args) => change::edit(app, args),
        JobCommand::Remove { name } => change::remove(app, &name),
        JobCommand::Enable { name } => change::enable(app, &name, true),
        JobCommand::Disable { name } => change::enable(app, &name, false),
        JobCommand::Check { name } => check::run(app, name.as_deref()),
        JobCommand::Files(args) => files::run(app, &args),
        JobCommand::Migrate { dry_run } => change::migrate(app, dry_run),
    }
}

fn named(app: &App, command: &str, name: &JobName) -> Outcome {
    let name = name.to_string();
    app.done(command, Status::Success, Name { name })
}

use std::path::PathBuf;

use engine_api::Timestamp;
use jobs::{Error, Repository, Secret, Status, text};
use serde::Serialize;

use super::{App, Outcome};
use crate::args::{KeyCommand, RepoArgs};
use crate::prompt;

#[derive(Serialize)]
struct KeyLine<'a> {
    r#type: &'static str,
    #[serde(flatten)]
    key: &'a jobs::Key,
}

#[derive(Serialize)]
struct Count {
    keys: usize,
}

#[derive(Serialize)]
struct Id {
    id: String,
}

#[derive(Serialize)]
struct Changed {
    password_file: Option<String>,
}

pub fn run(app: &App, command: KeyCommand) -> Outcome {
    match command {
        KeyCommand::List { repository } => list(app, &repository),
        KeyCommand::Add {
            repository,
            new_password_file,
        } => add(app, &repository, new_password_file),
        KeyCommand::Remove { repository, id } => {
            let id = open(app, &repository)?.remove_key(&id.to_ascii_lowercase())?;
            app.output.line(&format!("Removed key {id}"));
            app.done("key remove", Status::Success, Id { id })
        }
        KeyCommand::Passwd {
            repository,
            new_password_file,
        } => passwd(app, &repository, new_password_file),
    }
}

fn open(app: &App, repository: &RepoArgs) -> engine_api::Result<Repository> {
    Repository::open(&app.context, &repository.access()?)
}

fn list(app: &App, repository: &RepoArgs) -> Outcome {
    let keys = open(app, repository)?.keys()?;
    for key in &keys {
        if app.output.is_json() {
            let _ = app.output.item(&KeyLine { r#type: "key", key });
            continue;
        }
        let mark = if key.current { '*' } else { ' ' };
        let short = key.id.get(..8).unwrap_or(&key.id);
        // What is no time in there is shown as it is.
        let created = key.created.parse().map(Timestamp::from_jiff);
        let created = created.map_or_else(|_| key.created.clone(), |time| text::time(time, &app.context.zone));
        let line = format!("{mark}{short}  {created}  {}@{}", key.user, key.host);
        let _ = app.output.answer(text::clean(&line).as_bytes());
    }
    app.done("key list", Status::Success, Count { keys: keys.len() })
}

fn add(app: &App, repository: &RepoArgs, file: Option<PathBuf>) -> Outcome {
    let repository = open(app, repository)?;
    let secret = match file {
        Some(file) => Secret::read(&file)?,
        None => prompt::new_password()?.ok_or_else(|| {
            Error::Usage(
                "there is no terminal to type the new password on: name a file with --new-password-file".to_owned(),
            )
        })?,
    };
    let id = repository.add_key(&secret)?;
    app.output.line(&format!("Added key {id}"));
    app.done("key add", Status::Success, Id { id })
}

fn passwd(app: &App, repository: &RepoArgs, file: Option<PathBuf>) -> Outcome {
    let secret = file.as_deref().map(Secret::read).transpose()?;
    let repository = open(app, repository)?;
    let kept = repository.change_password(&app.context, secret)?;
    match &kept {
        Some(path) => app.output.line(&format!(
            "The password is changed; the new one is kept in {}",
            text::path(path)
        )),
        None => app.output.line("The password is changed"),
    }
    let password_file = kept.map(|path| path.display().to_string());
    app.done("key passwd", Status::Success, Changed { password_file })
}

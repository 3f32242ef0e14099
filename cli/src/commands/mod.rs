//! Each command: its arguments, a call of `jobs`, and what is printed of the answer.

mod ask;
mod backends;
mod backup;
mod completions;
mod contents;
mod db;
mod disk;
mod events;
mod forget;
mod history;
mod job;
mod keys;
mod maintenance;
mod nethserver;
mod notify;
mod restore;
mod schedule;
mod snapshots;
mod status;
mod synthetic;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory, FromArgMatches};
use engine_api::SnapshotFilter;
use jobs::{Access, Context, Repository, Status};
use serde::Serialize;

use crate::args::{Cli, Command, Filter};
use crate::json::ResultLine;
use crate::output::{Output, Verbosity};
use crate::progress::Listener;
use crate::signals::{self, Interrupt};
use crate::{exit, machine};

/// What every command has at hand.
pub struct App {
    pub output: Arc<Output>,
    pub interrupt: Interrupt,
    pub context: Context,
    pub global: crate::args::Global,
}

type Outcome = engine_api::Result<Status>;

/// Runs the program with these words, of which the first is its own name.
pub fn run(words: &[OsString]) -> ExitCode {
    let word = |index: usize| words.get(index).and_then(|word| word.to_str());
    // The words of these two belong to the command, whatever they look like.
    if let Some(program @ ("db" | "config")) = word(1) {
        return db::run(program, words.get(2..).unwrap_or_default());
    }
    let matches = command_line().try_get_matches_from(words);
    match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        // Of the program alone: it needs no machine with a place for Holdfast's files.
        Ok(Cli {
            command: Command::Completions { shell },
            ..
        }) => completions::run(shell),
        Ok(cli) => start(cli, program_name(words)),
        Err(error) => refuse(&error, words),
    }
}

fn program_name(words: &[OsString]) -> &str {
    let compatible = [
        "backup-data",
        "backup-data-wrapper",
        "backup-data-list",
        "restore-data",
        "restore-file",
        "signal-event",
    ];
    let command = words.get(1).and_then(|word| word.to_str());
    command.filter(|name| compatible.contains(name)).unwrap_or("holdfast")
}

/// The parser, with the names of this machine's backups in the help of the commands that take one.
fn command_line() -> clap::Command {
    let mut line = Cli::command();
    for name in ["backup-data", "backup-data-list", "restore-data", "restore-file"] {
        line = line.mut_subcommand(name, |command| {
            let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            command.after_help(format!("{examples}\n\n{}", nethserver::known_backups(name)))
        });
    }
    line
}

fn start(cli: Cli, program: &str) -> ExitCode {
    let verbosity = Verbosity {
        quiet: cli.global.quiet,
        verbose: cli.global.verbose,
    };
    let content = matches!(cli.command, Command::Cat(_));
    let lines = matches!(&cli.command, Command::SignalEvent(args) if args.lines);
    let output = Arc::new(Output::new(program, cli.global.json || lines, content, verbosity));
    let interrupt = Interrupt::listen();
    let outcome = machine::context().map_err(Into::into).and_then(|context| {
        let app = App {
            output: Arc::clone(&output),
            interrupt: interrupt.clone(),
            context,
            global: cli.global,
        };
        app.dispatch(cli.command)
    });
    let status = match outcome {
        Ok(status) => status,
        Err(error) => exit::report(&output, &error),
    };
    end(&output, &interrupt, status)
}

/// The last of a command: everything written, and the process ended in the way that it has to.
fn end(output: &Output, interrupt: &Interrupt, status: Status) -> ExitCode {
    let written = output.finish();
    interrupt.resume();
    match written {
        Ok(()) => exit::code(status),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            signals::end_by_broken_pipe();
            exit::code(Status::Failed)
        }
        Err(error) => {
            output.complain(&format!("cannot write to standard output: {error}"));
            exit::code(if status == Status::Success {
                Status::Failed
            } else {
                status
            })
        }
    }
}

/// Help, version, or what is wrong with the command line.
fn refuse(error: &clap::Error, words: &[OsString]) -> ExitCode {
    let json = words.iter().any(|word| word == "--json");
    if !json || !error.use_stderr() {
        // Nobody is left to be told when this cannot be printed.
        let _ = error.print();
        return exit::code(if error.use_stderr() {
            Status::Usage
        } else {
            Status::Success
        });
    }
    let output = Output::new(program_name(words), true, false, Verbosity::default());
    let text = error.render().to_string();
    // The first paragraph says what is wrong; the usage follows.
    let lines: Vec<_> = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.is_empty())
        .collect();
    let message = lines.join(" ").trim_start_matches("error: ").to_owned();
    exit::say(&output, Status::Usage, &message, Some("see --help".to_owned()));
    let _ = output.finish();
    exit::code(Status::Usage)
}

impl App {
    fn dispatch(&self, command: Command) -> Outcome {
        match command {
            Command::Backup(args) => backup::run(self, &args),
            Command::Restore(args) => restore::run(self, args),
            Command::Snapshots { repository, filter } => snapshots::run(self, &repository, &filter),
            Command::Ls(args) => contents::ls(self, &args),
            Command::Find(args) => ask::find(self, args),
            Command::History(args) => history::run(self, &args),
            Command::Du(args) => ask::du(self, &args),
            Command::Verify(args) => ask::verify(self, &args),
            Command::Diff(args) => contents::diff(self, &args),
            Command::Cat(args) => contents::cat(self, &args),
            Command::Forget(args) => forget::run(self, args),
            Command::Prune(args) => maintenance::prune(self, &args),
            Command::Check(args) => maintenance::check(self, &args),
            Command::Repair(args) => maintenance::repair(self, &args),
            Command::SyntheticFull(args) => synthetic::run(self, &args),
            Command::Unlock { repository, all } => maintenance::unlock(self, &repository, all),
            Command::Key(command) => keys::run(self, command),
            Command::Init { repository } => maintenance::init(self, &repository),
            Command::Job(command) => job::run(self, command),
            Command::Backends(args) => backends::run(self, args),
            Command::Disk(command) => disk::run(self, command),
            Command::Status { name } => status::run(self, name.as_deref()),
            Command::Runs { name, last } => status::runs(self, &name.name, last),
            Command::Notify(command) => notify::run(self, &command),
            Command::BackupData { name } => backup::run_job(self, &name.name, "backup-data"),
            Command::BackupDataWrapper { name } => backup::run_unattended(self, &name),
            Command::Schedule { command } => schedule::run(self, command),
            Command::SignalEvent(args) => events::run(self, args),
            Command::BackupDataList { name, files } => nethserver::list(self, &name.name, files),
            Command::RestoreData { name } => nethserver::restore_data(self, &name.name),
            Command::RestoreFile(args) => nethserver::restore_file(self, &args),
            // Answered before; here only for the help.
            Command::Db { .. } | Command::Config { .. } | Command::Completions { .. } => Ok(Status::Usage),
        }
    }

    /// A listener for an operation that takes its time.
    pub fn listener(&self) -> Listener {
        Listener::new(&self.output, &self.interrupt)
    }

    /// Opens the repository and says which snapshots of it are meant.
    pub fn open(&self, access: &Access, filter: &Filter) -> engine_api::Result<(Repository, SnapshotFilter)> {
        let repository = Repository::open(&self.context, access)?;
        let filter = filter.over(&repository.site.filter);
        Ok((repository, filter))
    }

    /// Ends a command that did what was asked.
    pub fn done(&self, command: &str, status: Status, details: impl Serialize) -> Outcome {
        // A listing that was broken off is no success.
        let status = if self.interrupt.is_set() {
            Status::Interrupted
        } else {
            status
        };
        let _ = self.output.item(&ResultLine::new(command, status, details));
        Ok(status)
    }
}

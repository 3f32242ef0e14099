//! Prune, check, repair, unlock, init.

use engine_api::{CheckReport, PruneReport, PruneRequest, ReadData, RepairRequest, Severity};
use jobs::{EngineName, Repository, Status, text};
use serde::Serialize;

use super::{App, Outcome};
use crate::args::{CheckArgs, PruneArgs, RepairArgs, RepairWhat, RepoArgs};
use crate::progress::steps::Created;

pub fn prune(app: &App, args: &PruneArgs) -> Outcome {
    let repository = Repository::open(&app.context, &args.repository.access()?)?;
    let listener = app.listener();
    let request = PruneRequest {
        max_unused: args.max_unused,
        max_repack: args.max_repack_size,
        dry_run: args.dry_run,
    };
    let report = repository.engine().prune(&request, &listener)?;
    drop(listener);
    app.output
        .lines(&prune_lines(repository.site.engine, &report, args.dry_run));
    app.done(
        "prune",
        Status::Success,
        Pruned {
            dry_run: args.dry_run,
            report,
        },
    )
}

#[derive(Serialize)]
struct Pruned {
    dry_run: bool,
    #[serde(flatten)]
    report: PruneReport,
}

/// What a prune did, for people.
pub fn prune_lines(engine: EngineName, report: &PruneReport, dry_run: bool) -> Vec<String> {
    let freed = if dry_run { "would be freed" } else { "freed" };
    let size = text::size(report.bytes_freed);
    match engine {
        EngineName::Duplicity => {
            let volumes = text::count(report.packs_removed, "volume");
            return vec![format!("{volumes} of no use, {size} {freed}")];
        }
        EngineName::Rsync => return vec![format!("{size} {freed}")],
        EngineName::Restic => {}
    }
    vec![
        format!(
            "{} of {} packs not needed, {} in part ({} written anew)",
            report.packs_removed,
            report.packs_before,
            report.packs_repacked,
            text::size(report.bytes_repacked),
        ),
        format!(
            "{} {freed}, {} in use, {} unneeded left",
            text::size(report.bytes_freed),
            text::size(report.bytes_used),
            text::size(report.bytes_left_unused),
        ),
    ]
}

#[derive(Serialize)]
struct FindingLine<'a> {
    r#type: &'static str,
    #[serde(flatten)]
    finding: &'a engine_api::Finding,
}

#[derive(Serialize)]
struct Checked {
    snapshots: u64,
    packs: u64,
    packs_read: u64,
    bytes_read: u64,
    errors: u64,
}

pub fn check(app: &App, args: &CheckArgs) -> Outcome {
    let repository = Repository::open(&app.context, &args.repository.access()?)?;
    let listener = app.listener();
    let read = match args.read_data_share {
        Some(share) => share,
        None if args.read_data => ReadData::All,
        None => ReadData::Nothing,
    };
    let report = repository.check(&app.context, read, &listener)?;
    drop(listener);
    for finding in &report.findings {
        if app.output.is_json() {
            let _ = app.output.item(&FindingLine {
                r#type: "finding",
                finding,
            });
            continue;
        }
        let severity = match finding.severity {
            Severity::Hint => "note",
            Severity::Error => "error",
        };
        let line = format!(
            "{severity}: {}: {}",
            text::clean(&finding.object),
            text::clean(&finding.message)
        );
        let _ = app.output.answer(line.as_bytes());
    }
    app.output.lines(&check_lines(repository.site.engine, &report));
    let details = Checked {
        snapshots: report.snapshots,
        packs: report.packs,
        packs_read: report.packs_read,
        bytes_read: report.bytes_read,
        errors: report.errors,
    };
    let status = if report.errors == 0 {
        Status::Success
    } else {
        Status::Failed
    };
    if status == Status::Failed && !app.output.is_json() {
        app.output.complain(&format!(
            "the repository is damaged: {}",
            text::count(report.errors, "error")
        ));
        app.output
            .hint("keep a copy of the repository, then see `holdfast repair --help`");
    }
    app.done("check", status, details)
}

fn check_lines(engine: EngineName, report: &CheckReport) -> Vec<String> {
    let unit = match engine {
        EngineName::Duplicity => Some("volume"),
        EngineName::Restic => Some("pack"),
        // Its files are the users' own.
        EngineName::Rsync => None,
    };
    let size = text::size(report.bytes_read);
    let read = match unit {
        _ if report.packs_read == 0 && report.bytes_read == 0 => "no data read".to_owned(),
        Some(unit) => format!("{} read ({size})", text::count(report.packs_read, unit)),
        None => format!("{size} read"),
    };
    let known = unit.map_or_else(String::new, |unit| format!(", {}", text::count(report.packs, unit)));
    let verdict = if report.errors == 0 {
        "No errors found"
    } else {
        "Checked"
    };
    vec![format!(
        "{verdict}: {}{known}, {read}",
        text::count(report.snapshots, "snapshot")
    )]
}

#[derive(Serialize)]
struct Repaired {
    dry_run: bool,
    actions: Vec<String>,
    snapshots_rewritten: u64,
    left: Vec<String>,
}

pub fn repair(app: &App, args: &RepairArgs) -> Outcome {
    let repository = Repository::open(&app.context, &args.repository.access()?)?;
    let listener = app.listener();
    let request = RepairRequest {
        index: args.what == RepairWhat::Index,
        snapshots: args.what == RepairWhat::Snapshots,
        forget: args.forget,
        dry_run: args.dry_run,
    };
    let report = repository.engine().repair(&request, &listener)?;
    drop(listener);
    for action in &report.actions {
        app.output.line(&text::clean(action));
    }
    for left in &report.left {
        app.output.warn(&format!("not mended: {left}"));
    }
    if report.actions.is_empty() && report.left.is_empty() {
        app.output.line("Nothing to mend");
    }
    let status = if report.left.is_empty() {
        Status::Success
    } else {
        Status::Incomplete
    };
    let details = Repaired {
        dry_run: args.dry_run,
        actions: report.actions,
        snapshots_rewritten: report.snapshots_rewritten,
        left: report.left,
    };
    app.done("repair", status, details)
}

#[derive(Serialize)]
struct Unlocked {
    removed: u64,
}

pub fn unlock(app: &App, repository: &RepoArgs, all: bool) -> Outcome {
    let repository = Repository::open(&app.context, &repository.access()?)?;
    let removed = repository.unlock(all)?;
    app.output.line(&format!("Removed {}", text::count(removed, "lock")));
    app.done("unlock", Status::Success, Unlocked { removed })
}

pub fn init(app: &App, repository: &RepoArgs) -> Outcome {
    let repository = Repository::init(&app.context, &repository.access()?)?;
    app.output.lines(&jobs::new_repository_lines(&repository.site));
    app.done("init", Status::Success, Created::from(&repository.site))
}

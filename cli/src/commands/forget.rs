use engine_api::{ForgetReport, ForgetRequest, PruneReport, PruneRequest, Snapshot, SnapshotFilter};
use jobs::{Error, Repository, Status, text};
use serde::Serialize;

use super::{App, Outcome, maintenance, snapshots};
use crate::args::ForgetArgs;
use crate::json;

#[derive(Serialize)]
struct Details {
    dry_run: bool,
    removed: usize,
    kept: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    prune: Option<PruneReport>,
}

pub fn run(app: &App, args: ForgetArgs) -> Outcome {
    let keep = args.keep.keep();
    if args.ids.is_empty() && keep.is_empty() {
        let text = "neither a rule nor a snapshot was named: that would forget everything";
        return Err(Error::Usage(text.to_owned()).into());
    }
    let (repository, filter) = app.open(&args.repository.access()?, &args.filter)?;
    let listener = app.listener();
    let request = ForgetRequest {
        // A snapshot that is named is meant, whoever made it.
        filter: if args.ids.is_empty() {
            filter
        } else {
            SnapshotFilter::default()
        },
        group_by: args.group_by(),
        keep,
        ids: args.ids.clone(),
        dry_run: args.dry_run,
    };
    let report = repository.engine().forget(&request, &listener)?;
    show(app, &report, args.dry_run);
    let prune = match args.prune && !args.dry_run {
        true => Some(prune(app, &repository, &listener)?),
        false => None,
    };
    drop(listener);
    let (removed, kept) = (report.removed.len(), report.kept.len());
    app.done(
        "forget",
        Status::Success,
        Details {
            dry_run: args.dry_run,
            removed,
            kept,
            prune,
        },
    )
}

fn prune(app: &App, repository: &Repository, listener: &dyn engine_api::Progress) -> engine_api::Result<PruneReport> {
    let request = PruneRequest {
        max_unused: 0.05,
        max_repack: None,
        dry_run: false,
    };
    let report = repository.engine().prune(&request, listener)?;
    app.output
        .lines(&maintenance::prune_lines(repository.site.engine, &report, false));
    Ok(report)
}

fn show(app: &App, report: &ForgetReport, dry_run: bool) {
    if app.output.is_json() {
        for (snapshot, reasons) in &report.kept {
            let _ = app.output.item(&json::snapshot("kept", snapshot, Some(reasons)));
        }
        for snapshot in &report.removed {
            let _ = app.output.item(&json::snapshot("removed", snapshot, None));
        }
        return;
    }
    if app.global.verbose > 0 {
        for (snapshot, reasons) in &report.kept {
            app.output.line(&format!(
                "keep {}: {}",
                snapshot.short_id,
                text::clean(&reasons.join(", "))
            ));
        }
    }
    if !app.global.quiet {
        let removed: Vec<Snapshot> = report.removed.clone();
        snapshots::table(app, &removed);
    }
    let verb = if dry_run { "Would forget" } else { "Forgot" };
    let (removed, kept) = (report.removed.len() as u64, report.kept.len());
    app.output
        .line(&format!("{verb} {}, {kept} kept", text::count(removed, "snapshot")));
    let needed = report
        .kept
        .iter()
        .filter(|(_, reasons)| reasons.iter().any(|reason| reason.starts_with("needed")))
        .count();
    if needed > 0 && !app.global.quiet {
        app.output.line(&format!(
            "{needed} of these stay only because others need them (-v says which)"
        ));
    }
}

//! `synthetic-full`: a full backup made of a chain's increments.

use jobs::{Repository, Status};

use super::{App, Outcome};
use crate::args::SyntheticFullArgs;
use crate::progress::steps::made_full;

pub fn run(app: &App, args: &SyntheticFullArgs) -> Outcome {
    let repository = Repository::open(&app.context, &args.repository.access()?)?;
    let listener = app.listener();
    let report = repository.synthetic_full(args.dry_run, &listener)?;
    drop(listener);
    app.output.lines(&jobs::synthetic_lines(&report, args.dry_run));
    app.done("synthetic-full", Status::Success, made_full(&report, args.dry_run))
}

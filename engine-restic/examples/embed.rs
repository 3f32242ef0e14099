//! One engine and one storage, without the rest of Holdfast: saves folders into a restic repository and lists its
//! snapshots.
//!
//! `cargo run -p holdfast-engine-restic --example embed -- REPOSITORY PASSWORD FOLDER…`

#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use engine_api::{BackupRequest, Engine, Error, ErrorKind, Event, Progress, Selection, Silent, SnapshotFilter};
use engine_restic::{Password, ResticEngine, Settings};

/// Prints what goes wrong and nothing else.
struct Problems;

impl Progress for Problems {
    fn event(&self, event: Event<'_>) {
        if let Event::Problem(problem) = event {
            println!(
                "cannot {} {}: {}",
                problem.action,
                problem.path.display(),
                problem.cause
            );
        }
    }

    fn cancelled(&self) -> bool {
        false
    }
}

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(repository), Some(password)) = (arguments.next(), arguments.next()) else {
        println!("usage: embed REPOSITORY PASSWORD FOLDER…");
        return Ok(());
    };
    let store =
        || backends::local::open(Path::new(&repository), true).map(|destination| Arc::clone(&destination.blobs));
    let settings = Settings::new(Password::new(password.to_string_lossy().into_owned()));
    let engine = match ResticEngine::open(store()?, settings.clone()).map_err(Error::from) {
        Err(error) if error.kind() == ErrorKind::NoRepository => ResticEngine::init(store()?, settings)?,
        other => other?,
    };
    let includes: Vec<Vec<u8>> = arguments.map(|path| path.as_bytes().to_vec()).collect();
    if !includes.is_empty() {
        let request = BackupRequest {
            selection: Selection {
                includes,
                ..Selection::default()
            },
            host: "example".to_owned(),
            tags: Vec::new(),
            time: None,
            parent: None,
            force_read: false,
            dry_run: false,
            estimate: false,
        };
        let report = engine.backup(&request, &Problems)?;
        println!("{} files, {} bytes added", report.files.total(), report.bytes_added);
    }
    for snapshot in engine.snapshots(&SnapshotFilter::default(), &Silent)? {
        println!("{} {:?}", snapshot.short_id, snapshot.paths);
    }
    Ok(())
}

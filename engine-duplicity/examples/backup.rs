//! Makes one backup of a folder: `backup MODE SOURCE DESTINATION ARCHIVE NAME [VOLSIZE_MIB] [OPTION...]`.

use std::path::PathBuf;

use engine_api::{BackupRequest, Engine, Event, Progress, Selection};
use engine_duplicity::{BackupMode, DuplicityEngine, Settings};

struct Listener;

impl Progress for Listener {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::Problem(problem) => eprintln!("problem: {problem:?}"),
            Event::Notice(text) => eprintln!("notice: {text}"),
            _ => {}
        }
    }

    fn cancelled(&self) -> bool {
        false
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mode, source, destination, archive, name, rest @ ..] = arguments.as_slice() else {
        return Err("backup MODE SOURCE DESTINATION ARCHIVE NAME [VOLSIZE_MIB] [OPTION...]".into());
    };
    let size: u64 = rest.first().map_or(Ok(200), |size| size.parse())?;
    let has = |option: &str| rest.iter().any(|given| given == option);
    let settings = Settings {
        source: PathBuf::from(source),
        mode: if mode == "full" {
            BackupMode::Full
        } else {
            BackupMode::Incremental
        },
        volume_size: size << 20,
        archive: Some(PathBuf::from(archive)),
        archive_name: name.clone(),
        compression: !has("plain"),
        extras: !has("no-extras"),
        blake2_signatures: has("blake2"),
        ..Settings::default()
    };
    let destination = backends::local::open(destination.as_ref(), true).map_err(|error| error.to_string())?;
    let engine = DuplicityEngine::open(destination.blobs.clone(), settings).map_err(|error| error.to_string())?;
    let request = BackupRequest {
        selection: Selection {
            includes: vec![source.clone().into_bytes()],
            ..Selection::default()
        },
        host: "vm".to_owned(),
        tags: Vec::new(),
        time: None,
        parent: None,
        force_read: has("force-read"),
        dry_run: has("dry-run"),
        estimate: false,
    };
    let report = engine.backup(&request, &Listener).map_err(|error| error.chain())?;
    println!("{report:#?}");
    Ok(())
}

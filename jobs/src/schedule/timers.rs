//! The jobs as timers and services of systemd.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::install::{Caller, Entry, MARK};
use crate::actions::{self, Call, Environment, Words};
use crate::atomic;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::layout::Convention;

const WANTS: &str = "timers.target.wants";
const PREFIX: &str = "holdfast-";

/// The files with their texts.
pub(super) fn files(units: &Path, caller: &Caller<'_>, entries: &[Entry<'_>]) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut add = |name: &str, description: &str, words: &str, timer: &str| {
        let service = service(caller, description, words);
        files.push((units.join(format!("{PREFIX}{name}.service")), service));
        let timer =
            format!("{MARK}[Unit]\nDescription={description}\n\n[Timer]\n{timer}\n[Install]\nWantedBy=timers.target\n");
        files.push((units.join(format!("{PREFIX}{name}.timer")), timer));
    };
    for Entry { name, planned } in entries {
        let Some(schedule) = &planned.schedule else { continue };
        let times: String = schedule
            .on_calendar()
            .iter()
            .map(|time| format!("OnCalendar={time}\n"))
            .collect();
        // Only `@` means something in a unit's name that may stand in a backup's.
        let unit = format!("backup-{}", name.as_str().replace('@', r"\x40"));
        let timer = format!("{times}AccuracySec=1s\nPersistent=true\n");
        add(
            &unit,
            &format!("Backup {name}"),
            &format!("backup-data-wrapper {name}"),
            &timer,
        );
    }
    if !entries.is_empty() {
        // Persistent timers do not see a run that the power went off under.
        let timer = "OnBootSec=15min\nOnUnitInactiveSec=1h\n";
        add("catch-up", "Backups that were missed", "-q schedule catch-up", timer);
        let timer = "OnCalendar=*-*-* 06:47:00\nPersistent=true\n";
        add(
            "overdue",
            "Who is told of backups that are missing",
            "-q notify overdue",
            timer,
        );
    }
    files
}

fn service(caller: &Caller<'_>, description: &str, words: &str) -> String {
    let environment = caller
        .root
        .map(|root| format!("Environment={}\n", quoted(&format!("HOLDFAST_ROOT={}", root.display()))));
    // Variables are put into every word but the first.
    let program = quoted(&caller.program.to_string_lossy());
    // A run that is stopped tells its actions itself, in order, and needs a while for what comes after.
    format!(
        "{MARK}[Unit]\nDescription={description}\n\n[Service]\nType=oneshot\n{}ExecStart={program} {words}\nKillMode=mixed\n\
         TimeoutStopSec=15min\n",
        environment.unwrap_or_default()
    )
}

/// A value as systemd takes it, whatever is in it.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', r"\\").replace('"', "\\\"").replace('%', "%%");
    format!("\"{escaped}\"")
}

/// Links the timers among `files` to where systemd starts them at boot; gives the links.
pub(super) fn enable(units: &Path, files: &[(PathBuf, String)]) -> Result<Vec<PathBuf>> {
    let mut links = Vec::new();
    for (path, _) in files
        .iter()
        .filter(|(path, _)| path.extension().is_some_and(|end| end == "timer"))
    {
        let wants = units.join(WANTS);
        atomic::create_dir(&wants, 0o755)?;
        let link = wants.join(path.file_name().unwrap_or_default());
        match std::os::unix::fs::symlink(path, &link) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(Error::io("link", &link, error)),
            _ => links.push(link),
        }
    }
    Ok(links)
}

/// Tells a running systemd of the units that came and went. A machine that runs none reads them when it does.
pub(super) fn activate(context: &Context, written: &[PathBuf], removed: &[PathBuf]) {
    let timers = |paths: &[PathBuf]| -> Words {
        let links = paths
            .iter()
            .filter(|path| path.parent().is_some_and(|folder| folder.ends_with(WANTS)));
        links.filter_map(|path| path.file_name()).map(Into::into).collect()
    };
    let (started, stopped) = (timers(written), timers(removed));
    let ours = context.layout.root.is_none() && Path::new("/run/systemd/system").is_dir();
    if !ours || (started.is_empty() && stopped.is_empty()) {
        return;
    }
    let user = (context.layout.convention == Convention::Xdg).then(|| OsString::from("--user"));
    let call = |words: Words| {
        let words: Words = user.iter().cloned().chain(words).collect();
        let call = Call {
            program: Path::new("systemctl"),
            words: &words,
            environment: Environment::Plain,
            input: None,
            limit: Duration::from_mins(1),
        };
        actions::run(&call, &|| false, &mut |_| {})
    };
    if !stopped.is_empty() {
        call(std::iter::once("stop".into()).chain(stopped).collect());
    }
    call(vec!["daemon-reload".into()]);
    if !started.is_empty() {
        call(std::iter::once("restart".into()).chain(started).collect());
    }
}

/// Every unit, and every link to one, that was written here before.
pub(super) fn ours(units: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in [units.join(WANTS), units.to_owned()] {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Error::io("read", &folder, error)),
        };
        for entry in entries {
            let path = entry.map_err(|error| Error::io("read", &folder, error))?.path();
            let named = path
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
            if named && fs::read_to_string(&path).is_ok_and(|text| text.starts_with(MARK)) {
                found.push(path);
            }
        }
    }
    Ok(found)
}

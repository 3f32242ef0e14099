//! The jobs as a file for `/etc/cron.d`.

use std::path::{Path, PathBuf};

use super::install::{Caller, Entry, MARK};
use crate::layout::{Convention, Layout};

/// The minute of the hour in which missed runs are looked for: not one that people choose for their backups.
const CATCH_UP_MINUTE: u8 = 17;

/// When it is told which backups have missed a run: before somebody begins to work.
const OVERDUE: &str = "47 6 * * *";

/// The file's text. Nothing but checked schedules and names stands in it.
pub(super) fn text(layout: &Layout, caller: &Caller<'_>, entries: &[Entry<'_>]) -> String {
    let mut text = MARK.to_owned();
    text.push_str("SHELL=/bin/sh\nPATH=/usr/local/sbin:/usr/local/bin:/sbin:/bin:/usr/sbin:/usr/bin\n");
    if let Some(root) = caller.root {
        text.push_str(&format!("HOLDFAST_ROOT={}\n", assigned(root)));
    }
    let program = word(caller.program);
    let wrapper = match own_wrapper(layout, caller.program) {
        Some(path) => word(&path),
        None => format!("{program} backup-data-wrapper"),
    };
    for entry in entries {
        if let Some(schedule) = &entry.planned.schedule {
            text.push_str(&format!("{schedule} root {wrapper} {}\n", entry.name));
        }
    }
    if !entries.is_empty() {
        // A machine that was off has missed its backups; what it missed is looked for as soon as it is on again.
        text.push_str(&format!("@reboot root {program} -q schedule catch-up\n"));
        text.push_str(&format!(
            "{CATCH_UP_MINUTE} * * * * root {program} -q schedule catch-up\n"
        ));
        // What could not be made up for is told, or nobody would know that there was no backup.
        text.push_str(&format!("{OVERDUE} root {program} -q notify overdue\n"));
    }
    text
}

/// Where NethServer's crontab calls it, when that is this very program.
fn own_wrapper(layout: &Layout, program: &Path) -> Option<PathBuf> {
    if layout.convention != Convention::NethServer {
        return None;
    }
    let root = layout.root.as_deref().unwrap_or(Path::new("/"));
    let path = root.join("sbin/e-smith/backup-data-wrapper");
    let same = path.canonicalize().ok()? == program.canonicalize().ok()?;
    same.then_some(path)
}

/// A path as a word for the shell, in a line of cron's, which takes a `%` for a line break.
fn word(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@,=".contains(c);
    let quoted = if text.chars().all(plain) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    };
    quoted.replace('%', "\\%")
}

/// A value in cron's own assignments, where quotes keep blanks.
fn assigned(path: &Path) -> String {
    let text = path.to_string_lossy();
    if text.contains('"') {
        format!("'{text}'")
    } else {
        format!("\"{text}\"")
    }
}

//! The journal: what is known of past runs, one JSON line each, and a file with the last of them.

mod made;
pub(crate) mod past;

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::atomic;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::name::JobName;

pub(crate) use made::moment;
pub use past::{Failing, Moment, Part, PastCheck, PastProblem, PastProblems, PastRun, PastSpace, Tally, Told, Way};

/// A journal longer than this is put aside and a new one begun; one is kept, so that two are the bound.
const LONGEST: u64 = 4 << 20;

/// What `status-NAME.json` says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobState {
    /// The job.
    pub backup: String,
    /// Its last run.
    pub last: PastRun,
    /// The last run that was a full success.
    pub last_good: Option<Moment>,
    /// The last run that made a snapshot, whatever else went wrong.
    pub last_snapshot: Option<Moment>,
    /// How many runs since the last good one were none.
    pub failures: u64,
    /// The last check of the repository; while that is damaged, the last that could have found it mended.
    #[serde(default)]
    pub last_check: Option<PastCheck>,
    /// What the last check has read that read one of several parts, such as `3/10`.
    #[serde(default)]
    pub last_part: Option<String>,
}

impl JobState {
    /// What is so after `run`, which follows `before`.
    fn after(run: PastRun, before: Option<&Self>) -> Self {
        let good = run.is_good();
        let mut state = Self {
            last_good: good.then(|| run.moment()).or_else(|| before?.last_good.clone()),
            last_snapshot: run
                .snapshot
                .as_ref()
                .map(|_| run.moment())
                .or_else(|| before?.last_snapshot.clone()),
            failures: if good {
                0
            } else {
                before.map_or(0, |before| before.failures) + 1
            },
            last_check: before.and_then(|before| before.last_check.clone()),
            last_part: before.and_then(|before| before.last_part.clone()),
            backup: run.backup.clone(),
            last: run,
        };
        if let Some(check) = state.last.check.clone() {
            state.note(check);
        }
        state
    }

    fn note(&mut self, check: PastCheck) {
        if check.read.contains('/') {
            self.last_part = Some(check.read.clone());
        }
        if self.last_check.as_ref().is_none_or(|before| check.stands_for(before)) {
            self.last_check = Some(check);
        }
    }
}

/// The runs of a job that its journal has, the newest first, at most `limit`.
///
/// # Errors
/// When the journal is there and cannot be read; lines that a power cut has torn are passed over.
pub fn runs(context: &Context, name: &JobName, limit: usize) -> Result<Vec<PastRun>> {
    let path = context.layout.journal(name);
    let mut runs = Vec::new();
    for path in [&path, &aside(&path)] {
        let text = read_bounded(path)?;
        let lines = text.split(|byte| *byte == b'\n').rev();
        let parsed = lines.filter_map(|line| serde_json::from_slice::<PastRun>(line).ok());
        runs.extend(parsed.take(limit - runs.len()));
    }
    Ok(runs)
}

/// What is known of a job's runs; `None` when it has never run.
///
/// # Errors
/// When it is there and cannot be read.
pub fn state(context: &Context, name: &JobName) -> Result<Option<JobState>> {
    if let Some(state) = read_state(&context.layout, name)? {
        return Ok(Some(state));
    }
    // A state that is gone or torn is made of the journal again.
    let fold = |before: Option<JobState>, run: PastRun| Some(JobState::after(run, before.as_ref()));
    Ok(runs(context, name, usize::MAX)?.into_iter().rev().fold(None, fold))
}

/// Writes the state as it is after `run`, and gives it back.
pub(crate) fn write_state(context: &Context, name: &JobName, run: &PastRun) -> Result<JobState> {
    atomic::create_dir(&context.layout.status, 0o755)?;
    let _held = hold(&context.layout, name)?;
    let before = state(context, name)?;
    // Everybody may read it: which names there are on this machine is for the journal.
    let mut run = run.clone();
    run.problems.first.clear();
    let state = match before {
        // The same run again, now with what became of its notification.
        Some(before) if before.last.run == run.run => JobState { last: run, ..before },
        before => JobState::after(run, before.as_ref()),
    };
    let path = context.layout.state(name);
    atomic::replace(&path, 0o644, &line(&state))?;
    Ok(state)
}

/// Keeps what a check by hand has found, of a job that has run here.
pub(crate) fn note_check(context: &Context, name: &JobName, check: &PastCheck) -> Result<()> {
    if state(context, name)?.is_none() {
        return Ok(());
    }
    let _held = hold(&context.layout, name)?;
    let Some(mut state) = state(context, name)? else {
        return Ok(());
    };
    state.note(check.clone());
    atomic::replace(&context.layout.state(name), 0o644, &line(&state))
}

/// Adds `run` to the job's journal.
pub(crate) fn append(context: &Context, name: &JobName, run: &PastRun) -> Result<()> {
    let layout = &context.layout;
    atomic::create_dir(&layout.status, 0o755)?;
    let _held = hold(layout, name)?;
    let path = layout.journal(name);
    if fs::metadata(&path).is_ok_and(|file| file.len() >= LONGEST) {
        fs::rename(&path, aside(&path)).map_err(|error| Error::io("put aside", &path, error))?;
    }
    atomic::append_line(&path, 0o640, &line(run))
}

/// A run that is refused because another one goes on is noted, too: two may write at once.
fn hold(layout: &Layout, name: &JobName) -> Result<File> {
    atomic::create_dir(&layout.locks, 0o755)?;
    let path = layout.locks.join(format!("journal-{name}.lock"));
    let lock = || {
        let file = File::options().create(true).append(true).open(&path)?;
        file.lock()?;
        Ok(file)
    };
    lock().map_err(|error| Error::io("lock", &path, error))
}

fn read_state(layout: &Layout, name: &JobName) -> Result<Option<JobState>> {
    let text = read_bounded(&layout.state(name))?;
    Ok(serde_json::from_slice(&text).ok())
}

/// The last part of a file that nobody but us writes, and that somebody else may have made long.
fn read_bounded(path: &Path) -> Result<Vec<u8>> {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(2 * LONGEST)))?;
        let mut text = Vec::new();
        file.take(2 * LONGEST).read_to_end(&mut text)?;
        Ok(text)
    };
    match read() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read.map_err(|error| Error::io("read", path, error)),
    }
}

fn line(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line
}

fn aside(path: &Path) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    name.into()
}

#[cfg(test)]
mod tests;

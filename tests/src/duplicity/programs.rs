//! The real duplicity programs of this machine.

use std::path::PathBuf;
use std::process::Command;

/// More duplicity programs than the one on the path, separated by colons.
pub const PROGRAMS: &str = "HOLDFAST_TEST_DUPLICITY";

/// One duplicity program.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Program {
    /// Its version, such as `[0, 8, 22]`.
    pub version: Vec<u32>,
    /// Where it is.
    pub path: PathBuf,
}

impl Program {
    /// Whether it is of the 0.8 line, which Debian 12 has and whose sets differ in small things.
    #[must_use]
    pub fn is_old(&self) -> bool {
        self.version.first() == Some(&0)
    }
}

/// Every duplicity on this machine, oldest first.
#[must_use]
pub fn programs() -> Vec<Program> {
    let more = std::env::var_os(PROGRAMS).unwrap_or_default();
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&on_path)
        .map(|folder| folder.join("duplicity"))
        .find(|path| path.is_file());
    let mut programs: Vec<Program> = std::env::split_paths(&more)
        .filter(|path| !path.as_os_str().is_empty())
        .chain(on_path)
        .map(identify)
        .collect();
    programs.sort();
    programs.dedup_by(|a, b| a.version == b.version);
    programs
}

/// The oldest and the newest: what both do, those between do as well.
#[must_use]
pub fn both() -> Option<Vec<Program>> {
    let mut programs = programs();
    if programs.len() > 2 {
        programs.drain(1..programs.len() - 1);
    }
    (!programs.is_empty()).then_some(programs)
}

/// The newest of the 0.8 line.
#[must_use]
pub fn old() -> Option<Program> {
    programs().into_iter().rfind(Program::is_old)
}

/// The newest of all, when it is of the 3 line.
#[must_use]
pub fn new() -> Option<Program> {
    programs().pop().filter(|program| !program.is_old())
}

/// The one whose version begins so.
#[must_use]
pub fn of(version: &[u32]) -> Option<Program> {
    programs()
        .into_iter()
        .rfind(|program| program.version.starts_with(version))
}

fn identify(path: PathBuf) -> Program {
    let output = Command::new(&path).arg("--version").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    // `duplicity 3.2.1 September 28, 2026`
    let version = text.split_whitespace().nth(1).unwrap_or_default();
    let version: Vec<u32> = version.split('.').map_while(|part| part.parse().ok()).collect();
    assert!(version.len() >= 2, "{} says {text:?} for its version", path.display());
    Program { version, path }
}

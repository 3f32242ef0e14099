//! The files that lists are written in.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use fstree::pattern;

use super::exactly;
use crate::atomic;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::name::JobName;

/// A pattern and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The pattern, as bytes.
    pub pattern: Vec<u8>,
    /// Who says so.
    pub source: Source,
}

/// Who says that something is saved or left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A line of a list, from 1.
    Line {
        /// The list.
        list: PathBuf,
        /// The line.
        line: usize,
    },
    /// The setting `IncludeLogs` of the record `backup-data` in `configuration`.
    IncludeLogs,
    /// Holdfast's own caches, passwords and locks, which no list can bring in.
    Own,
    /// What holds secrets of the machine, unless an include names it.
    Private,
    /// The repository itself.
    Destination,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { list, line } => write!(f, "line {line} of {}", list.display()),
            Self::IncludeLogs => f.write_str("the setting IncludeLogs"),
            Self::Own => f.write_str("the rule that caches, passwords and locks of Holdfast are never saved"),
            Self::Private => {
                f.write_str("the rule that secrets of the machine are saved only where an include names them")
            }
            Self::Destination => f.write_str("the rule that the destination is not saved into itself"),
        }
    }
}

/// The list that NethServer writes when the setting changes, and not always then: the setting itself is what counts.
const GENERATED: &str = "nethserver-backup-data.include";

/// The lines of the job's own list when it has one, else of every common one, in order of their names.
pub(super) fn read(layout: &Layout, name: &JobName, suffix: &str) -> Result<Vec<Rule>> {
    if let Some(rules) = read_list(&layout.job_list(name, suffix))? {
        return Ok(rules);
    }
    Ok(common_lines(layout, suffix)?.collect())
}

/// The lines of all common lists.
pub(super) fn common_lines(layout: &Layout, suffix: &str) -> Result<impl Iterator<Item = Rule>> {
    let mut rules = Vec::new();
    for file in common(&layout.lists, suffix)? {
        let mut lines = read_list(&file)?.unwrap_or_default();
        if file.file_name() == Some(OsStr::new(GENERATED)) {
            lines.retain(|rule| !matches!(rule.pattern.as_slice(), b"/var/log" | b"/var/log/"));
        }
        rules.extend(lines);
    }
    Ok(rules.into_iter())
}

fn common(folder: &Path, suffix: &str) -> Result<Vec<PathBuf>> {
    let failed = |error| Error::io("read the folder", folder, error);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let file = entry.map_err(failed)?.path();
        let hidden = file.file_name().is_some_and(|name| name.as_bytes().starts_with(b"."));
        if !hidden && file.extension() == Some(OsStr::new(suffix)) {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// The rules of one list; `None` when there is no such file.
fn read_list(list: &Path) -> Result<Option<Vec<Rule>>> {
    let content = match fs::read(list) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read the list", list, error)),
    };
    let mut rules = Vec::new();
    for (index, text) in content.split(|&byte| byte == b'\n').enumerate() {
        let parsed = pattern::parse_list(text).into_iter();
        rules.extend(parsed.map(|pattern| Rule {
            pattern,
            source: Source::Line {
                list: list.to_owned(),
                line: index + 1,
            },
        }));
    }
    Ok(Some(rules))
}

/// What a job's own list of what it saves would hold: these paths and nothing else.
///
/// # Errors
/// When a path is not there or cannot stand in a list.
pub(crate) fn of_paths(paths: &[PathBuf]) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    for path in paths {
        if fs::symlink_metadata(path).is_err() {
            return Err(Error::MissingPath { path: path.clone() });
        }
        push_line(&mut content, &exactly(path), path)?;
    }
    Ok(content)
}

/// What a job's own list of what it leaves out would hold.
///
/// # Errors
/// When a pattern cannot stand in a list.
pub(crate) fn of_patterns(patterns: &[Vec<u8>]) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    for pattern in patterns {
        let path = Path::new(OsStr::from_bytes(pattern));
        // As a line of a list it would be a comment, or none.
        if pattern.is_empty() || pattern.starts_with(b"#") || pattern.contains(&0) {
            return Err(Error::UnlistablePath { path: path.to_owned() });
        }
        push_line(&mut content, pattern, path)?;
    }
    Ok(content)
}

fn push_line(content: &mut Vec<u8>, line: &[u8], path: &Path) -> Result<()> {
    if line.contains(&b'\n') || line.trim_ascii_end() != line {
        return Err(Error::UnlistablePath { path: path.to_owned() });
    }
    content.extend(line);
    content.push(b'\n');
    Ok(())
}

/// Makes the job's own list; one that exists is replaced only where `replace` says so.
///
/// # Errors
/// When it exists or cannot be written.
pub(crate) fn write_own(context: &Context, name: &JobName, suffix: &str, content: &[u8], replace: bool) -> Result<()> {
    let list = context.layout.job_list(name, suffix);
    atomic::create_dir(&context.layout.job_lists, 0o755)?;
    if replace {
        return atomic::replace(&list, 0o644, content);
    }
    if list.exists() {
        return Err(Error::ListExists { list });
    }
    atomic::create_new(&list, 0o644, content)
}

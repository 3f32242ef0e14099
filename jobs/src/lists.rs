//! The lists of what is saved and what is left out.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use engine_api::Selection;
use fstree::pattern;

use crate::atomic;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::name::JobName;
use crate::paths::real;

/// A line of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    list: PathBuf,
    number: usize,
    text: Vec<u8>,
}

/// What the job `name` saves to `destination`: its own lists where it has them, else the common ones.
///
/// The caches and secrets of Holdfast and the destination itself are always left out.
///
/// # Errors
/// When a list cannot be read, an include is no absolute path or lies in the destination, or nothing is left to save.
pub fn of_job(context: &Context, name: &JobName, destination: Option<&Path>) -> Result<Selection> {
    let layout = &context.layout;
    let includes = read(&layout.job_list(name, "include"), &layout.lists, "include")?;
    let excludes = read(&layout.job_list(name, "exclude"), &layout.lists, "exclude")?;
    let own = layout.job_list(name, "include").exists();
    let mut paths = Vec::new();
    for line in includes {
        if !line.text.starts_with(b"/") {
            return Err(Error::RelativeInclude {
                text: String::from_utf8_lossy(&line.text).into_owned(),
                list: line.list,
                line: line.number,
            });
        }
        paths.push(line.text);
    }
    if !own && logs_included(context)? {
        paths.push(b"/var/log".to_vec());
    }
    let looked = if own {
        layout.job_list(name, "include")
    } else {
        layout.lists.join("*.include")
    };
    let excludes = excludes.into_iter().map(|line| line.text).collect();
    choose(context, paths, excludes, destination, &looked)
}

fn choose(
    context: &Context,
    includes: Vec<Vec<u8>>,
    excludes: Vec<Vec<u8>>,
    destination: Option<&Path>,
    looked: &Path,
) -> Result<Selection> {
    let nothing = |reason: String| Err(Error::NothingToBackup { reason });
    if includes.is_empty() {
        return nothing(format!("{} names no path", looked.display()));
    }
    if !includes.iter().any(|include| may_exist(include)) {
        return nothing(format!("no path of {} exists", looked.display()));
    }
    let paths: Vec<PathBuf> = includes.iter().filter_map(|include| plain(include)).collect();
    let selection = Selection {
        includes,
        excludes,
        exclude_caches: true,
        one_file_system: false,
    };
    guard(context, selection, &paths, destination)
}

/// The same selection without duplicates, and without what no backup may hold; `paths` are its includes that are no
/// patterns.
///
/// # Errors
/// When an include lies in the destination.
pub(crate) fn guard(
    context: &Context,
    mut selection: Selection,
    paths: &[PathBuf],
    destination: Option<&Path>,
) -> Result<Selection> {
    if let Some(destination) = destination {
        refuse_inside(paths, destination)?;
    }
    let never = context.layout.never_saved();
    for own in never.iter().map(PathBuf::as_path).chain(destination) {
        selection.excludes.extend(names_of(own, paths));
    }
    dedup(&mut selection.includes);
    dedup(&mut selection.excludes);
    Ok(selection)
}

fn dedup(lines: &mut Vec<Vec<u8>>) {
    let mut seen = HashSet::new();
    lines.retain(|line| seen.insert(line.clone()));
}

fn refuse_inside(paths: &[PathBuf], destination: &Path) -> Result<()> {
    let inside = real(destination);
    match paths.iter().find(|include| real(include).starts_with(&inside)) {
        None => Ok(()),
        Some(include) => Err(Error::InsideDestination {
            include: include.clone(),
            destination: destination.to_owned(),
        }),
    }
}

/// Every name under which a walk of `paths` would meet `own`, as patterns that match just that.
fn names_of(own: &Path, paths: &[PathBuf]) -> Vec<Vec<u8>> {
    let own_real = real(own);
    let mut names = vec![own.to_owned(), own_real.clone()];
    // Reached through an include whose own path leads over a symbolic link, it has yet another name.
    for include in paths {
        if let Ok(below) = own_real.strip_prefix(real(include)) {
            names.push(include.join(below));
        }
    }
    names.iter().map(|name| exactly(name)).collect()
}

/// The path that an include names, where it is no pattern.
fn plain(include: &[u8]) -> Option<PathBuf> {
    (!pattern::has_wildcards(include)).then(|| PathBuf::from(OsStr::from_bytes(include)))
}

fn may_exist(include: &[u8]) -> bool {
    let Some(path) = plain(include) else {
        return true;
    };
    match fs::symlink_metadata(path) {
        Ok(_) => true,
        // Any other answer is for the walk to report.
        Err(error) => !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory),
    }
}

/// The pattern that matches only this path.
pub(crate) fn exactly(path: &Path) -> Vec<u8> {
    pattern::literal(path.as_os_str().as_bytes())
}

fn logs_included(context: &Context) -> Result<bool> {
    let record = context.configuration().read()?.record(b"backup-data");
    Ok(record.is_some_and(|record| record.get("IncludeLogs") == Some(b"enabled")))
}

/// The lines of `own` when it exists, else of every file in `common` that ends in `suffix`, in order of their names.
fn read(own: &Path, common: &Path, suffix: &str) -> Result<Vec<Line>> {
    if let Some(lines) = read_list(own)? {
        return Ok(lines);
    }
    let failed = |error| Error::io("read the folder", common, error);
    let entries = match fs::read_dir(common) {
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
    let mut lines = Vec::new();
    for file in files {
        lines.extend(read_list(&file)?.unwrap_or_default());
    }
    Ok(lines)
}

/// Makes the job's own list of what it saves.
///
/// # Errors
/// When it has one, or a path is not there or cannot stand in a list.
pub(crate) fn write_own(context: &Context, name: &JobName, paths: &[PathBuf]) -> Result<()> {
    let list = context.layout.job_list(name, "include");
    if list.exists() {
        return Err(Error::ListExists { list });
    }
    let mut content = Vec::new();
    for path in paths {
        if fs::symlink_metadata(path).is_err() {
            return Err(Error::MissingPath { path: path.clone() });
        }
        let line = exactly(path);
        if line.contains(&b'\n') || line.trim_ascii_end() != line {
            return Err(Error::UnlistablePath { path: path.clone() });
        }
        content.extend(line);
        content.push(b'\n');
    }
    atomic::create_dir(&context.layout.job_lists, 0o755)?;
    atomic::create_new(&list, 0o644, &content)
}

fn read_list(list: &Path) -> Result<Option<Vec<Line>>> {
    let content = match fs::read(list) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read the list", list, error)),
    };
    let mut lines = Vec::new();
    for (index, text) in content.split(|&byte| byte == b'\n').enumerate() {
        let parsed = pattern::parse_list(text).into_iter();
        lines.extend(parsed.map(|text| Line {
            list: list.to_owned(),
            number: index + 1,
            text,
        }));
    }
    Ok(Some(lines))
}

#[cfg(test)]
mod tests;

//! The lists of what is saved and what is left out.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use engine_api::Selection;
use fstree::pattern;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::name::JobName;
use crate::paths::real;

mod explain;
mod files;

pub use explain::{Explainer, Explanation, Preview, Verdict, preview};
pub use files::{Rule, Source};
pub(crate) use files::{of_paths, of_patterns, write_own};

/// What a job saves and leaves out, line by line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// What is saved, as it stands in the lists.
    pub includes: Vec<Rule>,
    /// What is left out, the rules that no list can change at the end.
    pub excludes: Vec<Rule>,
}

impl Rules {
    /// The rules of the job `name` that saves to the folder `destination`, if it is one: its own lists where it has them,
    /// else the common ones. Nothing is checked yet.
    ///
    /// # Errors
    /// When a list or the machine's configuration cannot be read.
    pub fn of_job(context: &Context, name: &JobName, destination: Option<&Path>) -> Result<Self> {
        let layout = &context.layout;
        let mut includes = files::read(layout, name, "include")?;
        let mut excludes = files::read(layout, name, "exclude")?;
        if !has_own(context, name) && logs_included(context)? {
            includes.push(Rule {
                pattern: b"/var/log".to_vec(),
                source: Source::IncludeLogs,
            });
        }
        let paths: Vec<PathBuf> = includes.iter().filter_map(|rule| plain(&rule.pattern)).collect();
        excludes.extend(never_saved(context, &paths, destination));
        let mut rules = Self { includes, excludes };
        dedup(&mut rules.includes);
        dedup(&mut rules.excludes);
        Ok(rules)
    }

    /// What an engine is told.
    #[must_use]
    pub fn selection(&self) -> Selection {
        let patterns = |rules: &[Rule]| rules.iter().map(|rule| rule.pattern.clone()).collect();
        Selection {
            includes: patterns(&self.includes),
            excludes: patterns(&self.excludes),
            exclude_caches: true,
            one_file_system: false,
        }
    }
}

/// What the job `name` saves to `destination`: its own lists where it has them, else the common ones.
///
/// The caches and secrets of Holdfast and the destination itself are always left out.
///
/// # Errors
/// When a list cannot be read, an include is no absolute path or lies in the destination, or nothing is left to save.
pub fn of_job(context: &Context, name: &JobName, destination: Option<&Path>) -> Result<Selection> {
    let rules = Rules::of_job(context, name, destination)?;
    let looked = if has_own(context, name) {
        context.layout.job_list(name, "include")
    } else {
        context.layout.lists.join("*.include")
    };
    let nothing = |reason: String| Err(Error::NothingToBackup { reason });
    if rules.includes.is_empty() {
        return nothing(format!("{} names no path", looked.display()));
    }
    if let Some(error) = rules.includes.iter().find_map(relative) {
        return Err(error);
    }
    if !rules.includes.iter().any(|rule| may_exist(&rule.pattern)) {
        return nothing(format!("no path of {} exists", looked.display()));
    }
    if let Some(destination) = destination {
        let paths: Vec<PathBuf> = rules.includes.iter().filter_map(|rule| plain(&rule.pattern)).collect();
        refuse_inside(&paths, destination)?;
    }
    Ok(rules.selection())
}

/// Whether the common lists name anything to save.
///
/// # Errors
/// When a list or the machine's configuration cannot be read.
pub fn common_exist(context: &Context) -> Result<bool> {
    Ok(logs_included(context)? || files::common_lines(&context.layout, "include")?.next().is_some())
}

/// Whether the job has a list of its own of what it saves.
#[must_use]
pub fn has_own(context: &Context, name: &JobName) -> bool {
    context.layout.job_list(name, "include").exists()
}

/// What is wrong with an include that is no whole path.
pub(crate) fn relative(rule: &Rule) -> Option<Error> {
    match &rule.source {
        Source::Line { list, line } if !rule.pattern.starts_with(b"/") => Some(Error::RelativeInclude {
            text: String::from_utf8_lossy(&rule.pattern).into_owned(),
            list: list.clone(),
            line: *line,
        }),
        _ => None,
    }
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
    let never = never_saved(context, paths, destination);
    selection.excludes.extend(never.into_iter().map(|rule| rule.pattern));
    for lines in [&mut selection.includes, &mut selection.excludes] {
        let mut seen = HashSet::new();
        lines.retain(|line| seen.insert(line.clone()));
    }
    Ok(selection)
}

/// What is left out whatever the lists say.
fn never_saved(context: &Context, paths: &[PathBuf], destination: Option<&Path>) -> Vec<Rule> {
    let layout = &context.layout;
    let own = layout.never_saved().into_iter().map(|path| (path, Source::Own));
    let named = |private: &&PathBuf| {
        let private = real(private);
        paths.iter().any(|path| real(path).starts_with(&private))
    };
    let private = layout.private.iter().filter(|path| !named(path));
    let private = private.map(|path| (path.clone(), Source::Private));
    let destination = destination.map(|path| (path.to_owned(), Source::Destination));
    let all = own.chain(private).chain(destination);
    all.flat_map(|(path, source)| {
        names_of(&path, paths).into_iter().map(move |pattern| Rule {
            pattern,
            source: source.clone(),
        })
    })
    .collect()
}

fn dedup(rules: &mut Vec<Rule>) {
    let mut seen = HashSet::new();
    rules.retain(|rule| seen.insert(rule.pattern.clone()));
}

fn refuse_inside(paths: &[PathBuf], destination: &Path) -> Result<()> {
    match inside(paths, destination) {
        None => Ok(()),
        Some(include) => Err(Error::InsideDestination {
            include: include.clone(),
            destination: destination.to_owned(),
        }),
    }
}

/// The first of the paths that lies in the destination.
pub(crate) fn inside<'a>(paths: &'a [PathBuf], destination: &Path) -> Option<&'a PathBuf> {
    let destination = real(destination);
    paths.iter().find(|path| real(path).starts_with(&destination))
}

/// The lines that no run could use, and why.
pub(crate) fn unusable(rules: &Rules) -> Vec<(Source, Error)> {
    let relative = rules
        .includes
        .iter()
        .filter_map(|rule| Some((rule.source.clone(), relative(rule)?)));
    let all = rules.includes.iter().chain(&rules.excludes);
    let wrong = all.filter_map(|rule| {
        let error = pattern::Matcher::compile(std::slice::from_ref(&rule.pattern)).err()?;
        let reason = format!("{}: {error}", rule.source);
        Some((rule.source.clone(), Error::Usage(reason)))
    });
    relative.chain(wrong).collect()
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
pub(crate) fn plain(include: &[u8]) -> Option<PathBuf> {
    (!pattern::has_wildcards(include)).then(|| PathBuf::from(OsStr::from_bytes(include)))
}

pub(crate) fn may_exist(include: &[u8]) -> bool {
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

pub(crate) fn logs_included(context: &Context) -> Result<bool> {
    let record = context.configuration().read()?.record(b"backup-data");
    Ok(record.is_some_and(|record| record.get("IncludeLogs") == Some(b"enabled")))
}

#[cfg(test)]
mod tests;

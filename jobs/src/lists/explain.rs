//! Why a path is saved or left out, and all that would be saved.

use std::ffi::OsStr;
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use engine_api::Problem;
use fstree::pattern::Matcher;
use fstree::{Stat, Step, Walk, WalkOptions};

use super::{Rule, Rules, plain};
use crate::paths::real;

/// Answers for single paths by the rules of a job.
///
/// Wildcards of the includes are expanded once, when it is made, as a run does it when it begins.
pub struct Explainer {
    includes: Vec<(Rule, Matcher)>,
    excludes: Vec<(Rule, Matcher)>,
    exclude_caches: bool,
    /// What is saved with all below it, by its real path.
    found: Vec<PathBuf>,
}

/// What becomes of a path, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// As it was asked for.
    pub path: PathBuf,
    /// Where it really is, every symbolic link on the way followed.
    pub real: PathBuf,
    /// Whether there is anything.
    pub exists: bool,
    /// The answer.
    pub verdict: Verdict,
}

/// What becomes of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is saved, a folder with all below it that no exclude leaves out.
    Saved {
        /// The include that says so, where one line does.
        by: Option<Rule>,
    },
    /// The folder itself is saved, with only what leads to this include.
    Way {
        /// The path that it leads to.
        to: PathBuf,
    },
    /// An include covers it, and an exclude leaves it out.
    LeftOut {
        /// The exclude.
        by: Rule,
        /// What the exclude matches: the path itself, or a folder above it.
        at: PathBuf,
    },
    /// It lies in a folder that is marked as a cache.
    Cache {
        /// The folder.
        folder: PathBuf,
    },
    /// No include covers it.
    NotIncluded,
}

impl Verdict {
    /// Whether the path itself is in the backup.
    #[must_use]
    pub const fn is_saved(&self) -> bool {
        matches!(self, Self::Saved { .. } | Self::Way { .. })
    }
}

impl Explainer {
    /// Makes one of a job's rules.
    ///
    /// # Errors
    /// When there is no include, or a line cannot be used.
    pub fn new(rules: Rules) -> engine_api::Result<Self> {
        let selection = rules.selection();
        let found = Walk::new(&selection, WalkOptions { threads: 0 })?.includes().to_vec();
        let compiled = |rules: Vec<Rule>| {
            let one = |rule: Rule| Matcher::compile(std::slice::from_ref(&rule.pattern)).map(|matcher| (rule, matcher));
            rules.into_iter().map(one).collect::<Result<Vec<_>, fstree::Error>>()
        };
        Ok(Self {
            includes: compiled(rules.includes)?,
            excludes: compiled(rules.excludes)?,
            exclude_caches: selection.exclude_caches,
            found,
        })
    }

    /// What becomes of an absolute path.
    #[must_use]
    pub fn explain(&self, path: &Path) -> Explanation {
        let really = in_real_folder(path);
        let stat = fs::symlink_metadata(&really);
        let is_dir = stat.as_ref().is_ok_and(fs::Metadata::is_dir);
        let verdict = self.verdict(path, &really, is_dir);
        Explanation {
            path: path.to_owned(),
            exists: stat.is_ok(),
            real: really,
            verdict,
        }
    }

    fn verdict(&self, path: &Path, really: &Path, is_dir: bool) -> Verdict {
        let by = self.include_of(path, really, is_dir);
        let included = self.found.iter().filter(|found| really.starts_with(found));
        let included = included.max_by_key(|found| found.as_os_str().len());
        let excluded = self
            .excludes
            .iter()
            .find(|(_, matcher)| matcher.covers(bytes(really), is_dir));
        if let Some((exclude, matcher)) = excluded {
            return if by.is_some() || included.is_some() {
                Verdict::LeftOut {
                    by: exclude.clone(),
                    at: matched(matcher, really, is_dir),
                }
            } else {
                Verdict::NotIncluded
            };
        }
        if let Some(included) = included {
            return match self.cache_above(included, really) {
                Some(folder) => Verdict::Cache { folder },
                None => Verdict::Saved { by: by.cloned() },
            };
        }
        match self.found.iter().find(|found| found.starts_with(really)) {
            Some(found) => Verdict::Way { to: found.clone() },
            None => Verdict::NotIncluded,
        }
    }

    /// The first include that covers the path, as it is written or as it really is.
    fn include_of(&self, path: &Path, really: &Path, is_dir: bool) -> Option<&Rule> {
        let covers = |(rule, matcher): &&(Rule, Matcher)| {
            let named = plain(&rule.pattern);
            let behind_link = named.as_ref().is_some_and(|include| {
                let target = if rule.pattern.ends_with(b"/") {
                    real(include)
                } else {
                    in_real_folder(include)
                };
                really.starts_with(target)
            });
            // A symbolic link on the way to an include is saved with it.
            let on_the_way = || named.as_ref().is_some_and(|include| include.starts_with(path)) && really.is_symlink();
            matcher.covers(bytes(really), is_dir) || matcher.covers(bytes(path), is_dir) || behind_link || on_the_way()
        };
        self.includes.iter().find(covers).map(|(rule, _)| rule)
    }

    /// The topmost folder between an include and the path that is marked as a cache, and leaves the path out by that.
    fn cache_above(&self, included: &Path, really: &Path) -> Option<PathBuf> {
        if !self.exclude_caches {
            return None;
        }
        let above: Vec<&Path> = really
            .ancestors()
            .skip(1)
            .take_while(|folder| folder.starts_with(included))
            .collect();
        let mut below = really.strip_prefix(included).ok()?.components();
        for folder in above.into_iter().rev() {
            let child = folder.join(below.next()?);
            let tag = child == really && really.file_name() == Some(OsStr::new("CACHEDIR.TAG"));
            let promised = tag || self.found.iter().any(|found| found.starts_with(&child));
            if !promised && fstree::is_cache_folder(folder).unwrap_or(false) {
                return Some(folder.to_owned());
            }
        }
        None
    }
}

/// One entry of a preview.
#[derive(Debug)]
pub enum Preview<'a> {
    /// It would be saved.
    Entry {
        /// Its path.
        path: &'a Path,
        /// What it is.
        stat: &'a Stat,
    },
    /// Worth saying: an include that is not there, a folder left out as a cache.
    Notice(&'a str),
    /// It could not be looked at.
    Problem(&'a Problem),
}

/// Tells `visit` all that a run would save now, in the order in which it would, until it breaks.
///
/// # Errors
/// When there is no include, or a line cannot be used.
pub fn preview(rules: &Rules, visit: &mut dyn FnMut(Preview<'_>) -> ControlFlow<()>) -> engine_api::Result<()> {
    for step in Walk::new(&rules.selection(), WalkOptions::default())? {
        let flow = match &step {
            Step::Enter(found) | Step::Item(found) => visit(Preview::Entry {
                path: found.path(),
                stat: found.stat(),
            }),
            Step::Leave => ControlFlow::Continue(()),
            Step::Notice(text) => visit(Preview::Notice(text)),
            Step::Problem(problem) => visit(Preview::Problem(problem)),
        };
        if flow.is_break() {
            break;
        }
    }
    Ok(())
}

/// The path with every symbolic link but its own followed, as a walk meets it.
fn in_real_folder(path: &Path) -> PathBuf {
    match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) => real(folder).join(name),
        _ => path.to_owned(),
    }
}

/// The path, or the folder above it, that the pattern matches.
fn matched(matcher: &Matcher, path: &Path, is_dir: bool) -> PathBuf {
    let above: Vec<&Path> = path.ancestors().skip(1).collect();
    let folder = above
        .into_iter()
        .rev()
        .find(|folder| matcher.matches(bytes(folder), true));
    let here = || matcher.matches(bytes(path), is_dir).then_some(path);
    folder.or_else(here).unwrap_or(path).to_owned()
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

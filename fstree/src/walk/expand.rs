//! From the includes as they are written to the paths they mean.

use std::collections::VecDeque;
use std::ffi::{CStr, CString};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::{AtFlags, readlinkat, statat};

use super::Step;
use super::plan::Node;
use super::scope::Rules;
use crate::dir::{Dir, read_names};
use crate::pattern::{Matcher, has_wildcards};
use crate::{Error, Stat};

/// As many symbolic links as the kernel follows in one path.
const MOST_LINKS: u32 = 40;

/// What the includes mean.
pub(super) struct Expanded {
    pub(super) plan: Arc<Node>,
    pub(super) found: Vec<PathBuf>,
    pub(super) steps: Vec<Step>,
}

pub(super) fn expand(includes: &[Vec<u8>], root: &Arc<Dir>, rules: &Rules) -> Result<Expanded, Error> {
    if includes.is_empty() {
        return Err(Error::NoIncludes);
    }
    let expanded = Expanded {
        plan: Arc::default(),
        found: Vec::new(),
        steps: Vec::new(),
    };
    let mut expander = Expander {
        root,
        rules,
        expanded,
        links: 0,
    };
    for include in includes {
        expander.add(include)?;
    }
    let mut expanded = expander.expanded;
    expanded.found.sort_unstable();
    expanded.found.dedup();
    Ok(expanded)
}

struct Expander<'a> {
    root: &'a Arc<Dir>,
    rules: &'a Rules,
    expanded: Expanded,
    /// Symbolic links followed for the current include.
    links: u32,
}

/// The rest of an include: its components, and whether the last must be a folder.
#[derive(Clone)]
struct Rest {
    components: VecDeque<Vec<u8>>,
    only_folder: bool,
}

impl Expander<'_> {
    fn add(&mut self, include: &[u8]) -> Result<(), Error> {
        let rest = parse(include)?;
        self.links = 0;
        if self.descend(Arc::clone(self.root), rest)? == 0 {
            let text = format!("nothing matches the include {}", String::from_utf8_lossy(include));
            self.expanded.steps.push(Step::Notice(text));
        }
        Ok(())
    }

    /// Finds what `rest` means from `dir` on; says how many entries that is, counting those that cannot be reached.
    fn descend(&mut self, mut dir: Arc<Dir>, mut rest: Rest) -> Result<usize, Error> {
        while let Some(component) = rest.components.pop_front() {
            if component == b".." {
                dir = Arc::clone(dir.parent().unwrap_or(self.root));
                continue;
            }
            if component.windows(2).any(|pair| pair == b"**") {
                rest.components.push_front(component);
                return self.search(&dir, &rest);
            }
            if has_wildcards(&component) {
                return self.match_each(&dir, &component, &rest);
            }
            let Ok(name) = CString::new(component) else {
                return Ok(0);
            };
            match self.step(&dir, &name, &mut rest) {
                Ok(Next::Into(next)) => dir = next,
                Ok(Next::Found) => return Ok(1),
                Ok(Next::Nothing) => return Ok(0),
                Err(error) => return Ok(self.failed(dir.path_of(&name), &error)),
            }
        }
        self.mark(&dir, None, true);
        Ok(1)
    }

    /// Looks at the entry `name` of `dir`, with `rest` still to come after it.
    fn step(&mut self, dir: &Arc<Dir>, name: &CStr, rest: &mut Rest) -> io::Result<Next> {
        let fd = match dir.fd() {
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(Next::Nothing),
            other => other?,
        };
        let stat = match statat(&fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Stat::from(stat),
            Err(rustix::io::Errno::NOENT) => return Ok(Next::Nothing),
            Err(error) => return Err(error.into()),
        };
        let last = rest.components.is_empty();
        match stat.kind {
            engine_api::EntryKind::Dir if !last => Ok(Next::Into(dir.child(name))),
            engine_api::EntryKind::Symlink if !last || rest.only_folder => self.follow(dir, name, rest),
            _ if last && (stat.is_dir() || !rest.only_folder) => {
                self.mark(dir, Some(name), stat.is_dir());
                if stat.kind == engine_api::EntryKind::Symlink {
                    self.say(dir, name, "a symbolic link; the link is saved, not what it points to");
                }
                Ok(Next::Found)
            }
            _ => Ok(Next::Nothing),
        }
    }

    /// An include that lies behind a symbolic link means the link and what is behind it, each where it really is.
    fn follow(&mut self, dir: &Arc<Dir>, name: &CStr, rest: &mut Rest) -> io::Result<Next> {
        self.links += 1;
        if self.links > MOST_LINKS {
            return Err(rustix::io::Errno::LOOP.into());
        }
        let target = readlinkat(dir.fd()?, name, Vec::new())?.into_bytes();
        self.mark(dir, Some(name), false);
        self.say(
            dir,
            name,
            "a symbolic link on the way to an include; the link and what is behind it are saved",
        );
        let mut components: VecDeque<Vec<u8>> = target
            .split(|&byte| byte == b'/')
            .filter(|component| !matches!(*component, b"" | b"."))
            .map(crate::pattern::literal)
            .collect();
        components.append(&mut rest.components);
        rest.components = components;
        Ok(Next::Into(Arc::clone(if target.starts_with(b"/") {
            self.root
        } else {
            dir
        })))
    }

    /// Goes on with every entry of `dir` that `component` matches.
    fn match_each(&mut self, dir: &Arc<Dir>, component: &[u8], rest: &Rest) -> Result<usize, Error> {
        let mut scanner = Matcher::compile(&[[b"/", component].concat()])?.scanner();
        let start = scanner.start();
        let names = match dir.fd().and_then(|fd| read_names(&fd)) {
            Ok(names) => names,
            Err(error) => return Ok(self.failed(dir.path(), &error)),
        };
        let mut found = 0;
        for name in names {
            if !scanner.entry(&start, name.to_bytes()).any {
                continue;
            }
            let mut rest = rest.clone();
            found += match self.step(dir, &name, &mut rest) {
                Ok(Next::Into(next)) => self.descend(next, rest)?,
                Ok(Next::Found) => 1,
                Ok(Next::Nothing) => 0,
                Err(error) => self.failed(dir.path_of(&name), &error),
            };
        }
        Ok(found)
    }

    /// Finds what a pattern with `**` matches below `top`. Folders that are excluded anyway are not searched.
    fn search(&mut self, top: &Arc<Dir>, rest: &Rest) -> Result<usize, Error> {
        let mut pattern = Vec::new();
        rest.components
            .iter()
            .for_each(|component| super::append(&mut pattern, component));
        if rest.only_folder {
            pattern.push(b'/');
        }
        let mut scanner = Matcher::compile(&[[b"/", pattern.as_slice()].concat()])?.scanner();
        let mut found = 0;
        let mut open = vec![(Arc::clone(top), scanner.start())];
        while let Some((dir, place)) = open.pop() {
            let entries = match dir.fd().and_then(|fd| Ok((read_names(&fd)?, fd))) {
                Ok(entries) => entries,
                Err(error) => {
                    found += self.failed(dir.path(), &error);
                    continue;
                }
            };
            for name in entries.0 {
                let Ok(stat) = statat(&entries.1, &name, AtFlags::SYMLINK_NOFOLLOW) else {
                    continue;
                };
                let is_dir = Stat::from(stat).is_dir();
                let verdict = scanner.entry(&place, name.to_bytes());
                if verdict.applies_to(is_dir) {
                    self.mark(&dir, Some(&name), is_dir);
                    found += 1;
                } else if is_dir && !verdict.dead && !self.is_excluded(&dir, Some(&name), true) {
                    open.push((dir.child(&name), scanner.enter(&place, name.to_bytes())));
                }
            }
        }
        Ok(found)
    }

    /// Notes that the entry `name` of `dir`, or `dir` itself, is wanted with all below it.
    fn mark(&mut self, dir: &Dir, name: Option<&CStr>, is_dir: bool) {
        let path = name.map_or_else(|| dir.path(), |name| dir.path_of(name));
        if self.is_excluded(dir, name, is_dir) {
            let text = format!("{}: an include, but an exclude leaves it out", path.display());
            self.expanded.steps.push(Step::Notice(text));
            return;
        }
        let mut names: Vec<&CStr> = name.into_iter().collect();
        let mut at = dir;
        while let Some(parent) = at.parent() {
            names.push(at.name());
            at = parent;
        }
        self.expanded.plan.add(names.into_iter().rev());
        self.expanded.found.push(path);
    }

    fn is_excluded(&self, dir: &Dir, name: Option<&CStr>, is_dir: bool) -> bool {
        self.rules.excludes.as_ref().is_some_and(|excludes| {
            let path = name.map_or_else(|| dir.path(), |name| dir.path_of(name));
            excludes.covers(path.as_os_str().as_encoded_bytes(), is_dir)
        })
    }

    fn say(&mut self, dir: &Dir, name: &CStr, text: &str) {
        let text = format!("{}: {text}", dir.path_of(name).display());
        self.expanded.steps.push(Step::Notice(text));
    }

    /// Reports what could not be reached; it counts as found, so that nobody is told that there is nothing.
    fn failed(&mut self, path: PathBuf, error: &io::Error) -> usize {
        self.expanded
            .steps
            .push(Step::Problem(super::problem(path, "look for an include at", error)));
        1
    }
}

/// What an entry on the way to an include means.
enum Next {
    Into(Arc<Dir>),
    Found,
    Nothing,
}

fn parse(include: &[u8]) -> Result<Rest, Error> {
    let refuse = |reason| Error::Include {
        include: String::from_utf8_lossy(include).into_owned(),
        reason,
    };
    if !include.starts_with(b"/") {
        return Err(refuse("it is not absolute"));
    }
    if include.contains(&0) {
        return Err(refuse("it holds a NUL byte, which no name can hold"));
    }
    let components: VecDeque<Vec<u8>> = include
        .split(|&byte| byte == b'/')
        .filter(|component| !matches!(*component, b"" | b"."))
        .map(<[u8]>::to_vec)
        .collect();
    if components.iter().any(|component| component == b"..") {
        return Err(refuse("it goes up by `..`"));
    }
    Ok(Rest {
        components,
        only_folder: include.ends_with(b"/"),
    })
}

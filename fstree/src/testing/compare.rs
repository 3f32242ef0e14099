//! What differs between two trees.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use engine_api::{EntryKind, Metadata, Selection};

use crate::pattern::literal;
use crate::{Found, Names, Step, Walk, WalkOptions};

/// What [`compare`] looks at beside everything that a restore must bring back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CompareOptions {
    /// Access times.
    pub atime: bool,
    /// Whether the second tree's files take much more room than the first's.
    pub holes: bool,
    /// Sockets, which no engine restores.
    pub sockets: bool,
}

/// Walks two trees and says every difference below their roots: entries, kinds, modes, owners, modification times,
/// sizes, contents, link targets, devices, extended attributes, and which files are one.
///
/// # Errors
/// When a tree cannot be walked.
pub fn compare(first: &Path, second: &Path, options: CompareOptions) -> io::Result<Vec<String>> {
    let mut comparison = Comparison {
        options,
        names: Names::new(),
        differences: Vec::new(),
    };
    let (a, b) = (comparison.entries(first)?, comparison.entries(second)?);
    let (mut a, mut b) = (a.into_iter().peekable(), b.into_iter().peekable());
    let mut links = Links::default();
    loop {
        let order = match (a.peek(), b.peek()) {
            (Some((a, _)), Some((b, _))) => a.cmp(b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => break,
        };
        let of_first = if order.is_le() { a.next() } else { None };
        let of_second = if order.is_ge() { b.next() } else { None };
        match (of_first, of_second) {
            (Some((path, a)), Some((_, b))) => {
                links.note(&path, &a, &b);
                comparison.pair(&path, &a, &b);
            }
            (Some((path, _)), None) => comparison.say(&path, "only in the first"),
            (None, Some((path, _))) => comparison.say(&path, "only in the second"),
            (None, None) => {}
        }
    }
    comparison.differences.extend(links.differences);
    Ok(comparison.differences)
}

struct Comparison {
    options: CompareOptions,
    names: Names,
    differences: Vec<String>,
}

impl Comparison {
    fn say(&mut self, path: &Path, text: &str) {
        self.differences.push(format!("{}: {text}", path.display()));
    }

    /// Everything below `root`, by its path there.
    fn entries(&mut self, root: &Path) -> io::Result<Vec<(PathBuf, Found)>> {
        let root = root.canonicalize()?;
        let selection = Selection {
            includes: vec![literal(root.as_os_str().as_bytes())],
            ..Selection::default()
        };
        let mut entries = Vec::new();
        for step in Walk::new(&selection, WalkOptions { threads: 0 }).map_err(io::Error::other)? {
            let found = match step {
                Step::Enter(found) | Step::Item(found) => found,
                Step::Leave => continue,
                Step::Problem(problem) => {
                    self.say(&problem.path, &format!("cannot {}: {}", problem.action, problem.cause));
                    continue;
                }
                Step::Notice(text) => {
                    self.differences.push(text);
                    continue;
                }
            };
            let left_out = found.stat().kind == EntryKind::Socket && !self.options.sockets;
            match found.path().strip_prefix(&root) {
                Ok(path) if !path.as_os_str().is_empty() && !left_out => entries.push((path.to_owned(), found)),
                _ => {}
            }
        }
        Ok(entries)
    }

    fn pair(&mut self, path: &Path, a: &Found, b: &Found) {
        let (first, problems) = a.metadata(&self.names);
        let (second, more) = b.metadata(&self.names);
        for problem in problems.into_iter().chain(more) {
            self.say(path, &format!("cannot {}: {}", problem.action, problem.cause));
        }
        for (what, first, second) in self.properties(&first, &second) {
            if first != second {
                self.say(path, &format!("{what}: {first} and {second}"));
            }
        }
        if first.kind == EntryKind::File && second.kind == EntryKind::File {
            match contents_differ(a, b, self.options.holes) {
                Ok(None) => {}
                Ok(Some(text)) => self.say(path, &text),
                Err(error) => self.say(path, &format!("cannot read: {error}")),
            }
        }
    }

    fn properties(&self, a: &Metadata, b: &Metadata) -> Vec<(&'static str, String, String)> {
        let mut properties = vec![
            ("kind", format!("{:?}", a.kind), format!("{:?}", b.kind)),
            ("mode", format!("{:04o}", a.mode), format!("{:04o}", b.mode)),
            ("owner", a.uid.to_string(), b.uid.to_string()),
            ("group", a.gid.to_string(), b.gid.to_string()),
            ("mtime", format!("{:?}", a.mtime), format!("{:?}", b.mtime)),
            ("size", a.size.to_string(), b.size.to_string()),
            ("device", a.rdev.to_string(), b.rdev.to_string()),
            ("target", format!("{:?}", a.link_target), format!("{:?}", b.link_target)),
            ("attributes", format!("{:?}", a.xattrs), format!("{:?}", b.xattrs)),
        ];
        if self.options.atime {
            properties.push(("atime", format!("{:?}", a.atime), format!("{:?}", b.atime)));
        }
        properties
    }
}

/// Which entries are one, told by the first path that names them.
#[derive(Default)]
struct Links {
    first: HashMap<(u64, u64), PathBuf>,
    second: HashMap<(u64, u64), PathBuf>,
    differences: Vec<String>,
}

impl Links {
    fn note(&mut self, path: &Path, a: &Found, b: &Found) {
        let key = |found: &Found| (found.stat().device, found.stat().inode);
        let one = self.first.entry(key(a)).or_insert_with(|| path.to_owned());
        let other = self.second.entry(key(b)).or_insert_with(|| path.to_owned());
        if one != other {
            let text = format!(
                "{}: one with {} and with {}",
                path.display(),
                one.display(),
                other.display()
            );
            self.differences.push(text);
        }
    }
}

fn contents_differ(a: &Found, b: &Found, holes: bool) -> io::Result<Option<String>> {
    let open = |found: &Found| found.open().map_err(|problem| io::Error::other(problem.cause));
    let ((mut a, _), (mut b, _)) = (open(a)?, open(b)?);
    let mut offset = 0_u64;
    loop {
        let (first, second) = (piece(&mut a)?, piece(&mut b)?);
        if first != second {
            let same = first.iter().zip(&second).take_while(|(a, b)| a == b).count();
            return Ok(Some(format!("content: differs from byte {}", offset + same as u64)));
        }
        if first.is_empty() {
            break;
        }
        offset += first.len() as u64;
    }
    let (first, second) = (a.metadata()?.blocks() * 512, b.metadata()?.blocks() * 512);
    let slack = 64 * 1024;
    Ok((holes && second > first + slack).then(|| format!("holes: takes {first} and {second} bytes")))
}

fn piece(file: &mut File) -> io::Result<Vec<u8>> {
    let mut piece = Vec::with_capacity(1 << 16);
    file.take(1 << 16).read_to_end(&mut piece)?;
    Ok(piece)
}

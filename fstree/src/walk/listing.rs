//! What one folder holds: all its names at once, what is behind them in batches.

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{AtFlags, statat};
use rustix::io::Errno;

use super::Step;
use super::scope::{Rules, Scope};
use crate::Stat;
use crate::dir::{Dir, each_name};
use crate::pattern::Scanner;

/// How many entries are looked at in one go.
pub(super) const BATCH: usize = 1024;

/// What a thread needs to read folders, used over and over.
pub(super) struct Reader {
    pub(super) scanner: Option<Scanner>,
    buffer: Box<[MaybeUninit<u8>]>,
}

impl Reader {
    pub(super) fn new(rules: &Rules) -> Self {
        let scanner = rules.excludes.as_ref().map(crate::pattern::Matcher::scanner);
        Self {
            scanner,
            buffer: vec![MaybeUninit::uninit(); 1 << 16].into_boxed_slice(),
        }
    }

    /// Hands over every name in the folder but `.` and `..`, in the order of the filesystem.
    pub(super) fn names(&mut self, fd: &OwnedFd, each: &mut dyn FnMut(&CStr)) -> io::Result<()> {
        each_name(fd, &mut self.buffer, each)
    }
}

/// The names in a folder, sorted by bytes, in one piece of memory: 9 bytes per name and its length.
#[derive(Debug, Default)]
pub(super) struct NameTable {
    bytes: Vec<u8>,
    names: Vec<Name>,
}

#[derive(Debug, Clone, Copy)]
struct Name {
    at: u32,
    len: u16,
    /// An exclude matches it if it is a folder.
    not_as_folder: bool,
}

impl NameTable {
    pub(super) fn push(&mut self, name: &CStr, not_as_folder: bool) -> io::Result<()> {
        let with_nul = name.to_bytes_with_nul();
        let (Ok(at), Ok(len)) = (u32::try_from(self.bytes.len()), u16::try_from(with_nul.len())) else {
            return Err(io::Error::other("its names take more than 4 GiB"));
        };
        self.bytes.extend_from_slice(with_nul);
        self.names.push(Name { at, len, not_as_folder });
        Ok(())
    }

    pub(super) fn sort(&mut self) {
        let Self { bytes, names } = self;
        names.sort_unstable_by(|a, b| a.bytes(bytes).cmp(b.bytes(bytes)));
        bytes.shrink_to_fit();
        names.shrink_to_fit();
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    pub(super) fn batches(&self) -> usize {
        self.names.len().div_ceil(BATCH)
    }

    pub(super) fn batch(&self, number: usize) -> Range<usize> {
        let start = number.saturating_mul(BATCH).min(self.len());
        start..(start + BATCH).min(self.len())
    }

    pub(super) fn name(&self, index: usize) -> &CStr {
        let with_nul = self.names.get(index).map_or(&[][..], |name| name.bytes(&self.bytes));
        CStr::from_bytes_with_nul(with_nul).unwrap_or_default()
    }
}

impl Name {
    /// With its NUL, which sorts before every other byte and so does not disturb the order.
    fn bytes(self, bytes: &[u8]) -> &[u8] {
        let at = self.at as usize;
        bytes.get(at..at + usize::from(self.len)).unwrap_or_default()
    }
}

/// What is behind one name, or something to say in its stead.
#[derive(Debug)]
pub(super) enum Row {
    Entry(u32, Stat),
    Message(Box<Step>),
}

/// A folder that was read: its names, the first batch of what is behind them, and what is to be said about it.
pub(super) struct Listing {
    pub(super) dir: Arc<Dir>,
    pub(super) scope: Arc<Scope>,
    pub(super) names: Arc<NameTable>,
    pub(super) first: Vec<Row>,
    pub(super) messages: Vec<Step>,
}

/// Reads the names of a folder and its first batch.
pub(super) fn read(dir: Arc<Dir>, scope: Scope, rules: &Rules, reader: &mut Reader) -> Listing {
    let mut messages = Vec::new();
    let mut first = Vec::new();
    let mut names = NameTable::default();
    let outcome = dir.fd().and_then(|fd| {
        names = scope.names(&dir, &fd, rules, reader, &mut messages)?;
        first = stat_batch(&dir, &fd, &scope, &names, 0);
        Ok(())
    });
    match outcome {
        Ok(()) => {}
        // It was there a moment ago and is gone: nothing in it was promised to anybody.
        Err(error) if error.kind() == io::ErrorKind::NotFound && !scope.is_promised() => {}
        Err(error) => messages.push(Step::Problem(super::problem(dir.path(), "list", &error))),
    }
    Listing {
        dir,
        scope: Arc::new(scope),
        names: Arc::new(names),
        first,
        messages,
    }
}

/// Looks at one batch of a folder's names.
pub(super) fn stat(dir: &Dir, scope: &Scope, names: &NameTable, batch: usize) -> Vec<Row> {
    match dir.fd() {
        Ok(fd) => stat_batch(dir, &fd, scope, names, batch),
        Err(error) => {
            let problem = super::problem(dir.path(), "list", &error);
            vec![Row::Message(Box::new(Step::Problem(problem)))]
        }
    }
}

fn stat_batch(dir: &Dir, fd: &OwnedFd, scope: &Scope, names: &NameTable, batch: usize) -> Vec<Row> {
    let range = names.batch(batch);
    let mut rows = Vec::with_capacity(range.len());
    for index in range {
        let name = names.name(index);
        let row = match statat(fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => {
                let stat = Stat::from(stat);
                let not_as_folder = names.names.get(index).is_some_and(|name| name.not_as_folder);
                if stat.is_dir() && not_as_folder {
                    continue;
                }
                scope
                    .foreign(dir, name, &stat)
                    .map_or_else(|| entry(index, stat), message)
            }
            Err(Errno::NOENT) if !scope.promises(name) => continue,
            Err(Errno::NOENT) => message(Step::Notice(format!(
                "the include {} has vanished",
                dir.path_of(name).display()
            ))),
            Err(error) => message(Step::Problem(super::problem(
                dir.path_of(name),
                "look at",
                &error.into(),
            ))),
        };
        rows.push(row);
    }
    rows
}

fn entry(index: usize, stat: Stat) -> Row {
    Row::Entry(u32::try_from(index).unwrap_or(u32::MAX), stat)
}

fn message(step: Step) -> Row {
    Row::Message(Box::new(step))
}

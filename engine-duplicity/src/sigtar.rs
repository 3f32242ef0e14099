//! The state of the tree after some sets: the merge of their signature files.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use crate::container::{Unwrapped, buffered, gunzip};
use crate::error::{Error, Result};
use crate::format::TreePath;
use crate::source::{PartKind, PartName};
use crate::tar::{Header, TarReader, pad, write_header};

/// Signature files that are open at once.
const MOST_OPEN: usize = 48;
/// Up to so many are read by whole members.
pub const FEW: usize = 8;
/// Bytes that are written at once.
const BUFFER: usize = 64 << 10;

/// What the signature files say of a path.
#[derive(Debug)]
pub struct Old {
    /// Which path.
    pub path: TreePath,
    /// Its metadata; the size is that of the signature.
    pub header: Header,
    /// The file that says it, counted from the oldest.
    pub source: usize,
}

/// Hands over the state path by path, in order; of several files that name a path the newest one counts.
pub struct State<'a> {
    sources: Vec<Source<'a>>,
    heads: BinaryHeap<Reverse<(TreePath, Reverse<usize>)>>,
    /// Sources whose next entry is not among the heads yet.
    behind: Vec<usize>,
}

struct Source<'a> {
    name: String,
    tar: TarReader<Unwrapped<'a>>,
    head: Option<(TreePath, PartKind, Header)>,
    last: Option<TreePath>,
}

impl<'a> State<'a> {
    /// Of signature files, oldest first, each with a name for messages and its content out of its container.
    pub fn new(files: Vec<(String, Unwrapped<'a>)>) -> Self {
        let source = |(name, content)| Source {
            name,
            tar: TarReader::new(content),
            head: None,
            last: None,
        };
        let sources: Vec<_> = files.into_iter().map(source).collect();
        Self {
            behind: (0..sources.len()).collect(),
            sources,
            heads: BinaryHeap::new(),
        }
    }

    /// Of gzipped files of this machine, oldest first. Where there are very many, runs of them are merged in temporary
    /// files first, so that not all need to be open at once.
    pub fn of_files(paths: &[PathBuf], temp: &Path) -> Result<State<'static>> {
        let open = |path: &PathBuf| -> Result<(String, Unwrapped<'static>)> {
            let file = File::open(path).map_err(Error::local("open", path))?;
            Ok((file_name(path), gunzip(file, paths.len() <= FEW)))
        };
        if paths.len() <= MOST_OPEN {
            return Ok(State::new(paths.iter().map(open).collect::<Result<_>>()?));
        }
        let merge = |run: &[PathBuf]| -> Result<(String, Unwrapped<'static>)> {
            let files = run.iter().map(open).collect::<Result<_>>()?;
            let merged = State::new(files).merged(temp)?;
            Ok(("merged signature files".to_owned(), buffered(merged)))
        };
        let run = paths.len().div_ceil(MOST_OPEN).max(MOST_OPEN);
        Ok(State::new(paths.chunks(run).map(merge).collect::<Result<_>>()?))
    }

    /// The whole merge, with what is gone, as one signature file.
    fn merged(mut self, temp: &Path) -> Result<File> {
        let file = tempfile::tempfile_in(temp).map_err(Error::local("make a file in", temp))?;
        let mut out = BufWriter::with_capacity(BUFFER, file);
        let mut entry = Vec::new();
        while let Some((old, _)) = self.next_of_any()? {
            entry.clear();
            write_header(&mut entry, &old.header);
            entry.extend_from_slice(&self.signature(&old, u64::MAX)?);
            pad(&mut entry, old.header.size);
            out.write_all(&entry).map_err(Error::local("write to", temp))?;
        }
        let mut file = out
            .into_inner()
            .map_err(|error| Error::local("write to", temp)(error.into_error()))?;
        file.rewind().map_err(Error::local("read in", temp))?;
        Ok(file)
    }

    /// The next path that exists in the state.
    pub fn next(&mut self) -> Result<Option<Old>> {
        loop {
            match self.next_of_any()? {
                Some((_, PartKind::Deleted)) => {}
                other => return Ok(other.map(|(old, _)| old)),
            }
        }
    }

    /// The next path that is named, and what is said of it.
    pub fn next_of_any(&mut self) -> Result<Option<(Old, PartKind)>> {
        self.go_on()?;
        let newest = self.behind.first().copied();
        Ok(newest.and_then(|newest| self.take(newest)))
    }

    /// All that is said of the next path that is named, oldest first; nothing at the end.
    pub fn next_of_all(&mut self) -> Result<Vec<(Old, PartKind)>> {
        self.go_on()?;
        let oldest_first: Vec<usize> = self.behind.iter().rev().copied().collect();
        Ok(oldest_first.into_iter().filter_map(|index| self.take(index)).collect())
    }

    /// Goes to the next path: whoever names it is `behind` then, the newest first.
    fn go_on(&mut self) -> Result<()> {
        for index in std::mem::take(&mut self.behind) {
            if let Some(source) = self.sources.get_mut(index)
                && let Some(path) = source.advance()?
            {
                self.heads.push(Reverse((path, Reverse(index))));
            }
        }
        let Some(Reverse((path, Reverse(newest)))) = self.heads.pop() else {
            return Ok(());
        };
        self.behind.push(newest);
        while let Some(Reverse((same, _))) = self.heads.peek()
            && *same == path
            && let Some(Reverse((_, Reverse(older)))) = self.heads.pop()
        {
            self.behind.push(older);
        }
        Ok(())
    }

    fn take(&mut self, source: usize) -> Option<(Old, PartKind)> {
        let (path, kind, header) = self.sources.get_mut(source)?.head.take()?;
        Some((Old { path, header, source }, kind))
    }

    /// The first `most` bytes of the signature of a path that came last; what is read is not there a second time.
    pub fn signature(&mut self, old: &Old, most: u64) -> Result<Vec<u8>> {
        let Some(source) = self.sources.get_mut(old.source) else {
            return Ok(Vec::new());
        };
        let length = usize::try_from(old.header.size.min(most)).unwrap_or(usize::MAX);
        let signature = source.tar.read(length);
        signature.map_err(|error| Error::damaged(source.name.clone(), error.to_string()))
    }
}

impl Source<'_> {
    /// Goes to the next entry and gives its path.
    fn advance(&mut self) -> Result<Option<TreePath>> {
        let wrong = |why: String| Error::damaged(self.name.clone(), why);
        let Some(header) = self.tar.next().map_err(|error| wrong(error.to_string()))? else {
            return Ok(None);
        };
        let name = PartName::in_signatures(&header.name).map_err(wrong)?;
        if self.last.as_ref().is_some_and(|last| *last >= name.path) {
            return Err(wrong(format!("`{}` is out of order", name.path)));
        }
        self.last = Some(name.path.clone());
        self.head = Some((name.path.clone(), name.kind, header));
        Ok(Some(name.path))
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;

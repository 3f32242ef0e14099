//! The state of the tree after some sets: the merge of their signature files.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use crate::error::{Error, Result};
use crate::format::TreePath;
use crate::source::{PartKind, PartName};
use crate::tar::{Header, TarReader};

/// What the signature files say of a path.
#[derive(Debug)]
pub struct Old {
    /// Which path.
    pub path: TreePath,
    /// Its metadata; the size is that of the signature.
    pub header: Header,
    source: usize,
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
    tar: TarReader<Box<dyn Read + Send + 'a>>,
    head: Option<(TreePath, PartKind, Header)>,
    last: Option<TreePath>,
}

impl<'a> State<'a> {
    /// Of signature files, oldest first, each with a name for messages and its content out of its container.
    pub fn new(files: Vec<(String, Box<dyn Read + Send + 'a>)>) -> Self {
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

    /// Of gzipped files of this machine, oldest first.
    pub fn of_files(paths: &[PathBuf]) -> Result<State<'static>> {
        let open = |path: &PathBuf| -> Result<(String, Box<dyn Read + Send>)> {
            let file = File::open(path).map_err(Error::local("open", path))?;
            let content = MultiGzDecoder::new(BufReader::with_capacity(64 << 10, file));
            Ok((file_name(path), Box::new(content)))
        };
        Ok(State::new(paths.iter().map(open).collect::<Result<_>>()?))
    }

    /// The next path that exists in the state.
    pub fn next(&mut self) -> Result<Option<Old>> {
        loop {
            for index in std::mem::take(&mut self.behind) {
                if let Some(source) = self.sources.get_mut(index)
                    && let Some(path) = source.advance()?
                {
                    self.heads.push(Reverse((path, Reverse(index))));
                }
            }
            let Some(Reverse((path, Reverse(newest)))) = self.heads.pop() else {
                return Ok(None);
            };
            self.behind.push(newest);
            while let Some(Reverse((same, _))) = self.heads.peek()
                && *same == path
                && let Some(Reverse((_, Reverse(older)))) = self.heads.pop()
            {
                self.behind.push(older);
            }
            let head = self.sources.get_mut(newest).and_then(|source| source.head.take());
            if let Some((path, kind, header)) = head
                && kind != PartKind::Deleted
            {
                return Ok(Some(Old {
                    path,
                    header,
                    source: newest,
                }));
            }
        }
    }

    /// The first `most` bytes of the signature of the path that came last; what is read is not there a second time.
    pub fn signature(&mut self, old: &Old, most: u64) -> Result<Vec<u8>> {
        let Some(source) = self.sources.get_mut(old.source) else {
            return Ok(Vec::new());
        };
        let length = usize::try_from(old.header.size.min(most)).unwrap_or(usize::MAX);
        let mut signature = Vec::new();
        let mut piece = [0; 4096];
        while signature.len() < length {
            let room = (length - signature.len()).min(piece.len());
            let read = source.tar.read(piece.get_mut(..room).unwrap_or_default());
            let read = read.map_err(|error| Error::damaged(source.name.clone(), error.to_string()))?;
            signature.extend_from_slice(piece.get(..read).unwrap_or_default());
            if read == 0 {
                break;
            }
        }
        Ok(signature)
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

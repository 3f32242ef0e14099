//! The content of one path, piece by piece.

use std::io::{self, Write};
use std::path::Path;

use rdiff::{Patched, ReadAt, Spool};

use super::State;
use crate::error::{Error, Result};
use crate::format::extras::Record;
use crate::source::{Feed, Piece};

/// Bytes of a file that is patched which are kept in memory.
const BASIS: usize = 8 << 20;
/// Bytes of all its deltas together that are.
const DELTAS: usize = 16 << 20;
/// Bytes of one piece.
const PIECE: usize = 256 << 10;

/// Hands over the content of a path.
pub(crate) enum Content<'m, 's, 'e> {
    /// Straight from the volumes.
    Stream(&'m mut Feed<'s, 'e>),
    /// From what the deltas make.
    Patched(Newest),
    /// It is lost: how.
    Lost(String),
    /// There is none.
    Nothing,
}

/// A file with all its deltas applied, made while it is read.
pub(crate) struct Newest {
    of: Box<dyn ReadAt>,
    size: u64,
    at: u64,
    /// The private records at the end of the newest delta.
    tail: Vec<Record>,
}

impl<'m, 's, 'e> Content<'m, 's, 'e> {
    pub(super) fn of(feeds: &'m mut [Feed<'s, 'e>], state: &State, temp: &Path) -> Result<Self> {
        Ok(match state {
            State::Bare | State::Gone => Self::Nothing,
            State::Lost(why) => Self::Lost(why.clone()),
            State::Whole(index) => feeds.get_mut(*index).map_or(Self::Nothing, Self::Stream),
            State::Patched(indices) => match patch(feeds, indices, temp)? {
                Ok(newest) => Self::Patched(newest),
                Err(why) => Self::Lost(why),
            },
        })
    }

    /// Its length, where that is known before it is read.
    pub(crate) const fn size(&self) -> Option<u64> {
        match self {
            Self::Patched(newest) => Some(newest.size),
            Self::Nothing => Some(0),
            Self::Stream(_) | Self::Lost(_) => None,
        }
    }

    /// Reads to the end for the length; `None` when it is lost.
    pub(crate) fn length(mut self) -> Result<Option<u64>> {
        let mut length = 0;
        loop {
            match self.piece()? {
                Piece::Data(data) => length += data.len() as u64,
                Piece::End => return Ok(Some(length)),
                Piece::Broken(_) => return Ok(None),
            }
        }
    }

    /// The private records that stand at the end of what is read to its end; empty where all stand at the beginning.
    pub(crate) fn tail(&self) -> Option<&[Record]> {
        match self {
            Self::Stream(feed) => Some(feed.tail()),
            Self::Patched(newest) => Some(&newest.tail),
            Self::Lost(_) | Self::Nothing => None,
        }
    }

    /// The next piece.
    pub(crate) fn piece(&mut self) -> Result<Piece> {
        match self {
            Self::Stream(feed) => feed.piece(),
            Self::Patched(newest) => newest.piece(),
            Self::Lost(why) => Ok(Piece::Broken(why.clone())),
            Self::Nothing => Ok(Piece::End),
        }
    }
}

impl Newest {
    fn piece(&mut self) -> Result<Piece> {
        let left = usize::try_from(self.size - self.at).unwrap_or(PIECE);
        let mut piece = vec![0; left.min(PIECE)];
        let mut filled = 0;
        while let Some(window) = piece.get_mut(filled..).filter(|window| !window.is_empty()) {
            let read = self.of.read_at(window, self.at).map_err(temporary("read"))?;
            if read == 0 {
                return Ok(Piece::Broken(
                    "what it is patched from is shorter than it was".to_owned(),
                ));
            }
            filled += read;
            self.at += read as u64;
        }
        Ok(if piece.is_empty() {
            Piece::End
        } else {
            Piece::Data(piece)
        })
    }
}

/// Puts the deltas on the first content; the inner error says how the file is lost.
fn patch(feeds: &mut [Feed<'_, '_>], indices: &[usize], temp: &Path) -> Result<Result<Newest, String>> {
    let each = (DELTAS / indices.len().max(1)).min(BASIS);
    let mut newest: Option<Box<dyn ReadAt>> = None;
    let mut tail = Vec::new();
    for index in indices {
        let Some(feed) = feeds.get_mut(*index) else { continue };
        let most = if newest.is_none() { BASIS } else { each };
        let data = match spool(feed, Spool::new(most, temp.to_owned()))? {
            Ok(data) => data,
            Err(why) => return Ok(Err(why)),
        };
        tail = feed.tail().to_vec();
        newest = Some(match newest {
            None => Box::new(data),
            Some(basis) => match Patched::open(basis, data) {
                Ok(patched) => Box::new(patched),
                Err(rdiff::Error::Read { source, .. }) => return Err(temporary("read")(source)),
                Err(error) => return Ok(Err(format!("its delta cannot be applied: {error}"))),
            },
        });
    }
    let of = newest.unwrap_or_else(|| Box::new(Vec::new()));
    let size = of.size().map_err(temporary("read"))?;
    Ok(Ok(Newest { of, size, at: 0, tail }))
}

fn spool(feed: &mut Feed<'_, '_>, mut spool: Spool) -> Result<Result<Spool, String>> {
    loop {
        match feed.piece()? {
            Piece::Data(data) => spool.write_all(&data).map_err(temporary("write"))?,
            Piece::End => return Ok(Ok(spool)),
            Piece::Broken(why) => return Ok(Err(why)),
        }
    }
}

fn temporary(action: &'static str) -> impl FnOnce(io::Error) -> Error {
    Error::local(action, "a temporary file")
}

//! Bringing a volume here, its hash checked.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use engine_api::{BlobStore, Event, Key};

use super::hash::Hasher;
use super::windows::{WINDOW, windows};
use super::{Source, VolumePlan};
use crate::error::{Error, Result};

/// What is asked for in pieces from this length on goes straight to who asked.
const LARGE: usize = 128 << 10;
/// Volumes up to this length are kept in memory.
const SMALL: u64 = 512 << 10;

/// A volume whose hash is right, ready to be read.
pub(crate) struct Fetched<'e> {
    place: Place<'e>,
    size: u64,
}

enum Place<'e> {
    Memory(Vec<u8>),
    /// A temporary file without a name.
    File(File),
    /// The storage itself, which is as near as a temporary file would be.
    Store(&'e dyn BlobStore, Key),
}

/// Fetches the volume and checks its hash.
pub(crate) fn fetch<'e>(source: Source<'e>, volume: &VolumePlan) -> Result<Fetched<'e>> {
    let Some(file) = &volume.file else {
        return Err(Error::Missing {
            object: format!("volume {}", volume.number),
        });
    };
    let mut keep = if file.size <= SMALL {
        Place::Memory(Vec::new())
    } else if source.blobs.capabilities().local {
        Place::Store(source.blobs, file.key.clone())
    } else {
        Place::File(temporary(source)?)
    };
    let mut hasher = Hasher::of(&volume.info);
    windows(source, &file.key, file.size, |at, window| {
        hasher.update(window);
        match &mut keep {
            Place::Memory(bytes) => bytes.extend_from_slice(window),
            Place::File(file) => file
                .write_all_at(window, at)
                .map_err(Error::local("write", "a temporary file"))?,
            Place::Store(..) => {}
        }
        Ok(())
    })?;
    if !hasher.matches() {
        return Err(Error::damaged(
            file.key.to_string(),
            "its hash is not the one in the manifest",
        ));
    }
    Ok(Fetched {
        place: keep,
        size: file.size,
    })
}

/// Whether the volume is what the manifest says, without keeping it; fails when it cannot be read.
pub(crate) fn hash_matches(source: Source<'_>, volume: &VolumePlan) -> Result<bool> {
    let Some(file) = &volume.file else { return Ok(false) };
    let mut hasher = Hasher::of(&volume.info);
    windows(source, &file.key, file.size, |_, window| {
        hasher.update(window);
        source.progress.event(Event::Advanced(window.len() as u64));
        Ok(())
    })?;
    Ok(hasher.matches())
}

fn temporary(source: Source<'_>) -> Result<File> {
    tempfile::tempfile_in(source.temp).map_err(Error::local("make a file in", source.temp))
}

impl<'e> Fetched<'e> {
    /// Its bytes as they are stored.
    pub(crate) fn reader(self) -> Box<dyn Read + Send + 'e> {
        match self.place {
            Place::Memory(bytes) => Box::new(io::Cursor::new(bytes)),
            place => Box::new(Windows {
                place,
                size: self.size,
                at: 0,
                window: Vec::new(),
                used: 0,
            }),
        }
    }
}

/// Reads a place window by window.
struct Windows<'e> {
    place: Place<'e>,
    size: u64,
    /// Where the next window begins.
    at: u64,
    window: Vec<u8>,
    used: usize,
}

impl Windows<'_> {
    fn refill(&mut self) -> io::Result<()> {
        let length = usize::try_from(self.size - self.at).unwrap_or(WINDOW).min(WINDOW);
        self.window.resize(length, 0);
        self.used = 0;
        self.place.read_at(&mut self.window, self.at)?;
        self.at += length as u64;
        Ok(())
    }

    /// Fills as much of the buffer as there is, without a window between.
    fn read_past_window(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = usize::try_from(self.size - self.at)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        self.place
            .read_at(buffer.get_mut(..length).unwrap_or_default(), self.at)?;
        self.at += length as u64;
        Ok(length)
    }
}

impl Place<'_> {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        match self {
            Self::Store(blobs, key) => blobs.get_range(key, at, buffer).map_err(io::Error::other),
            Self::File(file) => file.read_exact_at(buffer, at),
            Self::Memory(_) => Ok(()),
        }
    }
}

impl Read for Windows<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.used == self.window.len() && self.at < self.size {
            if buffer.len() >= LARGE {
                return self.read_past_window(buffer);
            }
            self.refill()?;
        }
        let mut rest = self.window.get(self.used..).unwrap_or_default();
        let read = rest.read(buffer)?;
        self.used += read;
        Ok(read)
    }
}

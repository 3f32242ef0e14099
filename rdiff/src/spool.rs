use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use crate::read_at::ReadAt;

/// Keeps what is written so that it can be read anywhere: in memory first, in a nameless file when it becomes long.
#[derive(Debug)]
pub struct Spool {
    memory: Vec<u8>,
    file: Option<File>,
    len: u64,
    most: usize,
    folder: PathBuf,
}

impl Spool {
    /// Keeps up to `most` bytes in memory, and more than that in a file in `folder`.
    #[must_use]
    pub const fn new(most: usize, folder: PathBuf) -> Self {
        Self {
            memory: Vec::new(),
            file: None,
            len: 0,
            most,
            folder,
        }
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.file.is_none() && bytes.len() > self.most.saturating_sub(self.memory.len()) {
            let mut file = tempfile::tempfile_in(&self.folder)?;
            file.write_all(&self.memory)?;
            self.memory = Vec::new();
            self.file = Some(file);
        }
        let written = match &mut self.file {
            Some(file) => file.write(bytes)?,
            None => self.memory.write(bytes)?,
        };
        self.len += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl ReadAt for Spool {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match &self.file {
            Some(file) => ReadAt::read_at(file, buffer, offset),
            None => self.memory.read_at(buffer, offset),
        }
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.len)
    }
}

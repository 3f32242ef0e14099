//! The signature file and the list of files while they grow, on this machine.

use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::format::ChangedFile;
use crate::tar::{Header, end_of_stream, pad, write_header};

/// How far both are, and what their bytes up to there hash to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Position {
    /// Bytes of the signature file.
    pub signatures: u64,
    /// SHA-256 of those.
    pub signatures_hash: [u8; 32],
    /// Bytes of the list of files.
    pub files: u64,
    /// SHA-256 of those.
    pub files_hash: [u8; 32],
    /// Lines of the list of files.
    pub file_count: u64,
}

/// Both, open for appending.
pub struct Spools {
    signatures: Spool,
    files: Spool,
    file_count: u64,
    buffer: Vec<u8>,
}

struct Spool {
    file: BufWriter<File>,
    path: PathBuf,
    len: u64,
    hash: Sha256,
}

impl Spools {
    /// On two empty files.
    pub fn new(signatures: (File, PathBuf), files: (File, PathBuf)) -> Self {
        Self {
            signatures: Spool::new(signatures),
            files: Spool::new(files),
            file_count: 0,
            buffer: Vec::new(),
        }
    }

    /// On two files whose content up to `position` is kept, if it is what it was then.
    pub fn resume(signatures: (File, PathBuf), files: (File, PathBuf), position: &Position) -> Result<Option<Self>> {
        let signatures = Spool::resume(signatures, position.signatures, position.signatures_hash)?;
        let files = Spool::resume(files, position.files, position.files_hash)?;
        Ok(signatures.zip(files).map(|(signatures, files)| Self {
            signatures,
            files,
            file_count: position.file_count,
            buffer: Vec::new(),
        }))
    }

    /// Adds an entry to the signature file.
    pub fn entry(&mut self, header: &Header, signature: &[u8]) -> Result<()> {
        self.buffer.clear();
        write_header(&mut self.buffer, header);
        self.buffer.extend_from_slice(signature);
        pad(&mut self.buffer, signature.len() as u64);
        self.signatures.write(&self.buffer)
    }

    /// Adds a line to the list of files.
    pub fn changed(&mut self, file: &ChangedFile) -> Result<()> {
        self.buffer.clear();
        file.write_to(&mut self.buffer);
        self.file_count += 1;
        self.files.write(&self.buffer)
    }

    /// Hands all that was added to the system.
    pub fn flush(&mut self) -> Result<()> {
        for spool in [&mut self.signatures, &mut self.files] {
            spool.file.flush().map_err(Error::local("write", &spool.path))?;
        }
        Ok(())
    }

    /// How far both are now.
    pub fn position(&self) -> Position {
        Position {
            signatures: self.signatures.len,
            signatures_hash: self.signatures.hash.clone().finalize().into(),
            files: self.files.len,
            files_hash: self.files.hash.clone().finalize().into(),
            file_count: self.file_count,
        }
    }

    /// Ends the signature file. Gives both files, to be read from their beginnings, and the number of lines in the list.
    pub fn finish(mut self) -> Result<(File, File, u64)> {
        let end = end_of_stream(self.signatures.len);
        self.signatures.write(&end)?;
        Ok((self.signatures.into_file()?, self.files.into_file()?, self.file_count))
    }
}

impl Spool {
    fn new((file, path): (File, PathBuf)) -> Self {
        Self {
            file: BufWriter::with_capacity(256 << 10, file),
            path,
            len: 0,
            hash: Sha256::new(),
        }
    }

    fn resume((mut file, path): (File, PathBuf), len: u64, hash: [u8; 32]) -> Result<Option<Self>> {
        let (kept, there) = hash_of(&mut file, len).map_err(Error::local("read", &path))?;
        if there < len || <[u8; 32]>::from(kept.clone().finalize()) != hash {
            return Ok(None);
        }
        let rewound = file.set_len(len).and_then(|()| file.seek(SeekFrom::Start(len)));
        rewound.map_err(Error::local("write", &path))?;
        let mut spool = Self::new((file, path));
        (spool.len, spool.hash) = (len, kept);
        Ok(Some(spool))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.hash.update(bytes);
        self.len += bytes.len() as u64;
        self.file.write_all(bytes).map_err(Error::local("write", &self.path))
    }

    fn into_file(self) -> Result<File> {
        let path = self.path;
        let mut file = self
            .file
            .into_inner()
            .map_err(|error| Error::local("write", &path)(error.into_error()))?;
        file.seek(SeekFrom::Start(0)).map_err(Error::local("read", &path))?;
        Ok(file)
    }
}

/// The hash of the first `len` bytes, and how many there were.
fn hash_of(file: &mut File, len: u64) -> std::io::Result<(Sha256, u64)> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    let mut limited = std::io::Read::take(file, len);
    let mut total = 0;
    loop {
        let read = std::io::Read::read(&mut limited, &mut buffer)?;
        if read == 0 {
            return Ok((hash, total));
        }
        hash.update(buffer.get(..read).unwrap_or_default());
        total += read as u64;
    }
}

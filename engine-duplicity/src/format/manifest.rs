//! Manifests: which paths each volume of a set holds, its hash, and which files the set changed.

use std::collections::BTreeMap;

use super::quote::{quote_to, unhex, unquote};
use super::{SetTime, TreePath};

mod read;
#[cfg(test)]
mod tests;

/// One end of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathEnd {
    /// The path of the first or last entry.
    pub path: TreePath,
    /// The number of its part, when it is a part of a file and not the final one.
    pub part: Option<u64>,
}

/// What a manifest says of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeInfo {
    /// Its first entry.
    pub start: PathEnd,
    /// Its last entry.
    pub end: PathEnd,
    /// Hashes of the stored file: the name of the algorithm in upper case, and the bytes.
    pub hashes: Vec<(String, Vec<u8>)>,
}

impl VolumeInfo {
    /// The hash of that algorithm.
    #[must_use]
    pub fn hash(&self, algorithm: &str) -> Option<&[u8]> {
        let found = self.hashes.iter().find(|(name, _)| name == algorithm)?;
        Some(&found.1)
    }

    /// Whether something at or below `folder`, or a folder above it, may lie in the volume.
    #[must_use]
    pub fn may_hold(&self, folder: &TreePath) -> bool {
        (self.start.path <= *folder || self.start.path.is_within(folder)) && *folder <= self.end.path
    }
}

/// How a set changed a regular file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// It was not there before.
    New,
    /// It was.
    Changed,
    /// It is gone.
    Deleted,
}

impl Difference {
    const fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Deleted => "deleted",
        }
    }
}

/// A line of a manifest's list of files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedFile {
    /// How.
    pub how: Difference,
    /// Which.
    pub path: TreePath,
}

impl ChangedFile {
    /// Appends its line to a manifest.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("    {:<7}  ", self.how.word()).as_bytes());
        quote_to(out, root_as_dot(&self.path));
        out.push(b'\n');
    }
}

/// What Holdfast notes of a set for itself, in lines that the original passes over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes {
    /// The program that made the set.
    pub program: Option<String>,
    /// The user who made it.
    pub user: Option<String>,
    /// Its labels.
    pub tags: Vec<String>,
    /// The absolute paths that were asked for.
    pub paths: Vec<Vec<u8>>,
    /// Files in the state that the set brings.
    pub files: Option<u64>,
    /// Bytes of those.
    pub bytes: Option<u64>,
    /// Of a synthetic full set: the set whose state it holds, by the time at which that was begun.
    pub state_of: Option<SetTime>,
}

impl Notes {
    fn write_to(&self, out: &mut Vec<u8>) {
        let mut line = |key: &str, value: &[u8]| {
            out.extend_from_slice(b"Holdfast-");
            out.extend_from_slice(key.as_bytes());
            out.push(b' ');
            quote_to(out, value);
            out.push(b'\n');
        };
        if let Some(program) = &self.program {
            line("Program", program.as_bytes());
        }
        if let Some(user) = &self.user {
            line("User", user.as_bytes());
        }
        self.tags.iter().for_each(|tag| line("Tag", tag.as_bytes()));
        self.paths.iter().for_each(|path| line("Path", path));
        if let Some(files) = self.files {
            line("Files", files.to_string().as_bytes());
        }
        if let Some(bytes) = self.bytes {
            line("Bytes", bytes.to_string().as_bytes());
        }
        if let Some(time) = self.state_of {
            line("State-Of", time.to_string().as_bytes());
        }
    }
}

/// A manifest without its list of files, which can be long and which nothing here needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The machine's short name.
    pub host: Option<Vec<u8>>,
    /// The folder that was saved, as it was named then.
    pub dir: Option<Vec<u8>>,
    /// What Holdfast noted.
    pub notes: Notes,
    /// The volumes by number.
    pub volumes: BTreeMap<u32, VolumeInfo>,
    /// How many lines the list of files claims to have.
    pub file_count: Option<u64>,
    /// Volumes whose block stands there more than once: the set was resumed there.
    pub resumed_at: Vec<u32>,
}

impl Manifest {
    /// The volume numbers from 1 to the last that have no block.
    #[must_use]
    pub fn gaps(&self) -> Vec<u32> {
        let last = self.volumes.keys().next_back().copied().unwrap_or(0);
        (1..=last).filter(|number| !self.volumes.contains_key(number)).collect()
    }

    /// The text up to the first volume.
    #[must_use]
    pub fn head(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some(host) = &self.host {
            out.extend_from_slice(b"Hostname ");
            out.extend_from_slice(host);
            out.push(b'\n');
        }
        if let Some(dir) = &self.dir {
            out.extend_from_slice(b"Localdir ");
            quote_to(&mut out, dir);
            out.push(b'\n');
        }
        self.notes.write_to(&mut out);
        out
    }

    /// The text of one volume's block.
    #[must_use]
    pub fn volume_block(number: u32, info: &VolumeInfo) -> Vec<u8> {
        let mut out = format!("Volume {number}:\n").into_bytes();
        let mut end = |label: &[u8], end: &PathEnd| {
            out.extend_from_slice(label);
            quote_to(&mut out, root_as_dot(&end.path));
            let part = end.part.map_or_else(|| " ".to_owned(), |part| part.to_string());
            out.extend_from_slice(format!(" {part}\n").as_bytes());
        };
        end(b"    StartingPath   ", &info.start);
        end(b"    EndingPath     ", &info.end);
        for (algorithm, hash) in &info.hashes {
            out.extend_from_slice(format!("    Hash {algorithm} {}\n", super::quote::hex(hash)).as_bytes());
        }
        out
    }

    /// The whole text up to the list of files; its `count` lines, each of [`ChangedFile::write_to`], follow.
    #[must_use]
    pub fn text(&self, count: u64) -> Vec<u8> {
        let mut out = self.head();
        for (number, info) in &self.volumes {
            out.extend_from_slice(&Self::volume_block(*number, info));
        }
        out.extend_from_slice(format!("Filelist {count}\n").as_bytes());
        out
    }
}

fn root_as_dot(path: &TreePath) -> &[u8] {
    if path.is_root() { b"." } else { path.as_bytes() }
}

//! What is noted of a run on this machine while it goes on, so that it can be gone on with when it is broken off.
//!
//! Three files lie in the archive folder: the growing signature file, the growing list of files, and the journal, which
//! names the set before the first byte of it is stored, and after each volume says how far everything is. Their names mean
//! nothing to duplicity: it would go on with a partial manifest, and a delta that was begun by another program than the one
//! that ends it is none.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::segment::{Cut, Mark};
use super::spool::Position;
use crate::archive::{Archive, remove};
use crate::error::{Error, Result};
use crate::format::quote::{hex, quote, unhex, unquote};
use crate::format::{Manifest, PathEnd, SetId, SetTime, TreePath, VolumeInfo};

/// The journal's name in the archive folder.
const NAME: &str = "holdfast-journal";
/// The growing list of files.
const FILES: &str = "holdfast-files";
/// The growing signature file.
const SIGNATURES: &str = "holdfast-signatures";
/// The first words of a journal.
const MAGIC: &str = "holdfast-journal 1";

/// The journal of the running backup.
pub struct Journal {
    /// `None` when nothing is kept.
    file: Option<File>,
    path: PathBuf,
    signatures: PathBuf,
    /// The same open files as the spools', to make them durable.
    spools: Vec<File>,
    manifest: Manifest,
    /// The lengths of the volumes that are stored, by number.
    lens: BTreeMap<u32, u64>,
}

/// What a journal says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    /// Of which set.
    pub set: SetId,
    /// What the settings were, in short.
    pub settings: String,
    /// The volumes that are stored, from 1 without gaps.
    pub volumes: Vec<StoredVolume>,
}

/// A volume in a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredVolume {
    /// Its length as stored.
    pub len: u64,
    /// What the manifest will say.
    pub info: VolumeInfo,
    /// What was complete behind it.
    pub mark: Mark,
}

/// Where the growing files are.
pub struct Growing {
    /// The signature file.
    pub signatures: (File, PathBuf),
    /// The list of files.
    pub files: (File, PathBuf),
}

impl Journal {
    /// Begins a new run: names its set, durably, before anything of it is stored.
    pub fn create(
        archive: &Archive,
        set: SetId,
        settings: &str,
        manifest: Manifest,
        dry: bool,
    ) -> Result<(Self, Growing)> {
        let path = archive.dir().join(NAME);
        let growing = Growing {
            signatures: grow(
                archive.dir().join(if dry { ".holdfast-dry-s" } else { SIGNATURES }),
                true,
            )?,
            files: grow(archive.dir().join(if dry { ".holdfast-dry-f" } else { FILES }), true)?,
        };
        let mut journal = Self::new(path, manifest, &growing)?;
        if dry {
            remove(&growing.signatures.1)?;
            remove(&growing.files.1)?;
            return Ok((journal, growing));
        }
        let kind = match set {
            SetId::Full(_) => "full".to_owned(),
            SetId::Increment { start, .. } => format!("increment {start}"),
        };
        let head = line(&format!("{MAGIC} {} {kind} {settings}", set.end()));
        archive.write(&journal.path, head.as_bytes())?;
        journal.open()?;
        archive.sync_names()?;
        Ok((journal, growing))
    }

    /// Goes on with a run of which the first volumes are stored.
    pub fn resume(archive: &Archive, noted: &Noted, settings: &str, manifest: Manifest) -> Result<(Self, Growing)> {
        let path = archive.dir().join(NAME);
        let growing = Growing {
            signatures: grow(archive.dir().join(SIGNATURES), false)?,
            files: grow(archive.dir().join(FILES), false)?,
        };
        let mut journal = Self::new(path, manifest, &growing)?;
        let kind = match noted.set {
            SetId::Full(_) => "full".to_owned(),
            SetId::Increment { start, .. } => format!("increment {start}"),
        };
        let mut text = line(&format!("{MAGIC} {} {kind} {settings}", noted.set.end()));
        for (number, volume) in (1..).zip(&noted.volumes) {
            text.push_str(&line(&volume.text()));
            journal.manifest.volumes.insert(number, volume.info.clone());
            journal.lens.insert(number, volume.len);
        }
        archive.write(&journal.path, text.as_bytes())?;
        journal.open()?;
        Ok((journal, growing))
    }

    fn new(path: PathBuf, manifest: Manifest, growing: &Growing) -> Result<Self> {
        let cloned = |(file, path): &(File, PathBuf)| file.try_clone().map_err(Error::local("open", path));
        Ok(Self {
            file: None,
            path,
            signatures: growing.signatures.1.clone(),
            spools: vec![cloned(&growing.signatures)?, cloned(&growing.files)?],
            manifest,
            lens: BTreeMap::new(),
        })
    }

    fn open(&mut self) -> Result<()> {
        let file = File::options().append(true).open(&self.path);
        self.file = Some(file.map_err(Error::local("open", &self.path))?);
        Ok(())
    }

    /// A volume is stored.
    pub fn stored(&mut self, number: u32, info: VolumeInfo, len: u64, mark: &Mark) -> Result<()> {
        let volume = StoredVolume {
            len,
            info,
            mark: mark.clone(),
        };
        if let Some(file) = &mut self.file {
            for spool in &self.spools {
                spool.sync_data().map_err(Error::local("write", &self.signatures))?;
            }
            let text = line(&volume.text());
            file.write_all(text.as_bytes())
                .and_then(|()| file.sync_data())
                .map_err(Error::local("write", &self.path))?;
        }
        self.manifest.volumes.insert(number, volume.info);
        self.lens.insert(number, len);
        Ok(())
    }

    /// The manifest with all volumes that are stored, and the length of each.
    pub fn into_manifest(self) -> (Manifest, BTreeMap<u32, u64>) {
        (self.manifest, self.lens)
    }
}

/// Opens a growing file; an empty one when it is `fresh`.
fn grow(path: PathBuf, fresh: bool) -> Result<(File, PathBuf)> {
    let opened = File::options()
        .read(true)
        .write(true)
        .create(fresh)
        .truncate(fresh)
        .open(&path);
    Ok((opened.map_err(Error::local("open", &path))?, path))
}

/// Whether all that a journal needs beside it is there.
pub fn is_whole(archive: &Archive) -> bool {
    [SIGNATURES, FILES]
        .iter()
        .all(|name| archive.dir().join(name).is_file())
}

/// What the journal in the folder says; `None` when there is none that can be trusted.
pub fn read(archive: &Archive) -> Result<Option<Noted>> {
    let path = archive.dir().join(NAME);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Noted::parse(&text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => Ok(None),
        Err(error) => Err(Error::local("read", &path)(error)),
    }
}

/// Removes the journal and all unfinished files, of other programs' runs too.
pub fn clear(archive: &Archive) -> Result<()> {
    for (name, path) in archive.files()? {
        if name.partial {
            remove(&path)?;
        }
    }
    for name in [FILES, SIGNATURES, NAME] {
        remove(&archive.dir().join(name))?;
    }
    Ok(())
}

impl Noted {
    fn parse(text: &str) -> Option<Self> {
        // A line that was not written to its end is as good as not there.
        let mut lines = text.lines().map_while(checked);
        let head = lines.next()?.strip_prefix(MAGIC)?.trim();
        let mut words = head.split(' ');
        let end = SetTime::parse(words.next()?.as_bytes())?;
        let set = match words.next()? {
            "full" => SetId::Full(end),
            _ => SetId::Increment {
                start: SetTime::parse(words.next()?.as_bytes())?,
                end,
            },
        };
        Some(Self {
            set,
            settings: words.next()?.to_owned(),
            volumes: lines.map_while(StoredVolume::parse).collect(),
        })
    }
}

/// A text with the check that makes it a line.
fn line(text: &str) -> String {
    format!("{text} #{}\n", check(text))
}

fn check(text: &str) -> String {
    let hash: [u8; 32] = Sha256::digest(text).into();
    hex(&hash).chars().take(16).collect()
}

fn checked(line: &str) -> Option<&str> {
    let (text, sum) = line.rsplit_once(" #")?;
    (check(text) == sum).then_some(text)
}

impl StoredVolume {
    /// Names are in hexadecimal: a journal is text.
    fn text(&self) -> String {
        let mut fields = BTreeMap::new();
        let mut end = |key: &'static str, end: &PathEnd| {
            let part = end.part.map_or_else(String::new, |part| part.to_string());
            fields.insert(key, format!("{}/{part}", hex(&quote(end.path.as_bytes()))));
        };
        end("start", &self.info.start);
        end("end", &self.info.end);
        for (algorithm, hash) in &self.info.hashes {
            if algorithm == "SHA1" {
                fields.insert("sha1", hex(hash));
            }
        }
        fields.insert("len", self.len.to_string());
        if let Some(path) = &self.mark.complete {
            fields.insert("complete", hex(&quote(path.as_bytes())));
        }
        if let Some(cut) = &self.mark.cut {
            let path = hex(&quote(cut.path.as_bytes()));
            fields.insert("cut", format!("{path}/{}/{}", cut.parts, hex(&cut.hash)));
        }
        let at = &self.mark.spools;
        fields.insert("signatures", format!("{}/{}", at.signatures, hex(&at.signatures_hash)));
        fields.insert(
            "files",
            format!("{}/{}/{}", at.files, hex(&at.files_hash), at.file_count),
        );
        let fields: Vec<String> = fields.iter().map(|(key, value)| format!("{key}={value}")).collect();
        fields.join(" ")
    }

    fn parse(text: &str) -> Option<Self> {
        let fields: BTreeMap<&str, &str> = text.split(' ').filter_map(|field| field.split_once('=')).collect();
        let path = |text: &str| TreePath::parse(&unquote(&unhex(text.as_bytes())?));
        let hash = |text: &str| -> Option<[u8; 32]> { unhex(text.as_bytes())?.try_into().ok() };
        let end = |key: &str| {
            let (name, part) = fields.get(key)?.split_once('/')?;
            let part = if part.is_empty() {
                None
            } else {
                Some(part.parse().ok()?)
            };
            Some(PathEnd {
                path: path(name)?,
                part,
            })
        };
        let cut = match fields.get("cut") {
            None => None,
            Some(text) => {
                let mut words = text.split('/');
                Some(Cut {
                    path: path(words.next()?)?,
                    parts: words.next()?.parse().ok()?,
                    hash: hash(words.next()?)?,
                })
            }
        };
        let complete = match fields.get("complete") {
            None => None,
            Some(text) => Some(path(text)?),
        };
        let (signatures, signatures_hash) = fields.get("signatures")?.split_once('/')?;
        let mut files = fields.get("files")?.split('/');
        Some(Self {
            len: fields.get("len")?.parse().ok()?,
            info: VolumeInfo {
                start: end("start")?,
                end: end("end")?,
                hashes: vec![("SHA1".to_owned(), unhex(fields.get("sha1")?.as_bytes())?)],
            },
            mark: Mark {
                complete,
                cut,
                spools: Position {
                    signatures: signatures.parse().ok()?,
                    signatures_hash: hash(signatures_hash)?,
                    files: files.next()?.parse().ok()?,
                    files_hash: hash(files.next()?)?,
                    file_count: files.next()?.parse().ok()?,
                },
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(name: &[u8]) -> TreePath {
        TreePath::parse(name).unwrap_or_default()
    }

    fn volume(names: &[Vec<u8>], part: Option<u64>, len: u64) -> StoredVolume {
        let name = |at: usize| path(names.get(at).map_or(b"".as_slice(), Vec::as_slice));
        let end = |at| PathEnd { path: name(at), part };
        StoredVolume {
            len,
            info: VolumeInfo {
                start: end(0),
                end: end(1),
                hashes: vec![("SHA1".to_owned(), vec![7; 20])],
            },
            mark: Mark {
                complete: (len.is_multiple_of(2)).then(|| name(2)),
                cut: part.map(|parts| Cut {
                    path: name(1),
                    parts,
                    hash: [9; 32],
                }),
                spools: Position {
                    signatures: len,
                    file_count: 3,
                    ..Position::default()
                },
            },
        }
    }

    proptest! {
        #[test]
        fn what_is_noted_is_read_and_a_broken_line_ends_it(
            names in prop::collection::vec(prop::collection::vec(1_u8..=255, 1..20), 3),
            part in prop::option::of(1_u64..99),
            len in 0_u64..1000,
            cut in 0_usize..400,
        ) {
            let set = SetId::Increment { start: SetTime::new(5).unwrap(), end: SetTime::new(9).unwrap() };
            let head = line(&format!("{MAGIC} {} increment {} ab12", set.end(), set.start()));
            let volumes = vec![volume(&names, part, len), volume(&names, None, len + 1)];
            let lines: Vec<String> = volumes.iter().map(|volume| line(&volume.text())).collect();
            let text = format!("{head}{}{}", lines[0], lines[1]);
            let noted = Noted { set, settings: "ab12".to_owned(), volumes };
            prop_assert_eq!(Noted::parse(&text), Some(noted.clone()));
            let end = text.len() - 2 - cut.min(lines[1].len() - 2);
            let broken = Noted::parse(text.get(..end).unwrap()).unwrap();
            prop_assert_eq!(&broken.volumes, &noted.volumes[..1]);
        }
    }
}

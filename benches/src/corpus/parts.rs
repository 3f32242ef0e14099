use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::content::{page, random, text};
use crate::error::{At, Error};

/// One kind of data.
pub trait Part {
    fn name(&self) -> &'static str;
    fn description(&self) -> String;
    fn make(&self, dir: &Path) -> Result<(), Error>;
    fn change(&self, dir: &Path, generation: u32) -> Result<(), Error>;
    fn revert(&self, dir: &Path, generation: u32) -> Result<(), Error>;
}

/// A count at this scale of the corpus.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts below a million times a small scale"
)]
pub fn scaled(count: u64, scale: f64) -> u64 {
    ((count as f64 * scale).round() as u64).max(1)
}

fn length(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).at("make", folder)?;
    }
    fs::write(path, bytes).at("write", path)
}

/// Small mails in folders of users, as a Maildir has them; a change is new mail.
pub struct Mails {
    count: u64,
    page: Vec<u8>,
}

impl Mails {
    pub fn new(scale: f64) -> Self {
        Self {
            count: scaled(60_000, scale),
            page: page(),
        }
    }

    fn mail(&self, number: u64, generation: u32) -> Vec<u8> {
        let mut random = random(1, number, generation);
        // Most are small, some are not: 1 to 64 KiB, 13 KiB on average.
        let size = 1024 + (random.below(256) * random.below(256)).min(64 << 10);
        text(&mut random, &self.page, length(size))
    }

    fn path(dir: &Path, number: u64, generation: u32) -> PathBuf {
        let user = number % 40;
        dir.join(format!("user{user:02}/Maildir/cur/{number:06}.{generation}.mail:2,S"))
    }

    fn new_ones(&self) -> u64 {
        (self.count / 100).max(1)
    }
}

impl Part for Mails {
    fn name(&self) -> &'static str {
        "mail"
    }

    fn description(&self) -> String {
        format!("{} mails", self.count)
    }

    fn make(&self, dir: &Path) -> Result<(), Error> {
        (0..self.count).try_for_each(|number| write(&Self::path(dir, number, 0), &self.mail(number, 0)))
    }

    fn change(&self, dir: &Path, generation: u32) -> Result<(), Error> {
        (0..self.new_ones())
            .try_for_each(|number| write(&Self::path(dir, number, generation), &self.mail(number, generation)))
    }

    fn revert(&self, dir: &Path, generation: u32) -> Result<(), Error> {
        (0..self.new_ones()).try_for_each(|number| {
            let path = Self::path(dir, number, generation);
            match fs::remove_file(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
                other => other.at("remove", &path),
            }
        })
    }
}

/// Documents and pictures: half of the bytes compress, half do not; a change rewrites some documents.
pub struct Share {
    files: u64,
    page: Vec<u8>,
}

impl Share {
    pub fn new(scale: f64) -> Self {
        Self {
            files: scaled(1_500, scale),
            page: page(),
        }
    }

    fn file(&self, number: u64, generation: u32) -> Vec<u8> {
        // The size is the same in every generation, as that of a picture which is edited.
        let size = length(8192 + random(2, number, 0).below(1 << 21));
        let mut random = random(2, number, generation);
        if number.is_multiple_of(2) {
            text(&mut random, &self.page, size)
        } else {
            random.noise(size)
        }
    }

    fn path(dir: &Path, number: u64) -> PathBuf {
        let kind = if number.is_multiple_of(2) { "txt" } else { "jpg" };
        dir.join(format!(
            "department{:02}/project{:02}/document{number:05}.{kind}",
            number % 20,
            number / 20 % 10
        ))
    }

    fn changed(&self, generation: u32) -> impl Iterator<Item = u64> {
        let count = (self.files / 100).max(1);
        let files = self.files;
        // Spread over the share, and others in every generation.
        (0..count).map(move |number| (number * 97 + u64::from(generation)) % files)
    }
}

impl Part for Share {
    fn name(&self) -> &'static str {
        "share"
    }

    fn description(&self) -> String {
        format!("{} documents and pictures", self.files)
    }

    fn make(&self, dir: &Path) -> Result<(), Error> {
        (0..self.files).try_for_each(|number| write(&Self::path(dir, number), &self.file(number, 0)))
    }

    fn change(&self, dir: &Path, generation: u32) -> Result<(), Error> {
        self.changed(generation)
            .try_for_each(|number| write(&Self::path(dir, number), &self.file(number, generation)))
    }

    fn revert(&self, dir: &Path, generation: u32) -> Result<(), Error> {
        self.changed(generation)
            .try_for_each(|number| write(&Self::path(dir, number), &self.file(number, 0)))
    }
}

const BLOCK: u64 = 1 << 20;

/// A virtual machine's disk: runs of text, noise and zeros; a change rewrites blocks in place.
pub struct Image {
    blocks: u64,
    page: Vec<u8>,
}

impl Image {
    pub fn new(scale: f64) -> Self {
        Self {
            blocks: scaled(1024, scale),
            page: page(),
        }
    }

    fn block(&self, number: u64, generation: u32) -> Vec<u8> {
        let mut random = random(3, number, generation);
        match number / 16 % 5 {
            0 | 1 => text(&mut random, &self.page, length(BLOCK)),
            2 | 3 => random.noise(length(BLOCK)),
            _ if generation == 0 => vec![0; length(BLOCK)],
            _ => random.text(length(BLOCK)),
        }
    }

    fn rewrite(&self, dir: &Path, which: u32, generation: u32) -> Result<(), Error> {
        let path = dir.join("disk.img");
        let file = OpenOptions::new().write(true).open(&path).at("open", &path)?;
        let count = (self.blocks / 100).max(1);
        for number in (0..count).map(|number| (number * 101 + u64::from(which) * 7) % self.blocks) {
            let bytes = self.block(number, generation);
            file.write_all_at(&bytes, number * BLOCK).at("write", &path)?;
        }
        Ok(())
    }
}

impl Part for Image {
    fn name(&self) -> &'static str {
        "image"
    }

    fn description(&self) -> String {
        format!("a disk image of {} MiB", self.blocks)
    }

    fn make(&self, dir: &Path) -> Result<(), Error> {
        let path = dir.join("disk.img");
        let mut file = BufWriter::new(File::create(&path).at("write", &path)?);
        for number in 0..self.blocks {
            file.write_all(&self.block(number, 0)).at("write", &path)?;
        }
        file.flush().at("write", &path)
    }

    fn change(&self, dir: &Path, generation: u32) -> Result<(), Error> {
        self.rewrite(dir, generation, generation)
    }

    fn revert(&self, dir: &Path, generation: u32) -> Result<(), Error> {
        self.rewrite(dir, generation, 0)
    }
}

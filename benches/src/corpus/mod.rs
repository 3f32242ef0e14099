//! The data that is saved: mails, a file share and a disk image, the same on every machine.

mod content;
mod pages;
mod parts;

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{At, Error};

use self::pages::Pages;
use self::parts::{Image, Mails, Part, Share, scaled};

/// Counts up when the content changes, so that an old corpus is made anew.
const VERSION: u32 = 1;

/// The data and its size.
pub struct Corpus {
    root: PathBuf,
    parts: Vec<Box<dyn Part>>,
    scale: f64,
    /// Megabytes of the large file, and pages of it that change.
    pages: (u64, u64),
}

impl Corpus {
    /// Makes the corpus in `root`, or takes what an earlier run left there.
    pub fn make(root: &Path, scale: f64) -> Result<Self, Error> {
        let corpus = Self {
            root: root.to_owned(),
            parts: vec![
                Box::new(Mails::new(scale)),
                Box::new(Share::new(scale)),
                Box::new(Image::new(scale)),
            ],
            scale,
            pages: (scaled(1024, scale), scaled(200, scale)),
        };
        let note = root.with_extension("made");
        let made = format!("version {VERSION}, scale {scale}\n");
        if fs::read_to_string(&note).is_ok_and(|text| text == made) {
            return Ok(corpus);
        }
        eprintln!("making the corpus in {}", root.display());
        corpus.remove()?;
        for part in &corpus.parts {
            let dir = corpus.root.join(part.name());
            fs::create_dir_all(&dir).at("make", &dir)?;
            part.make(&dir)?;
        }
        fs::write(&note, made).at("write", &note)?;
        Ok(corpus)
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Changes one per cent of everything, another one for every `generation`.
    pub fn change(&self, generation: u32) -> Result<(), Error> {
        self.each(|part, dir| part.change(dir, generation))
    }

    /// Takes the changes up to `generations` back, whether they were made or not.
    pub fn revert(&self, generations: u32) -> Result<(), Error> {
        (1..=generations).try_for_each(|generation| self.each(|part, dir| part.revert(dir, generation)))
    }

    fn each(&self, act: impl Fn(&dyn Part, &Path) -> Result<(), Error>) -> Result<(), Error> {
        self.parts
            .iter()
            .try_for_each(|part| act(part.as_ref(), &self.root.join(part.name())))
    }

    /// The same with another large file than that of its scale: of so many megabytes, of which so many pages change.
    pub fn with_pages(self, megabytes: Option<u64>, changed: Option<u64>) -> Self {
        let (known, few) = self.pages;
        let pages = (megabytes.unwrap_or(known), changed.unwrap_or(few));
        Self { pages, ..self }
    }

    /// A large file more.
    pub fn pages(&self) -> Result<Pages, Error> {
        let (megabytes, changed) = self.pages;
        Pages::make(&self.root, megabytes, changed)
    }

    pub fn remove(&self) -> Result<(), Error> {
        let note = self.root.with_extension("made");
        for path in [&note, &self.root] {
            let removed = if path.is_dir() {
                fs::remove_dir_all(path)
            } else if path.exists() {
                fs::remove_file(path)
            } else {
                Ok(())
            };
            removed.at("remove", path)?;
        }
        Ok(())
    }

    /// One sentence for the table.
    pub fn description(&self) -> String {
        let parts: Vec<String> = self.parts.iter().map(|part| part.description()).collect();
        format!("Corpus (scale {}): {}.", self.scale, parts.join(", "))
    }
}

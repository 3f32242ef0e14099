use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use holdfast_tests::corpus::Random;

use crate::error::{At, Error};

const PAGE: usize = 4096;

/// A large file of which a few pages change, as a database's does.
pub struct Pages {
    path: PathBuf,
    megabytes: u64,
    changed: u64,
}

impl Pages {
    /// Makes it in `dir`, of so many megabytes; so many pages of it are to change.
    pub fn make(dir: &Path, megabytes: u64, changed: u64) -> Result<Self, Error> {
        let path = dir.join("pages");
        let mut file = File::create(&path).at("make", &path)?;
        let mut random = Random::new(1);
        for _ in 0..megabytes {
            file.write_all(&random.noise(1 << 20)).at("write", &path)?;
        }
        Ok(Self {
            path,
            megabytes,
            changed,
        })
    }

    pub fn change(&self) -> Result<(), Error> {
        let path = &self.path;
        let file = File::options().write(true).open(path).at("open", path)?;
        let mut random = Random::new(2);
        for _ in 0..self.changed {
            let page = random.below(self.megabytes << 8);
            let noise = random.noise(PAGE);
            file.write_all_at(&noise, page * PAGE as u64).at("write", path)?;
        }
        Ok(())
    }

    pub fn remove(self) -> Result<(), Error> {
        std::fs::remove_file(&self.path).at("remove", &self.path)
    }
}

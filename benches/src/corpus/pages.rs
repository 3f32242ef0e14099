use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use holdfast_tests::corpus::Random;

use crate::error::{At, Error};

const MEGABYTES: u64 = 1024;
const PAGE: usize = 4096;
const CHANGED: u64 = 200;

/// A large file of which a few pages change, as a database's does.
pub struct Pages(PathBuf);

impl Pages {
    /// Makes it in `dir`.
    pub fn make(dir: &Path) -> Result<Self, Error> {
        let path = dir.join("pages");
        let mut file = File::create(&path).at("make", &path)?;
        let mut random = Random::new(1);
        for _ in 0..MEGABYTES {
            file.write_all(&random.noise(1 << 20)).at("write", &path)?;
        }
        Ok(Self(path))
    }

    pub fn change(&self) -> Result<(), Error> {
        let file = File::options().write(true).open(&self.0).at("open", &self.0)?;
        let mut random = Random::new(2);
        for _ in 0..CHANGED {
            let page = random.below(MEGABYTES << 8);
            let noise = random.noise(PAGE);
            file.write_all_at(&noise, page * PAGE as u64).at("write", &self.0)?;
        }
        Ok(())
    }

    pub fn remove(self) -> Result<(), Error> {
        std::fs::remove_file(&self.0).at("remove", &self.0)
    }
}

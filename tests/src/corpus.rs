//! Data to save: the same for the same seed, on every machine.

use std::fs;
use std::path::Path;

/// A small, fast generator of numbers that look random (xorshift64*).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The sequence of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end
    }

    /// Bytes that no compression makes shorter.
    pub fn noise(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.number().to_le_bytes()[..chunk.len()]);
        }
        bytes
    }

    /// Words in lines, which compress as mails do.
    pub fn text(&mut self, length: usize) -> Vec<u8> {
        const WORDS: [&str; 24] = [
            "backup", "the", "of", "a", "server", "mail", "restore", "and", "disk", "night", "to", "was", "is", "one",
            "file", "again", "whole", "every", "customer", "invoice", "regards", "meeting", "moved", "tomorrow",
        ];
        let mut bytes = Vec::with_capacity(length + 16);
        while bytes.len() < length {
            let number = self.number();
            let word = WORDS[usize::try_from(number >> 8).unwrap() % WORDS.len()];
            bytes.extend_from_slice(word.as_bytes());
            match number % 16 {
                0 => bytes.extend_from_slice(format!(" {number}\n").as_bytes()),
                1 => bytes.push(b'\n'),
                _ => bytes.push(b' '),
            }
        }
        bytes.truncate(length);
        bytes
    }
}

/// Fills `dir` with `files` files of up to `largest` bytes in folders of fifty, half text and half noise.
pub fn plain_tree(dir: &Path, seed: u64, files: u64, largest: u64) {
    let mut random = Random::new(seed);
    for number in 0..files {
        let folder = dir.join(format!("folder-{:03}", number / 50));
        if number % 50 == 0 {
            fs::create_dir_all(&folder).unwrap();
        }
        let length = usize::try_from(random.below(largest + 1)).unwrap();
        let bytes = if number % 2 == 0 {
            random.text(length)
        } else {
            random.noise(length)
        };
        fs::write(folder.join(format!("file-{number:05}")), bytes).unwrap();
    }
}

/// Changes, adds and removes a share of what [`plain_tree`] made: about one file in `one_in` of each.
pub fn edit_plain_tree(dir: &Path, seed: u64, one_in: u64) {
    let mut random = Random::new(seed);
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|item| item.unwrap().path())
        .filter(|path| path.is_dir())
        .flat_map(|folder| fs::read_dir(folder).unwrap())
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    for path in files {
        match random.below(one_in * 3) {
            0 => fs::remove_file(path).unwrap(),
            1 => fs::write(&path, random.noise(3000)).unwrap(),
            2 => fs::write(path.with_extension(format!("new-{seed}")), random.text(2000)).unwrap(),
            _ => {}
        }
    }
}

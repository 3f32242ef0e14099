//! Reading a manifest: keywords in either case, unknown lines passed over, of repeated blocks the last one.

use super::{Manifest, PathEnd, SetTime, TreePath, VolumeInfo, unhex, unquote};

/// A text that is no manifest: what is wrong with it.
pub type Wrong = String;

/// A volume's block while it is read.
#[derive(Default)]
struct Block {
    number: u32,
    start: Option<PathEnd>,
    end: Option<PathEnd>,
    hashes: Vec<(String, Vec<u8>)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Outside,
    Volume,
    Files,
}

struct Parser {
    manifest: Manifest,
    block: Block,
    place: Place,
    /// The number of the last block, above which all is dropped.
    last: u32,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// When a volume's block is broken, or there is none; the text says how.
    pub fn parse(text: &[u8]) -> Result<Self, Wrong> {
        let mut parser = Parser {
            manifest: Self::default(),
            block: Block::default(),
            place: Place::Outside,
            last: 0,
        };
        for line in text.split(|byte| *byte == b'\n') {
            parser.line(line)?;
        }
        parser.end_block()?;
        let Parser { mut manifest, last, .. } = parser;
        // After a resume the numbers above the last block belong to the run that was broken off.
        manifest.volumes.retain(|number, _| *number <= last);
        if manifest.volumes.is_empty() {
            return Err("it names no volume".to_owned());
        }
        Ok(manifest)
    }
}

impl Parser {
    fn line(&mut self, line: &[u8]) -> Result<(), Wrong> {
        // The list of files is long and its lines all begin with blanks.
        if self.place == Place::Files && line.starts_with(b"    ") {
            return Ok(());
        }
        let (word, rest) = keyword(line);
        match (word.as_str(), self.place) {
            ("volume", _) => self.begin_block(rest),
            ("filelist", _) => {
                self.end_block()?;
                self.place = Place::Files;
                self.manifest.file_count = std::str::from_utf8(rest).ok().and_then(|count| count.parse().ok());
                Ok(())
            }
            ("startingpath", Place::Volume) => path_end(rest).map(|end| self.block.start = Some(end)),
            ("endingpath", Place::Volume) => path_end(rest).map(|end| self.block.end = Some(end)),
            ("hash", Place::Volume) => {
                let (algorithm, digits) = keyword(rest);
                let hash =
                    unhex(digits).ok_or_else(|| format!("the hash of volume {} is broken", self.block.number))?;
                self.block.hashes.push((algorithm.to_ascii_uppercase(), hash));
                Ok(())
            }
            (word, Place::Outside) => {
                self.header(word, rest);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn header(&mut self, word: &str, rest: &[u8]) {
        let text = || String::from_utf8_lossy(&unquote(rest)).into_owned();
        let notes = &mut self.manifest.notes;
        match word {
            "hostname" => self.manifest.host = Some(rest.to_vec()),
            "localdir" => self.manifest.dir = Some(unquote(rest)),
            "holdfast-program" => notes.program = Some(text()),
            "holdfast-user" => notes.user = Some(text()),
            "holdfast-tag" => notes.tags.push(text()),
            "holdfast-path" => notes.paths.push(unquote(rest)),
            "holdfast-files" => notes.files = text().parse().ok(),
            "holdfast-bytes" => notes.bytes = text().parse().ok(),
            "holdfast-state-of" => notes.state_of = SetTime::parse(&unquote(rest)),
            _ => {}
        }
    }

    fn begin_block(&mut self, rest: &[u8]) -> Result<(), Wrong> {
        self.end_block()?;
        let digits: Vec<u8> = rest.iter().copied().take_while(u8::is_ascii_digit).collect();
        let number = std::str::from_utf8(&digits).ok().and_then(|text| text.parse().ok());
        self.block.number = number
            .filter(|number| *number > 0)
            .ok_or_else(|| format!("`Volume {}` has no number", String::from_utf8_lossy(rest)))?;
        self.place = Place::Volume;
        Ok(())
    }

    fn end_block(&mut self) -> Result<(), Wrong> {
        if self.place != Place::Volume {
            return Ok(());
        }
        let block = std::mem::take(&mut self.block);
        let (Some(start), Some(end)) = (block.start, block.end) else {
            return Err(format!("the block of volume {} lacks its paths", block.number));
        };
        let info = VolumeInfo {
            start,
            end,
            hashes: block.hashes,
        };
        if self.manifest.volumes.insert(block.number, info).is_some() {
            self.manifest.resumed_at.push(block.number);
        }
        self.last = block.number;
        self.place = Place::Outside;
        Ok(())
    }
}

/// The first word in lower case, and what follows it without the blanks around.
fn keyword(line: &[u8]) -> (String, &[u8]) {
    let line = line.trim_ascii();
    let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
    let (word, rest) = line.split_at_checked(end).unwrap_or((line, &[]));
    (String::from_utf8_lossy(word).to_ascii_lowercase(), rest.trim_ascii())
}

fn path_end(text: &[u8]) -> Result<PathEnd, Wrong> {
    let wrong = || format!("`{}` is no path of a volume", String::from_utf8_lossy(text));
    let quoted = text.strip_prefix(b"\"").and_then(|inner| {
        let close = inner.iter().position(|byte| *byte == b'"')?;
        Some(close + 2)
    });
    let length = quoted.or_else(|| text.iter().position(|byte| matches!(byte, b' ' | b'\t')));
    let (path, part) = text.split_at_checked(length.unwrap_or(text.len())).ok_or_else(wrong)?;
    let part = match std::str::from_utf8(part.trim_ascii()).map_err(|_| wrong())? {
        "" => None,
        number => Some(number.parse().map_err(|_| wrong())?),
    };
    let path = TreePath::parse(&unquote(path)).filter(|_| !path.is_empty());
    Ok(PathEnd {
        path: path.ok_or_else(wrong)?,
        part,
    })
}

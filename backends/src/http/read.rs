use std::io::{self, Read};

use super::{Answer, Failure};

/// What has been asked for of an object.
#[derive(Clone, Copy)]
pub(crate) struct Range {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

impl Answer {
    /// Fills `buffer` from the answer to a request for the bytes at `offset`, whether the server gave just them or all.
    pub(crate) fn fill(self, offset: u64, buffer: &mut [u8]) -> Result<(), Failure> {
        let range = Range {
            offset,
            length: buffer.len() as u64,
        };
        // Some servers send a part and call it the whole.
        let is_part = self.header("content-range").is_some();
        match self.status {
            206 => self.part(range, buffer),
            200 if is_part => self.part(range, buffer),
            200 => self.whole(range, buffer),
            416 => Err(Failure::Short {
                found: self.total(),
                wanted: range.end(),
            }),
            _ => Err(self.refusal().into()),
        }
    }

    fn part(self, range: Range, buffer: &mut [u8]) -> Result<(), Failure> {
        self.check_end()?;
        let starts = format!("bytes {}-", range.offset);
        if !self
            .header("content-range")
            .is_some_and(|value| value.starts_with(&starts))
        {
            return Err(Failure::Nonsense(
                "the server sent other bytes than it was asked for".to_owned(),
            ));
        }
        if self.length().is_some_and(|length| length < range.length) {
            return Err(Failure::Short {
                found: self.total(),
                wanted: range.end(),
            });
        }
        exact(self.reader(), buffer)
    }

    fn whole(self, range: Range, buffer: &mut [u8]) -> Result<(), Failure> {
        self.check_end()?;
        if let Some(found) = self.length().filter(|length| *length < range.end()) {
            return Err(Failure::Short {
                found: Some(found),
                wanted: range.end(),
            });
        }
        let mut reader = self.reader();
        let skipped = io::copy(&mut reader.by_ref().take(range.offset), &mut io::sink())?;
        if skipped < range.offset {
            return Err(Failure::Short {
                found: Some(skipped),
                wanted: range.end(),
            });
        }
        exact(reader, buffer)
    }

    /// The object's whole length, as an answer about a part of it tells: `bytes 3-9/1234` or `bytes */1234`.
    fn total(&self) -> Option<u64> {
        let (_, total) = self.header("content-range")?.rsplit_once('/')?;
        total.parse().ok()
    }
}

/// Fills `buffer` from an object's bytes at `offset`: by `ask` for a part of it, which is not empty, or, where there is
/// no such part, by a look at its size.
pub(crate) fn range(
    offset: u64,
    buffer: &mut [u8],
    size: impl FnOnce() -> Result<u64, Failure>,
    ask: impl FnOnce(u64, u64) -> Result<Answer, Failure>,
) -> Result<(), Failure> {
    let length = buffer.len() as u64;
    // Servers count in signed numbers.
    let end = offset.checked_add(length).filter(|end| i64::try_from(*end).is_ok());
    if length > 0 && end.is_some() {
        return ask(offset, length)?.fill(offset, buffer);
    }
    let (found, wanted) = (size()?, end.unwrap_or(u64::MAX));
    if found < wanted {
        let found = Some(found);
        return Err(Failure::Short { found, wanted });
    }
    Ok(())
}

impl Range {
    fn end(self) -> u64 {
        self.offset.saturating_add(self.length)
    }
}

/// Fills `buffer`, and reads the end too when nothing is left, so that the connection can be used again.
fn exact(mut reader: impl Read, buffer: &mut [u8]) -> Result<(), Failure> {
    reader.read_exact(buffer)?;
    let _ = reader.read(&mut [0])?;
    Ok(())
}

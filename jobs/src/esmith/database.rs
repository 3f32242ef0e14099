//! A whole database in memory.

use std::collections::BTreeMap;

use super::record::{Record, Unfit};

/// The records of one file by key, each as its raw line so that what is not touched stays as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Database {
    lines: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl Database {
    /// Reads a file's content: never fails, whatever the bytes.
    ///
    /// The last line of a key wins. A line without `=` is a key with an undefined value, which only [`Database::keys`]
    /// shows.
    #[must_use]
    pub fn parse(content: &[u8]) -> Self {
        let mut lines = BTreeMap::new();
        for line in content.split(|&byte| byte == b'\n') {
            let text = line.trim_ascii_start();
            if text.is_empty() || text.starts_with(b"#") {
                continue;
            }
            let mut parts = line.splitn(2, |&byte| byte == b'=');
            let key = parts.next().unwrap_or_default().to_vec();
            lines.insert(key, parts.next().map(<[u8]>::to_vec));
        }
        Self { lines }
    }

    /// The file's content: six comment lines (the last says `updated`), then the records in byte order of their keys.
    #[must_use]
    pub fn to_bytes(&self, updated: &str) -> Vec<u8> {
        let mut out = HEADER.as_bytes().to_vec();
        out.extend(format!("# updated: {updated}\n").as_bytes());
        for (key, value) in &self.lines {
            out.extend(key);
            if let Some(value) = value {
                out.push(b'=');
                out.extend(value);
            }
            out.push(b'\n');
        }
        out
    }

    /// Every key in byte order, those with an undefined value too.
    pub fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.lines.keys().map(Vec::as_slice)
    }

    /// Every key that has a value, with its raw value.
    pub fn raw_lines(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.lines
            .iter()
            .filter_map(|(key, value)| Some((key.as_slice(), value.as_deref()?)))
    }

    /// The raw value of a key, as it stands in the file.
    #[must_use]
    pub fn raw(&self, key: &[u8]) -> Option<&[u8]> {
        self.lines.get(key)?.as_deref()
    }

    /// The record of a key.
    #[must_use]
    pub fn record(&self, key: &[u8]) -> Option<Record> {
        self.raw(key).map(Record::decode)
    }

    /// Puts a record in place of what the key had.
    ///
    /// # Errors
    /// When the key or a field cannot be represented; the database is as it was.
    pub fn set(&mut self, key: &[u8], record: &Record) -> Result<(), Misfit> {
        let key = self.fit_key(key)?;
        let raw = record.encode().map_err(|(field, unfit)| Misfit {
            key: key.clone(),
            field: Some(field),
            unfit,
        })?;
        self.lines.insert(key, Some(raw));
        Ok(())
    }

    /// Puts a raw value (`type|property|value…`) in place of what the key had, as it is.
    ///
    /// # Errors
    /// When it would not read back as it was meant.
    pub fn set_raw(&mut self, key: &[u8], raw: &[u8]) -> Result<(), Misfit> {
        let key = self.fit_key(key)?;
        let unfit = if raw.ends_with(b"\\") {
            Some(Unfit::FinalBackslash)
        } else if raw.windows(2).any(|pair| pair == b"\\n") {
            Some(Unfit::BackslashN)
        } else if Record::decode(raw).dangling.is_some() {
            Some(Unfit::Dangling)
        } else {
            None
        };
        if let Some(unfit) = unfit {
            let field = Some(b"type".to_vec());
            return Err(Misfit { key, field, unfit });
        }
        let line = raw.iter().flat_map(|byte| match byte {
            b'\n' => b"\\n".to_vec(),
            other => vec![*other],
        });
        self.lines.insert(key, Some(line.collect()));
        Ok(())
    }

    /// Removes a key that has a value; says whether there was one.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        self.raw(key).is_some() && self.lines.remove(key).is_some()
    }

    /// Whether there is no key at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The key as it is written: trimmed, unless the file has it as it is.
    fn fit_key(&self, key: &[u8]) -> Result<Vec<u8>, Misfit> {
        if self.lines.contains_key(key) {
            return Ok(key.to_vec());
        }
        let trimmed = key.trim_ascii();
        let unfit = if key.contains(&b'\n') {
            Some(Unfit::LineBreak)
        } else if trimmed.is_empty() {
            Some(Unfit::EmptyKey)
        } else if trimmed.contains(&b'=') {
            Some(Unfit::EqualsSign)
        } else if trimmed.starts_with(b"#") {
            Some(Unfit::Comment)
        } else {
            None
        };
        match unfit {
            None => Ok(trimmed.to_vec()),
            Some(unfit) => Err(Misfit {
                key: key.to_vec(),
                field: None,
                unfit,
            }),
        }
    }

    /// Overrides a key for reading, with a value that holds only a type.
    pub(super) fn overlay(&mut self, key: &str, value: &str) {
        self.lines.insert(key.into(), Some(value.into()));
    }
}

const HEADER: &str = "\
#
# A database in the e-smith format: one record a line, key=type|property|value|...
# Every change writes the whole file again, sorted and without comments,
# so use the `db` command rather than an editor.
#
";

/// What could not be represented in a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// The record.
    pub key: Vec<u8>,
    /// The property, or `type`; the key itself when `None`.
    pub field: Option<Vec<u8>>,
    /// Why.
    pub unfit: Unfit,
}

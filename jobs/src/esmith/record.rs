//! One record: a type and named values, as bytes.

use std::collections::BTreeMap;

/// A record of a database: its type (the first field) and its properties.
///
/// Values are bytes and may hold anything that [`Record::encode`] can write so that every reader of the format gets
/// the same bytes back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// The first field; it may be empty.
    pub kind: Vec<u8>,
    /// The properties by name.
    pub props: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The last property's name when it has no value: a separator was lost, and what follows it cannot be trusted.
    pub dangling: Option<Vec<u8>>,
}

/// Why a record cannot be written so that it reads back the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The separator after it would be taken as part of the text.
    #[error("it ends in a backslash, which would swallow what follows it")]
    FinalBackslash,
    /// Readers turn these two characters into a line break.
    #[error("it holds a backslash followed by `n`, which reads back as a line break")]
    BackslashN,
    /// A name must have at least one character.
    #[error("a property's name cannot be empty")]
    EmptyName,
    /// A key must have at least one character.
    #[error("a key cannot be empty")]
    EmptyKey,
    /// The line ends there.
    #[error("it holds a line break")]
    LineBreak,
    /// The key ends there.
    #[error("a key cannot hold `=`")]
    EqualsSign,
    /// The line would be a comment.
    #[error("a key cannot begin with `#`")]
    Comment,
    /// A property without a value: the rest of the record may be shifted.
    #[error("it has a property without a value")]
    Dangling,
    /// A type of several fields, where only a type may stand.
    #[error("a type cannot hold `|`")]
    Separator,
}

impl Record {
    /// A record of this type without properties.
    #[must_use]
    pub fn of_kind(kind: impl Into<Vec<u8>>) -> Self {
        Self {
            kind: kind.into(),
            ..Self::default()
        }
    }

    /// The same with a property set.
    #[must_use]
    pub fn with(mut self, name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        self.props.insert(name.into(), value.into());
        self
    }

    /// The property's value; an empty one counts as missing, as every user of the databases has it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let value = self.props.get(name.as_bytes())?;
        (!value.is_empty()).then_some(value.as_slice())
    }

    /// Reads the value part of a line: never fails, whatever the bytes; see [`Record::dangling`].
    #[must_use]
    pub fn decode(raw: &[u8]) -> Self {
        let text = unescape_newlines(raw);
        let mut fields = split_fields(&text).into_iter();
        let mut record = Self::of_kind(fields.next().unwrap_or_default());
        while let Some(name) = fields.next() {
            match fields.next() {
                Some(value) => {
                    record.props.insert(name, value);
                }
                None => {
                    record.props.entry(name.clone()).or_default();
                    record.dangling = Some(name);
                }
            }
        }
        record
    }

    /// The value part of a line, properties sorted by name.
    ///
    /// # Errors
    /// The field that could not be read back, and why.
    pub fn encode(&self) -> Result<Vec<u8>, (Vec<u8>, Unfit)> {
        if let Some(name) = &self.dangling {
            return Err((name.clone(), Unfit::Dangling));
        }
        let mut raw = escape(&self.kind).map_err(|unfit| (b"type".to_vec(), unfit))?;
        for (name, value) in &self.props {
            let blame = |unfit| (name.clone(), unfit);
            if name.is_empty() {
                return Err(blame(Unfit::EmptyName));
            }
            raw.push(b'|');
            raw.extend(escape(name).map_err(blame)?);
            raw.push(b'|');
            raw.extend(escape(value).map_err(blame)?);
        }
        Ok(raw)
    }
}

/// The text with every stored line break (a backslash and `n`) as a real one.
#[must_use]
pub fn unescape_newlines(raw: &[u8]) -> Vec<u8> {
    replace_pair(raw, *b"\\n", b'\n')
}

/// The separators are the pipes that no backslash precedes; in a field, backslash and pipe stand for a pipe.
pub(super) fn split_fields(text: &[u8]) -> Vec<Vec<u8>> {
    let mut fields = vec![Vec::new()];
    let mut previous = 0;
    for &byte in text {
        if byte == b'|' && previous != b'\\' {
            fields.push(Vec::new());
        } else if let Some(field) = fields.last_mut() {
            field.push(byte);
        }
        previous = byte;
    }
    fields.iter().map(|field| replace_pair(field, *b"\\|", b'|')).collect()
}

fn replace_pair(text: &[u8], pair: [u8; 2], by: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        if byte == pair[1] && out.last() == Some(&pair[0]) {
            out.pop();
            out.push(by);
        } else {
            out.push(byte);
        }
    }
    out
}

fn escape(field: &[u8]) -> Result<Vec<u8>, Unfit> {
    if field.ends_with(b"\\") {
        return Err(Unfit::FinalBackslash);
    }
    if field.windows(2).any(|pair| pair == b"\\n") {
        return Err(Unfit::BackslashN);
    }
    let mut out = Vec::with_capacity(field.len());
    for &byte in field {
        match byte {
            b'|' => out.extend(b"\\|"),
            b'\n' => out.extend(b"\\n"),
            other => out.push(other),
        }
    }
    Ok(out)
}

//! Typed access to a record's properties, with errors that name them.

use super::RecordError;
use super::properties::is_secret;
use crate::esmith::Record;

/// A record whose properties are asked for.
pub(super) struct Fields<'a> {
    name: &'a str,
    record: &'a Record,
}

impl<'a> Fields<'a> {
    /// # Errors
    /// When the record is damaged.
    pub(super) fn new(name: &'a str, record: &'a Record) -> Result<Self, RecordError> {
        match &record.dangling {
            None => Ok(Self { name, record }),
            Some(property) => Err(RecordError::Damaged {
                record: name.to_owned(),
                property: String::from_utf8_lossy(property).into_owned(),
            }),
        }
    }

    /// The same, of a damaged one too.
    pub(super) fn lenient(name: &'a str, record: &'a Record) -> Self {
        Self { name, record }
    }

    pub(super) fn record(&self) -> &'a Record {
        self.record
    }

    pub(super) fn kind(&self) -> &'a [u8] {
        &self.record.kind
    }

    pub(super) fn bytes(&self, property: &str) -> Option<&'a [u8]> {
        self.record.get(property)
    }

    /// Reads a property with `parse`, which gives `None` for what is not allowed; a missing one is `default`.
    pub(super) fn read<T>(
        &self,
        property: &str,
        default: T,
        allowed: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, RecordError> {
        let Some(value) = self.bytes(property) else {
            return Ok(default);
        };
        let parsed = str::from_utf8(value).ok().and_then(|text| parse(text.trim()));
        parsed.ok_or_else(|| self.wrong(property, value, allowed))
    }

    pub(super) fn wrong(&self, property: &str, value: &[u8], allowed: &str) -> RecordError {
        RecordError::Value {
            record: self.name.to_owned(),
            property: property.to_owned(),
            value: if is_secret(property) {
                "(hidden)".to_owned()
            } else {
                lossy(value)
            },
            allowed: allowed.to_owned(),
        }
    }

    pub(super) fn missing(&self, property: &str, allowed: &str) -> RecordError {
        RecordError::Missing {
            record: self.name.to_owned(),
            property: property.to_owned(),
            allowed: allowed.to_owned(),
        }
    }

    pub(super) fn old(&self, property: &str, advice: &str) -> RecordError {
        RecordError::Old {
            record: self.name.to_owned(),
            property: property.to_owned(),
            advice: advice.to_owned(),
        }
    }

    pub(super) fn unknown(&self, property: &[u8], similar: Option<&str>) -> RecordError {
        RecordError::Unknown {
            record: self.name.to_owned(),
            property: lossy(property),
            similar: similar.map(str::to_owned),
        }
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

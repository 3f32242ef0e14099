use serde::{Deserialize, Serialize};

use crate::Id;

/// The file `config`: what makes a repository itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Format version, 1 or 2.
    pub version: u32,
    /// A random number that names the repository wherever it lies.
    pub id: Id,
    /// The polynomial of the rolling hash that cuts files.
    pub chunker_polynomial: Polynomial,
}

/// A polynomial over GF(2), bit n standing for xⁿ; written as hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Polynomial(pub u64);

impl Serialize for Polynomial {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:x}", self.0))
    }
}

impl<'de> Deserialize<'de> for Polynomial {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        u64::from_str_radix(&text, 16)
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}

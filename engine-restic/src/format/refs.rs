//! What a folder's listing refers to, and nothing else of it.

use std::borrow::Cow;

use serde::Deserialize;

use crate::Id;

/// A listing's nodes, reduced to what they refer to. It takes nodes of any type: what this program cannot restore still
/// needs its blobs.
#[derive(Deserialize)]
pub struct Refs<'a> {
    /// The nodes in order.
    #[serde(borrow)]
    nodes: Option<Vec<NodeRefs<'a>>>,
}

/// What one node refers to.
#[derive(Deserialize)]
pub struct NodeRefs<'a> {
    /// Its name as the listing quotes it.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// `file`, `dir`, …
    #[serde(borrow, rename = "type")]
    pub kind: Cow<'a, str>,
    /// For a file: its length in bytes.
    #[serde(default)]
    pub size: u64,
    /// For a file: its chunks in order.
    #[serde(default)]
    pub content: Option<Vec<Id>>,
    /// For a folder: its listing.
    #[serde(default)]
    pub subtree: Option<Id>,
}

impl<'a> Refs<'a> {
    /// Reads a listing's blob; fails with what is wrong with it.
    pub fn read(blob: &'a [u8]) -> Result<Vec<NodeRefs<'a>>, String> {
        let refs: Self = serde_json::from_slice(blob).map_err(|error| error.to_string())?;
        Ok(refs.nodes.unwrap_or_default())
    }
}

//! A folder's listing as a blob: `{"nodes":[…]}`, sorted by name.

use std::ffi::OsString;
use std::fmt;
use std::ops::ControlFlow;

use jiff::tz::TimeZone;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Node;
use super::node_read::{LastNames, RawNode};
use super::node_write;

/// Writes a listing node by node.
pub struct TreeWriter {
    json: Vec<u8>,
    last: Option<OsString>,
    zone: TimeZone,
}

/// A node came out of order, or twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutOfOrder;

impl TreeWriter {
    /// An empty listing whose times are written in `zone`.
    pub fn new(zone: TimeZone) -> Self {
        Self {
            json: b"{\"nodes\":[".to_vec(),
            last: None,
            zone,
        }
    }

    /// Adds a node; its name must come after all before it.
    pub fn add(&mut self, node: &Node) -> Result<(), OutOfOrder> {
        if let Some(last) = &self.last {
            if *last >= node.name {
                return Err(OutOfOrder);
            }
            self.json.push(b',');
        }
        node_write::write(node, &self.zone, &mut self.json);
        self.last = Some(node.name.clone());
        Ok(())
    }

    /// The blob.
    pub fn finish(mut self) -> Vec<u8> {
        self.json.extend_from_slice(b"]}\n");
        self.json
    }
}

/// Reads listings.
pub struct TreeReader;

impl TreeReader {
    /// Hands every node to `each` until it breaks; fails with what is wrong with the bytes.
    pub fn each(blob: &[u8], each: &mut dyn FnMut(Node) -> ControlFlow<()>) -> Result<(), String> {
        let mut stopped = false;
        let seed = TreeSeed {
            each,
            stopped: &mut stopped,
        };
        let mut deserializer = serde_json::Deserializer::from_slice(blob);
        match seed.deserialize(&mut deserializer) {
            Err(error) if !stopped => Err(error.to_string()),
            _ => Ok(()),
        }
    }

    /// All nodes at once.
    pub fn all(blob: &[u8]) -> Result<Vec<Node>, String> {
        let mut nodes = Vec::new();
        Self::each(blob, &mut |node| {
            nodes.push(node);
            ControlFlow::Continue(())
        })?;
        Ok(nodes)
    }
}

struct TreeSeed<'c> {
    each: &'c mut dyn FnMut(Node) -> ControlFlow<()>,
    stopped: &'c mut bool,
}

impl<'de> DeserializeSeed<'de> for TreeSeed<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for TreeSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `nodes`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { each, stopped } = self;
        let mut seen = false;
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            if key == "nodes" {
                seen = true;
                map.next_value_seed(NodesSeed {
                    each: &mut *each,
                    stopped: &mut *stopped,
                })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        if seen {
            Ok(())
        } else {
            Err(serde::de::Error::missing_field("nodes"))
        }
    }
}

struct NodesSeed<'c> {
    each: &'c mut dyn FnMut(Node) -> ControlFlow<()>,
    stopped: &'c mut bool,
}

impl<'de> DeserializeSeed<'de> for NodesSeed<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for NodesSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of nodes")
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut nodes: A) -> Result<(), A::Error> {
        let mut names = LastNames::default();
        let mut last: Option<OsString> = None;
        while let Some(raw) = nodes.next_element::<RawNode<'de>>()? {
            let node = raw.into_node(&mut names);
            let node = node.ok_or_else(|| serde::de::Error::custom("a node makes no sense"))?;
            if last.as_ref().is_some_and(|last| *last >= node.name) {
                return Err(serde::de::Error::custom("its nodes are not in order"));
            }
            last = Some(node.name.clone());
            if (self.each)(node).is_break() {
                *self.stopped = true;
                return Err(serde::de::Error::custom("stopped"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

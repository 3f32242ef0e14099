//! A folder's listing, read one node at a time as the caller asks.

use std::borrow::Cow;
use std::ffi::OsString;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Node;
use super::node_read::{LastNames, RawNode};

/// Reads a listing node by node out of its blob: in memory are the blob and one node.
pub struct TreeCursor {
    blob: Vec<u8>,
    position: usize,
    state: State,
    names: LastNames,
    last: Option<OsString>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Begin,
    First,
    Later,
    Ended,
}

impl TreeCursor {
    /// Before the first node of `blob`.
    pub fn new(blob: Vec<u8>) -> Self {
        Self {
            blob,
            position: 0,
            state: State::Begin,
            names: LastNames::default(),
            last: None,
        }
    }

    /// The next node; fails with what is wrong with the bytes, and has nothing more after that.
    pub fn next(&mut self) -> Result<Option<Node>, String> {
        let next = self.step();
        if !matches!(next, Ok(Some(_))) {
            self.state = State::Ended;
            self.blob = Vec::new();
        }
        next
    }

    fn step(&mut self) -> Result<Option<Node>, String> {
        if self.state == State::Begin {
            self.begin()?;
        }
        if self.state == State::Ended || self.take(b']') {
            return Ok(None);
        }
        if self.state == State::Later {
            self.expect(b',')?;
        }
        self.state = State::Later;
        let (raw, end): (RawNode<'_>, usize) = value(&self.blob, self.position)?;
        let node = raw.into_node(&mut self.names).ok_or("a node makes no sense")?;
        self.position = end;
        if self.last.as_ref().is_some_and(|last| *last >= node.name) {
            return Err("its nodes are not in order".to_owned());
        }
        self.last = Some(node.name.clone());
        Ok(Some(node))
    }

    /// Goes behind the bracket that opens the nodes.
    fn begin(&mut self) -> Result<(), String> {
        self.expect(b'{')?;
        loop {
            let (key, end): (Cow<'_, str>, usize) = value(&self.blob, self.position)?;
            let found = key == "nodes";
            self.position = end;
            self.expect(b':')?;
            if found {
                break;
            }
            self.position = value::<IgnoredAny>(&self.blob, self.position)?.1;
            self.expect(b',')?;
        }
        self.state = State::First;
        if !self.take(b'[') {
            self.position = value::<()>(&self.blob, self.position)?.1;
            self.state = State::Ended;
        }
        Ok(())
    }

    fn take(&mut self, wanted: u8) -> bool {
        let rest = self.blob.get(self.position..).unwrap_or_default();
        let blanks = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let found = rest.get(blanks) == Some(&wanted);
        if found {
            self.position += blanks + 1;
        }
        found
    }

    fn expect(&mut self, wanted: u8) -> Result<(), String> {
        if self.take(wanted) {
            Ok(())
        } else {
            Err(format!("`{}` is missing at byte {}", char::from(wanted), self.position))
        }
    }
}

/// The JSON value that begins at `position`, and where it ends.
fn value<'b, T: Deserialize<'b>>(blob: &'b [u8], position: usize) -> Result<(T, usize), String> {
    let rest = blob.get(position..).unwrap_or_default();
    let mut values = serde_json::Deserializer::from_slice(rest).into_iter();
    match values.next() {
        Some(Ok(value)) => Ok((value, position + values.byte_offset())),
        Some(Err(error)) => Err(error.to_string()),
        None => Err("it ends in the middle".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::format::TreeReader;

    fn all(blob: &[u8]) -> Result<Vec<Node>, String> {
        let mut cursor = TreeCursor::new(blob.to_vec());
        std::iter::from_fn(|| cursor.next().transpose()).collect()
    }

    #[test]
    fn finds_the_nodes_wherever_they_stand() {
        let node = r#"{"name":"a","type":"file","content":[]}"#;
        let other = r#"{"name":"b","type":"dir"}"#;
        for (blob, count) in [
            ("{\"nodes\":[]}\n".to_owned(), 0),
            ("{\"nodes\":null}".to_owned(), 0),
            (format!("{{\"nodes\":[{node}]}}\n"), 1),
            (
                format!(" {{ \"x\" : [1,{{\"nodes\":2}}] , \"n\":5, \"nodes\" : [ {node} , {other} ] , \"y\":1}}"),
                2,
            ),
        ] {
            assert_eq!(all(blob.as_bytes()).map(|nodes| nodes.len()), Ok(count), "{blob}");
            assert_eq!(all(blob.as_bytes()), TreeReader::all(blob.as_bytes()));
        }
    }

    #[test]
    fn says_what_is_wrong() {
        let node = r#"{"name":"a","type":"file"}"#;
        for blob in [
            String::new(),
            "{}".to_owned(),
            "[]".to_owned(),
            format!("{{\"nodes\":[{node}"),
            format!("{{\"nodes\":[{node},{node}]}}"),
            format!("{{\"nodes\":[{node} {node}]}}"),
            "{\"nodes\":[{\"name\":\"..\",\"type\":\"dir\"}]}".to_owned(),
        ] {
            assert!(all(blob.as_bytes()).is_err(), "{blob}");
        }
    }

    #[test]
    fn nothing_comes_after_an_error() {
        let mut cursor = TreeCursor::new(b"{\"nodes\":[5]}".to_vec());
        assert!(cursor.next().is_err());
        assert_eq!(cursor.next(), Ok(None));
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_fail_badly(blob in r#"[\[\]{},:" nodesameypfi0-9]{0,60}"#) {
            let _ = all(blob.as_bytes());
        }
    }
}

//! The includes as a tree.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::sync::Arc;

/// A component of an include's path.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// An include ends here: everything below is wanted.
    pub(super) whole: bool,
    /// The components that includes go on with, sorted by bytes.
    pub(super) children: BTreeMap<CString, Arc<Node>>,
}

impl Node {
    /// Adds the include whose components are `path`.
    pub(super) fn add<'a>(self: &mut Arc<Self>, path: impl IntoIterator<Item = &'a CStr>) {
        let mut at = self;
        for name in path {
            // Nobody else holds a node while the tree is built.
            let Some(node) = Arc::get_mut(at) else { return };
            at = node.children.entry(name.to_owned()).or_default();
        }
        if let Some(node) = Arc::get_mut(at) {
            node.whole = true;
        }
    }
}

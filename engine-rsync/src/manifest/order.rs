//! The order of a walk: byte order of the components.

use std::cmp::Ordering;

/// Compares two paths as a walk orders them: a folder, then all below it, then its next sibling.
#[must_use]
pub fn path_order(left: &[u8], right: &[u8]) -> Ordering {
    let shared = shared_prefix(left, right);
    // The slash ends a component, so it comes before every byte that goes on with one.
    let rank = |path: &[u8]| match path.get(shared) {
        None => 0,
        Some(b'/') => 1,
        Some(&byte) => 2 + u16::from(byte),
    };
    rank(left).cmp(&rank(right))
}

/// Whether `path` is `folder` or lies below it; everything lies below the empty path.
#[must_use]
pub fn is_below(path: &[u8], folder: &[u8]) -> bool {
    match path.strip_prefix(folder) {
        Some(rest) => folder.is_empty() || rest.is_empty() || rest.starts_with(b"/"),
        None => false,
    }
}

/// How many bytes at the start are the same.
pub(super) fn shared_prefix(left: &[u8], right: &[u8]) -> usize {
    left.iter().zip(right).take_while(|(left, right)| left == right).count()
}

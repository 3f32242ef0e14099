//! When a restored tree is what was saved, as far as duplicity's format can hold it.

use std::path::Path;

use rustix::fs::FileType;

use crate::tree::{Compare, Picture, assert_same, differences, picture};

/// The tree as the format holds it: no sockets, whole seconds from 1970 on, no times of links, no extended attributes,
/// and a file of two names twice.
#[must_use]
pub fn as_stored(picture: &Picture) -> Picture {
    let mut picture = picture.clone();
    picture.retain(|_, item| FileType::from_raw_mode(item.mode) != FileType::Socket);
    for item in picture.values_mut() {
        item.mtime = match FileType::from_raw_mode(item.mode) {
            FileType::Symlink => (0, 0),
            _ => (item.mtime.0.max(0), 0),
        };
        item.xattrs.clear();
        item.first_name = None;
    }
    picture
}

/// Compares what lies at `restored`, which may be a single file, with `path` and all below it in the state that was saved.
///
/// # Panics
/// With a list of the differences, when there are any.
pub fn assert_part_equal(saved: &Picture, path: &Path, restored: &Path) {
    let relative = |picture: Picture, start: &Path| -> Picture {
        let inside = picture.into_iter().filter(|(name, _)| name.starts_with(start));
        inside
            .map(|(name, item)| (name.strip_prefix(start).unwrap().to_owned(), item))
            .collect()
    };
    // A picture begins at a folder.
    let around = picture(restored.parent().unwrap());
    let restored = relative(around, Path::new(restored.file_name().unwrap()));
    let saved = relative(saved.clone(), path);
    println!("comparing {}", path.display());
    assert_same(&as_stored(&saved), &as_stored(&restored), Compare::default());
}

/// Compares the tree at `restored` with the state that was saved.
///
/// # Panics
/// With a list of the differences, when there are any.
pub fn assert_equal(saved: &Picture, restored: &Path) {
    assert_same(&as_stored(saved), &as_stored(&picture(restored)), Compare::default());
}

/// The differences in words; empty when the trees are equal.
#[must_use]
pub fn unequal(saved: &Picture, restored: &Path) -> Vec<String> {
    differences(&as_stored(saved), &as_stored(&picture(restored)), Compare::default())
}

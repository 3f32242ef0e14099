//! The meaning of an entry's name in a volume or signature file.

use crate::format::TreePath;

/// What an entry of a volume brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PartKind {
    /// A complete object, or a part of a file's content.
    Snapshot,
    /// What makes a file of its former version, or a part of that.
    Diff,
    /// The path is gone.
    Deleted,
    /// A file's signature; in signature files only.
    Signature,
}

/// What an entry's name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartName {
    /// What it brings.
    pub kind: PartKind,
    /// For which path.
    pub path: TreePath,
    /// The part's number, from 1, when the object lies in several entries.
    pub part: Option<u64>,
}

impl PartName {
    /// Reads the name of an entry of a volume.
    pub(crate) fn in_volume(name: &[u8]) -> Result<Self, String> {
        let (kind, rest, numbered) = if let Some(rest) = name.strip_prefix(b"snapshot/") {
            (PartKind::Snapshot, rest, false)
        } else if let Some(rest) = name.strip_prefix(b"diff/") {
            (PartKind::Diff, rest, false)
        } else if let Some(rest) = name.strip_prefix(b"deleted/") {
            (PartKind::Deleted, rest, false)
        } else if let Some(rest) = name.strip_prefix(b"multivol_snapshot/") {
            (PartKind::Snapshot, rest, true)
        } else if let Some(rest) = name.strip_prefix(b"multivol_diff/") {
            (PartKind::Diff, rest, true)
        } else {
            return Err(unknown(name));
        };
        let (rest, part) = if numbered { split_number(rest) } else { (rest, None) };
        Ok(Self {
            kind,
            path: path(name, rest)?,
            part: if numbered { part.or(Some(1)) } else { None },
        })
    }

    /// Reads the name of an entry of a signature file.
    pub(crate) fn in_signatures(name: &[u8]) -> Result<Self, String> {
        let (kind, rest) = if let Some(rest) = name.strip_prefix(b"snapshot/") {
            (PartKind::Snapshot, rest)
        } else if let Some(rest) = name.strip_prefix(b"signature/") {
            (PartKind::Signature, rest)
        } else if let Some(rest) = name.strip_prefix(b"deleted/") {
            (PartKind::Deleted, rest)
        } else {
            return Err(unknown(name));
        };
        Ok(Self {
            kind,
            path: path(name, rest)?,
            part: None,
        })
    }
}

/// The path itself may end in digits, so only what stands behind the last slash is the number.
fn split_number(rest: &[u8]) -> (&[u8], Option<u64>) {
    let Some(slash) = rest.iter().rposition(|byte| *byte == b'/') else {
        return (rest, None);
    };
    let (path, number) = rest.split_at(slash);
    let digits = number.get(1..).unwrap_or_default();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return (rest, None);
    }
    let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    (path, Some(number.unwrap_or(u64::MAX)))
}

fn path(name: &[u8], rest: &[u8]) -> Result<TreePath, String> {
    let refused = || format!("the entry `{}` leads out of the tree", String::from_utf8_lossy(name));
    if rest.starts_with(b"/") {
        return Err(refused());
    }
    TreePath::parse(rest).ok_or_else(refused)
}

fn unknown(name: &[u8]) -> String {
    format!("the entry `{}` has no meaning", String::from_utf8_lossy(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(name: &str) -> (PartKind, String, Option<u64>) {
        let name = PartName::in_volume(name.as_bytes()).unwrap();
        (name.kind, name.path.to_string(), name.part)
    }

    #[test]
    fn names_of_volumes() {
        assert_eq!(volume("snapshot/./"), (PartKind::Snapshot, ".".to_owned(), None));
        assert_eq!(volume("snapshot/"), (PartKind::Snapshot, ".".to_owned(), None));
        assert_eq!(volume("snapshot/a/b/"), (PartKind::Snapshot, "a/b".to_owned(), None));
        assert_eq!(volume("diff/a/1"), (PartKind::Diff, "a/1".to_owned(), None));
        assert_eq!(volume("deleted/a"), (PartKind::Deleted, "a".to_owned(), None));
        assert_eq!(
            volume("multivol_snapshot/./1"),
            (PartKind::Snapshot, ".".to_owned(), Some(1))
        );
        assert_eq!(
            volume("multivol_diff/a/7/12"),
            (PartKind::Diff, "a/7".to_owned(), Some(12))
        );
    }

    #[test]
    fn what_leads_out_or_means_nothing_is_refused() {
        for name in [
            "snapshot/../a",
            "snapshot//etc",
            "diff/a/../../b",
            "multivol_diff/../1",
            "signature/a",
            "a",
            "",
        ] {
            assert!(PartName::in_volume(name.as_bytes()).is_err(), "{name}");
        }
        assert!(PartName::in_signatures(b"diff/a").is_err());
        assert_eq!(PartName::in_signatures(b"snapshot/").unwrap().path, TreePath::root());
        assert_eq!(
            PartName::in_signatures(b"signature/a").unwrap().kind,
            PartKind::Signature
        );
    }
}

//! What includes mean: wildcards, links on the way, missing ones, several in one tree.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use engine_api::Selection;
use fstree::{Walk, WalkOptions};

use crate::support::{folder, grow, select, walk};

#[test]
fn the_folders_above_an_include_are_delivered_with_nothing_else_in_them() {
    let dir = folder();
    grow(dir.path(), &["var/lib/x/data", "var/lib/y", "var/z", "etc/passwd"]);
    let delivered = walk(dir.path(), &select(dir.path(), &["var/lib/x", "etc/passwd"], &[]), 2);
    assert_eq!(
        delivered.entries,
        ["etc/", "etc/passwd", "var/", "var/lib/", "var/lib/x/", "var/lib/x/data"]
    );
}

#[test]
fn includes_in_includes_are_one() {
    let dir = folder();
    grow(dir.path(), &["a/b/c", "a/d"]);
    for includes in [&["a", "a/b"][..], &["a/b", "a/b/c", "a"], &["a", "a", "a/"]] {
        let delivered = walk(dir.path(), &select(dir.path(), includes, &[]), 0);
        assert_eq!(delivered.entries, ["a/", "a/b/", "a/b/c", "a/d"]);
        assert_eq!(delivered.notices, [] as [String; 0]);
    }
}

#[test]
fn the_root_means_everything() {
    let dir = folder();
    grow(dir.path(), &["here"]);
    let selection = Selection {
        includes: vec![b"/".to_vec()],
        one_file_system: true,
        ..Selection::default()
    };
    // Everything would take long, so it is enough to see it begin.
    let walk = Walk::new(&selection, WalkOptions { threads: 0 }).unwrap();
    assert_eq!(walk.includes(), [std::path::Path::new("/")]);
    assert!(walk.take(5).count() == 5);
}

#[test]
fn wildcards_are_expanded() {
    let dir = folder();
    grow(
        dir.path(),
        &[
            "home/ann/Documents/a",
            "home/bob/Documents",
            "home/bob/x",
            "home/.cat/Documents/b",
            "h/q/Documents/",
        ],
    );
    let entries = |include: &str| walk(dir.path(), &select(dir.path(), &[include], &[]), 0).entries;
    let all = [
        "home/",
        "home/.cat/",
        "home/.cat/Documents/",
        "home/.cat/Documents/b",
        "home/ann/",
        "home/ann/Documents/",
        "home/ann/Documents/a",
        "home/bob/",
        "home/bob/Documents",
    ];
    assert_eq!(entries("home/*/Documents"), all);
    assert_eq!(entries("home/*/Documents/"), all[..7]);
    assert_eq!(entries("home/[!.]*/Doc?ments/"), [all[0], all[4], all[5], all[6]]);
    assert_eq!(
        entries("h**/Documents/"),
        [&["h/", "h/q/", "h/q/Documents/"], &all[..7]].concat()
    );
    assert_eq!(entries("**/b"), [&all[..4]].concat());
    assert_eq!(entries("home/**/x"), ["home/", "home/bob/", "home/bob/x"]);
}

#[test]
fn names_with_wildcards_in_them_can_be_meant() {
    let dir = folder();
    grow(dir.path(), &["a*b/x", "acb/y", "back\\slash/z", "DOM\\ann/w", "[q]"]);
    let entries = |include: &str| walk(dir.path(), &select(dir.path(), &[include], &[]), 0).entries;
    assert_eq!(entries("a\\*b"), ["a*b/", "a*b/x"]);
    assert_eq!(entries("a[*]b"), ["a*b/", "a*b/x"]);
    assert_eq!(entries("back\\\\slash"), ["back\\slash/", "back\\slash/z"]);
    assert_eq!(entries("DOM\\ann"), ["DOM\\ann/", "DOM\\ann/w"]);
    assert_eq!(entries("[[]q]"), ["[q]"]);
    let literal = fstree::pattern::literal(b"a*b?[c]\\");
    assert_eq!(literal, b"a[*]b[?][[]c]\\\\");
}

#[test]
fn an_include_that_matches_nothing_is_said_and_the_rest_is_saved() {
    let dir = folder();
    grow(dir.path(), &["there", "file"]);
    let delivered = walk(
        dir.path(),
        &select(dir.path(), &["there", "missing/x", "no*", "file/below", "file/"], &[]),
        0,
    );
    assert_eq!(delivered.entries, ["there"]);
    assert_eq!(delivered.problems, []);
    let expected: Vec<String> = ["missing/x", "no*", "file/below", "file/"]
        .iter()
        .map(|include| format!("nothing matches the include {}/{include}", dir.path().display()))
        .collect();
    assert_eq!(delivered.notices, expected);
}

#[test]
fn an_include_behind_a_link_means_the_link_and_what_is_behind() {
    let dir = folder();
    grow(dir.path(), &["data/mail/box/m", "data/other", "var/spool/"]);
    symlink("../../data/mail", dir.path().join("var/spool/mail")).unwrap();
    symlink(dir.path().join("var/spool"), dir.path().join("abs")).unwrap();
    let entries = |include: &str| walk(dir.path(), &select(dir.path(), &[include], &[]), 0).entries;
    let behind = [
        "data/",
        "data/mail/",
        "data/mail/box/",
        "data/mail/box/m",
        "var/",
        "var/spool/",
        "var/spool/mail",
    ];
    assert_eq!(entries("var/spool/mail/box"), behind);
    assert_eq!(entries("var/spool/mail/"), behind);
    assert_eq!(entries("abs/mail/b*"), [&["abs"][..], &behind].concat());
    assert_eq!(entries("var/spool/mail"), ["var/", "var/spool/", "var/spool/mail"]);
    let delivered = walk(dir.path(), &select(dir.path(), &["var/spool/mail"], &[]), 0);
    let text = "a symbolic link; the link is saved, not what it points to";
    assert_eq!(
        delivered.notices,
        [format!("{}/var/spool/mail: {text}", dir.path().display())]
    );
}

#[test]
fn links_in_a_circle_end() {
    let dir = folder();
    symlink("b", dir.path().join("a")).unwrap();
    symlink("a", dir.path().join("b")).unwrap();
    let delivered = walk(dir.path(), &select(dir.path(), &["a/x"], &[]), 0);
    assert_eq!(delivered.problems.len(), 1);
    assert_eq!(delivered.problems[0].action, "look for an include at");
    assert_eq!(delivered.entries, ["a", "b"]);
}

#[test]
fn names_that_are_not_text_are_found() {
    let dir = folder();
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9");
    std::fs::write(dir.path().join(name), "").unwrap();
    for tail in [&b"caf\xe9"[..], b"caf?", b"ca[\xe0-\xff]\xe9", b"*\xe9"] {
        let include = [dir.path().as_os_str().as_bytes(), b"/", tail].concat();
        let selection = Selection {
            includes: vec![include],
            ..Selection::default()
        };
        let walk = Walk::new(&selection, WalkOptions { threads: 0 }).unwrap();
        let expected = if tail.starts_with(b"ca[") {
            vec![]
        } else {
            vec![dir.path().join(name)]
        };
        assert_eq!(walk.includes(), expected);
    }
}

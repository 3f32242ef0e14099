use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

fn matcher(patterns: &[&str]) -> Matcher {
    Matcher::compile(
        &patterns
            .iter()
            .map(|pattern| pattern.as_bytes().to_vec())
            .collect::<Vec<_>>(),
    )
    .unwrap()
}

#[track_caller]
fn check(pattern: &str, yes: &[&str], no: &[&str]) {
    let matcher = matcher(&[pattern]);
    for (paths, expected) in [(yes, true), (no, false)] {
        for path in paths {
            let (bare, is_dir) = path.strip_suffix('/').map_or((*path, false), |bare| (bare, true));
            assert_eq!(
                matcher.matches(bare.as_bytes(), is_dir),
                expected,
                "{pattern} and {path}"
            );
        }
    }
}

#[test]
fn absolute_patterns_are_anchored() {
    check(
        "/root/.ssh",
        &["/root/.ssh", "/root/.ssh/"],
        &["/x/root/.ssh", "/root/.ssh/id", "/root", "/root/.sshx"],
    );
    check("/var//lib/", &["/var/lib/"], &["/var/lib", "/var"]);
    check("/", &["/"], &["/a", "/a/"]);
}

#[test]
fn other_patterns_match_at_any_depth() {
    check(
        "Download",
        &["/Download", "/a/b/Download/"],
        &["/a/MyDownload", "/Download/x", "/download"],
    );
    check(
        "*.iso",
        &["/x.iso", "/a/.iso", "/a/b.c.iso/"],
        &["/a/x.iso/y", "/x.iso2"],
    );
    check(
        "tmp/cache",
        &["/tmp/cache", "/a/tmp/cache"],
        &["/a/xtmp/cache", "/tmp/x/cache"],
    );
    check("cache/", &["/a/cache/"], &["/a/cache"]);
    check("*", &["/a", "/a/b"], &["/"]);
}

#[test]
fn wildcards_stay_in_their_component() {
    check(
        "/home/*/Documents",
        &["/home/ann/Documents"],
        &["/home/Documents", "/home/a/b/Documents"],
    );
    check("/a?c", &["/abc", "/a\u{7f}c"], &["/ac", "/a/c", "/abbc"]);
    check("/[a-c]x", &["/ax", "/cx"], &["/dx", "/x", "/-x"]);
    check("/[!a-c]x", &["/dx"], &["/ax", "//x"]);
    check("/[^a]", &["/b"], &["/a"]);
    check("/[]a-]", &["/]", "/a", "/-"], &["/b"]);
    check("/[a", &["/[a"], &["/a"]);
    check("/a[*-?]b", &["/a0b"], &["/a/b"]);
    check("/a\\*b\\c", &["/a*b\\c"], &["/axb\\c", "/a\\*b\\c"]);
}

#[test]
fn two_stars_go_through_slashes() {
    check(
        "**Download**",
        &["/Download", "/a/MyDownloads", "/a/Downloaded/x/y"],
        &["/a/download"],
    );
    check(
        "/a/**/z",
        &["/a/z", "/a/b/z", "/a/b/c/z/"],
        &["/a", "/az", "/b/a/z", "/a/bz"],
    );
    check("/a/**", &["/a/b", "/a/b/c"], &["/a", "/a/"]);
    check("/a/**/", &["/a/b/", "/a/b/c/"], &["/a/", "/a/b"]);
    check("/a/**z", &["/a/z", "/a/b/cz"], &["/az"]);
    check("/a**z", &["/az", "/abz", "/a/b/z"], &["/a/b/zy"]);
    check("**/x", &["/x", "/a/x"], &["/ax"]);
    check("/**/*/**/x", &["/a/x", "/a/b/x"], &["/x"]);
    check("**", &["/a", "/a/b"], &["/"]);
}

#[test]
fn a_matched_folder_covers_all_below() {
    let matcher = matcher(&["/var/lib/secrets/", "*.bak"]);
    for (path, expected) in [
        ("/var/lib/secrets", false),
        ("/var/lib/secrets/", true),
        ("/var/lib/secrets/a/b", true),
        ("/var/lib/secretsx/a", false),
        ("/x.bak/below", true),
        ("/x.bakery/below", false),
    ] {
        let (bare, is_dir) = path.strip_suffix('/').map_or((path, false), |bare| (bare, true));
        assert_eq!(matcher.covers(bare.as_bytes(), is_dir), expected, "{path}");
    }
}

#[test]
fn the_lists_that_nethserver_ships_mean_what_they_say() {
    let list = b"/var/lib/nethserver/secrets\n/var/lib/nethserver/backup/restic/\n\n/root/.ssh  \n/var/log/lastlog\r\n";
    let patterns = parse_list(list);
    assert_eq!(patterns.len(), 4);
    let matcher = Matcher::compile(&patterns).unwrap();
    assert!(matcher.covers(b"/var/lib/nethserver/secrets/x", false));
    assert!(matcher.covers(b"/var/lib/nethserver/backup/restic", true));
    assert!(!matcher.covers(b"/var/lib/nethserver/backup/restic", false));
    assert!(matcher.covers(b"/root/.ssh", true) && matcher.covers(b"/var/log/lastlog", false));
    assert!(!matcher.covers(b"/var/lib/nethserver/backup", true));
}

#[test]
fn lists_have_comments_and_blank_lines() {
    let patterns = parse_list(b"# comment\n  leading\n\t \n[#]x\n\xff\t\nlast");
    assert_eq!(patterns, [&b"  leading"[..], b"[#]x", b"\xff", b"last"]);
    assert_eq!(parse_list(b""), [] as [Vec<u8>; 0]);
}

#[test]
fn case_is_ignored_when_asked() {
    let patterns = [b"/A[b-c]*".to_vec(), b"[!x]y".to_vec(), "caf\u{e9}".as_bytes().to_vec()];
    let matcher = Matcher::compile_ignoring_case(&patterns).unwrap();
    for path in ["/aB", "/ACd", "/q/Ay", "/x/CAF\u{e9}"] {
        assert!(matcher.matches(path.as_bytes(), false), "{path}");
    }
    for path in ["/xY", "/Xy", "/CAF\u{c9}", "/ad"] {
        assert!(!matcher.matches(path.as_bytes(), false), "{path}");
    }
}

#[test]
fn hostile_patterns_take_no_longer_than_others() {
    let hostile = format!("{}b", "*a**?".repeat(200));
    let matcher = matcher(&[&hostile, &"**/".repeat(500), &"[a-z]*".repeat(300)]);
    let path = format!("/{}", "a".repeat(20_000) + &"/a".repeat(20_000));
    let begun = Instant::now();
    assert!(!matcher.matches(path.as_bytes(), false));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(
        Matcher::compile(&vec![vec![b'a'; 1000]; 200]).is_err(),
        "so many are refused"
    );
}

/// The language written down as simply as it can be: tries every way.
fn oracle(pattern: &[u8], path: &[u8], is_dir: bool) -> bool {
    let folders_only = pattern.ends_with(b"/");
    let mut whole = if pattern.starts_with(b"/") {
        Vec::new()
    } else {
        b"/**".to_vec()
    };
    for component in pattern.split(|&byte| byte == b'/').filter(|part| !part.is_empty()) {
        whole.push(b'/');
        whole.extend(component);
    }
    let mut bare = Vec::new();
    for component in path.split(|&byte| byte == b'/').filter(|part| !part.is_empty()) {
        bare.push(b'/');
        bare.extend(component);
    }
    (is_dir || !folders_only) && fits(&whole, &bare)
}

fn fits(pattern: &[u8], path: &[u8]) -> bool {
    let any_tail = |rest: &[u8], same_name: bool| {
        (0..=path.len())
            .take_while(|&at| !same_name || !path[..at].contains(&b'/'))
            .any(|at| fits(rest, &path[at..]))
    };
    let stars = pattern
        .strip_prefix(b"/")
        .map_or(0, |rest| rest.iter().take_while(|&&byte| byte == b'*').count());
    match pattern {
        [] => path.is_empty(),
        [b'/', ..] if stars >= 2 && pattern.get(stars + 1) == Some(&b'/') => {
            let rest = &pattern[stars + 1..];
            path.starts_with(b"/") && (0..path.len()).any(|at| path[at] == b'/' && fits(rest, &path[at..]))
        }
        [b'*', b'*', rest @ ..] => any_tail(rest, false),
        [b'*', rest @ ..] => any_tail(rest, true),
        [b'\\', next @ (b'*' | b'?' | b'[' | b'\\' | b'#'), rest @ ..] => {
            path.first() == Some(next) && fits(rest, &path[1..])
        }
        [b'?', rest @ ..] => path.first().is_some_and(|&byte| byte != b'/') && fits(rest, &path[1..]),
        [b'[', after @ ..] => {
            let negated = matches!(after.first(), Some(b'!' | b'^'));
            let set = &after[usize::from(negated)..];
            let name_end = set.iter().position(|&byte| byte == b'/').unwrap_or(set.len());
            let close = (1..name_end).find(|&at| ends_set(&set[..=at]));
            match close {
                Some(close) => path.first().is_some_and(|&byte| {
                    byte != b'/' && in_set(&set[..close], byte) != negated && fits(&set[close + 1..], &path[1..])
                }),
                None => path.first() == Some(&b'[') && fits(after, &path[1..]),
            }
        }
        [byte, rest @ ..] => path.first() == Some(byte) && fits(rest, &path[1..]),
    }
}

/// Whether the last byte is the `]` that ends the set, and not the end of a range or the first of the set.
fn ends_set(set: &[u8]) -> bool {
    let mut at = 0;
    while at < set.len() {
        if set[at] == b']' && at > 0 {
            return at + 1 == set.len();
        }
        let is_range = set.get(at + 1) == Some(&b'-') && set.get(at + 2).is_some_and(|&byte| byte != b']');
        at += if is_range { 3 } else { 1 };
    }
    false
}

fn in_set(mut set: &[u8], byte: u8) -> bool {
    while let Some((&first, rest)) = set.split_first() {
        if let [b'-', last, tail @ ..] = rest {
            if (first..=*last).contains(&byte) {
                return true;
            }
            set = tail;
        } else if first == byte {
            return true;
        } else {
            set = rest;
        }
    }
    false
}

fn pieces(pieces: &'static [&'static str], most: usize) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(proptest::sample::select(pieces), 1..most).prop_map(|parts| parts.concat().into_bytes())
}

const PATTERN: &[&str] = &[
    "a", "b", "/", "/", "*", "**", "/**/", "?", "[ab]", "[!a]", "[", "]", "[a-", "\\", "-", "#", "^", "!", "a/b",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_pattern_means_what_the_simple_matcher_says(
        patterns in proptest::collection::vec(pieces(PATTERN, 9), 1..4),
        paths in proptest::collection::vec(pieces(&["/a", "/b", "a", "b", "/", "-", "]", "/["], 8), 1..12),
        is_dir: bool,
    ) {
        let matcher = Matcher::compile(&patterns).unwrap();
        for path in &paths {
            let expected = patterns.iter().any(|pattern| oracle(pattern, path, is_dir));
            prop_assert_eq!(matcher.matches(path, is_dir), expected, "{}", String::from_utf8_lossy(path));
            let names: Vec<&[u8]> = path.split(|&byte| byte == b'/').filter(|name| !name.is_empty()).collect();
            let above = (0..names.len()).any(|depth| {
                let folder = names[..depth].iter().flat_map(|name| [b"/", *name].concat()).collect::<Vec<u8>>();
                patterns.iter().any(|pattern| oracle(pattern, &folder, true))
            });
            prop_assert_eq!(matcher.covers(path, is_dir), expected || above, "{}", String::from_utf8_lossy(path));
        }
    }

    #[test]
    fn bytes_of_any_kind_are_a_pattern(
        pattern in proptest::collection::vec(any::<u8>(), 0..24),
        path in proptest::collection::vec(any::<u8>(), 0..16),
        is_dir: bool,
    ) {
        match Matcher::compile(std::slice::from_ref(&pattern)) {
            Ok(matcher) => prop_assert_eq!(matcher.matches(&path, is_dir), oracle(&pattern, &path, is_dir)),
            Err(_) => prop_assert!(pattern.is_empty() || pattern.contains(&0)),
        }
        prop_assert!(parse_list(&pattern).iter().all(|line| !line.is_empty()));
    }

    #[test]
    fn a_literal_pattern_matches_its_path_only(
        path in proptest::collection::vec(1_u8.., 1..20),
        other in pieces(&["a", "b", "*", "?", "[", "\\", "/"], 6),
    ) {
        let normal = |path: &[u8]| {
            let names = path.split(|&byte| byte == b'/').filter(|name| !name.is_empty());
            names.flat_map(|name| [b"/", name].concat()).collect::<Vec<u8>>()
        };
        for path in [normal(&path), normal(&other)] {
            let pattern = literal(&if path.is_empty() { b"/".to_vec() } else { path.clone() });
            let matcher = Matcher::compile(&[pattern]).unwrap();
            prop_assert!(matcher.matches(&path, true));
            prop_assert_eq!(matcher.matches(&normal(&other), true), normal(&other) == path);
        }
    }
}

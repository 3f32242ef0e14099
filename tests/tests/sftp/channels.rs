//! Many files that are written share the channels of one connection, each of which has a process of the server's own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use engine_api::{Body, Destination, FileStore, Key, NewMetadata, PutMode, StoreErrorKind, StoredFile};
use holdfast_tests::need;
use holdfast_tests::sshd::{Options, Sshd};

use crate::common::{NO_SERVER, open};

/// With as many files open the other channels are wanted.
const WANTED: usize = 5;
const CHANNELS: usize = 4;
/// With as many, all of them.
const MANY: usize = 40;
const ALL: usize = 8;

/// The number of a file that is none of those on every channel.
const LATER: usize = 900_000;

/// Files that are being written.
type Open = Vec<(String, Box<dyn StoredFile>)>;

fn name(number: usize) -> String {
    format!("file{number:06}")
}

fn create(files: &dyn FileStore, numbers: std::ops::Range<usize>) -> Open {
    let create = |number| {
        let name = name(number);
        let file = files.create(&files.root(), name.as_bytes()).unwrap();
        file.write_at(0, name.as_bytes()).unwrap();
        (name, file)
    };
    numbers.map(create).collect()
}

/// A place that is known already, for nothing is tried out on other channels.
fn known(server: &Sshd, directory: &Path) -> Destination {
    let destination = open(server, directory);
    assert!(destination.files.as_deref().unwrap().capabilities().hard_links);
    destination
}

/// Files on at least so many channels.
fn spread(server: &Sshd, files: &dyn FileStore, channels: usize) -> Open {
    let mut all = create(files, 0..if channels > CHANNELS { MANY } else { WANTED });
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        if holders(server, all.len()).values().collect::<BTreeSet<_>>().len() >= channels {
            return all;
        }
        assert!(Instant::now() < end, "some channel is not used");
        std::thread::sleep(Duration::from_millis(20));
        all.extend(create(files, all.len()..all.len() + 1));
    }
}

/// Which of the server's processes has which file open; waits until as many are.
fn holders(server: &Sshd, number: usize) -> BTreeMap<String, u32> {
    let mut found = BTreeMap::new();
    for process in server.sessions() {
        let open = std::fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten();
        let open = open.filter_map(|item| std::fs::read_link(item.ok()?.path()).ok());
        let names = open.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()));
        found.extend(
            names
                .filter(|name| name.starts_with("file"))
                .map(|name| (name, process)),
        );
    }
    assert_eq!(found.len(), number, "{found:?}");
    found
}

fn complete(file: Box<dyn StoredFile>) -> Result<(), engine_api::StoreError> {
    file.complete(&NewMetadata::default(), true).map(drop)
}

fn assert_whole(directory: &Path, name: &str) {
    assert_eq!(std::fs::read_to_string(directory.join(name)).unwrap(), name);
}

/// One process is enough for few files. One that the server has just begun and not yet named is none that serves; one that
/// serves stays.
fn assert_settles_at_one(server: &Sshd) {
    let end = Instant::now() + Duration::from_secs(10);
    while server.sessions().len() != 1 {
        assert!(Instant::now() < end, "{:?}", server.sessions());
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn directory(server: &Sshd) -> PathBuf {
    server.folder().join("tree")
}

#[test]
fn many_files_are_spread_over_the_channels_of_one_connection() {
    let server = need!(Sshd::start(), NO_SERVER);
    let directory = directory(&server);
    let destination = known(&server, &directory);
    let files = destination.files.as_deref().unwrap();
    assert_settles_at_one(&server);
    let all = spread(&server, files, ALL);
    assert_eq!(server.sessions().len(), ALL);
    // What is copied from was opened on the first channel, and what it is copied into on all of them.
    let old = create(files, LATER..LATER + 1).remove(0);
    complete(old.1).unwrap();
    let later = name(LATER);
    let old = files.open(&files.root(), later.as_bytes()).unwrap();
    let names: Vec<String> = all.iter().map(|(name, _)| name.clone()).collect();
    for (_, file) in all {
        assert_eq!(
            file.copy_range(old.as_ref(), 0..later.len() as u64, 100).unwrap(),
            later.len() as u64
        );
        complete(file).unwrap();
    }
    for name in names {
        let content = std::fs::read(directory.join(&name)).unwrap();
        assert_eq!(
            (&content[..name.len()], &content[100..]),
            (name.as_bytes(), later.as_bytes())
        );
    }
}

#[test]
fn a_server_that_allows_one_channel_is_written_to_all_the_same() {
    let options = Options {
        lines: vec!["MaxSessions 1".to_owned()],
        ..Options::default()
    };
    let server = need!(Sshd::with(&options), NO_SERVER);
    let directory = directory(&server);
    let destination = known(&server, &directory);
    let files = destination.files.as_deref().unwrap();
    let all = create(files, 0..60);
    assert_eq!(holders(&server, 60).values().collect::<BTreeSet<_>>().len(), 1);
    for (name, file) in all {
        complete(file).unwrap();
        assert_whole(&directory, &name);
    }
    std::thread::scope(|scope| {
        for number in 0..16_u8 {
            let store = &destination.blobs;
            scope.spawn(move || {
                let key = Key::new(format!("data/{number}")).unwrap();
                store.put(&key, Body::Bytes(&[number; 100]), PutMode::Create).unwrap();
                assert_eq!(store.get(&key).unwrap(), [number; 100]);
            });
        }
    });
    assert_eq!(server.sessions().len(), 1);
}

#[test]
fn a_channel_that_dies_takes_only_its_own_files_along() {
    let server = need!(Sshd::start(), NO_SERVER);
    let directory = directory(&server);
    let destination = known(&server, &directory);
    let files = destination.files.as_deref().unwrap();
    let all = spread(&server, files, CHANNELS);
    let holders = holders(&server, all.len());
    // The first file came when there was one channel only, without which there is no connection.
    let dead = *holders.values().find(|process| **process != holders[&name(0)]).unwrap();
    server.kill(dead);
    let mut lost = 0;
    for (name, file) in all {
        let done = complete(file);
        if holders[&name] == dead {
            assert_eq!(done.unwrap_err().kind, StoreErrorKind::Connection, "{name}");
            lost += 1;
        } else {
            done.unwrap();
            assert_whole(&directory, &name);
        }
    }
    assert!(lost > 0);
    for (name, file) in create(files, LATER..LATER + 20) {
        complete(file).unwrap();
        assert_whole(&directory, &name);
    }
}

#[test]
fn the_end_of_the_connection_is_the_end_of_every_channel() {
    let mut server = need!(Sshd::start(), NO_SERVER);
    let directory = directory(&server);
    let destination = known(&server, &directory);
    let files = destination.files.as_deref().unwrap();
    let all = spread(&server, files, CHANNELS);
    server.crash();
    for (name, file) in all {
        assert_eq!(complete(file).unwrap_err().kind, StoreErrorKind::Connection, "{name}");
    }
    let error = files.create(&files.root(), b"new").map(drop).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Connection);
}

//! The contract of file stores.

use std::ops::ControlFlow;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use backends::conformance;
use engine_api::StoreErrorKind;
use holdfast_tests::sshd::Sshd;
use holdfast_tests::{corpus, need};

use crate::common::{EXTENSIONS, Meter, NO_SERVER, open};

#[test]
fn the_contract_holds() {
    let server = need!(Sshd::start(), NO_SERVER);
    let directory = server.folder().join("tree");
    let destination = open(&server, &directory);
    let files = destination.files.as_deref().unwrap();
    let found = files.capabilities();
    assert!(found.hard_links && found.symlinks && found.case_sensitive && found.any_name && found.atomic_replace);
    assert!(found.owners && found.modes && found.link_metadata && found.holes && found.copy_range);
    assert_eq!(found.time_unit, 1_000_000_000);
    assert_eq!(names(&directory), Vec::<String>::new(), "what was tried is gone");
    conformance::files::run(files, "area").unwrap();
    assert_eq!(names(&directory), Vec::<String>::new());
}

#[test]
fn the_contract_holds_without_any_extension() {
    let server = need!(Sshd::without(&EXTENSIONS), NO_SERVER);
    let directory = server.folder().join("tree");
    let destination = open(&server, &directory);
    let files = destination.files.as_deref().unwrap();
    let found = files.capabilities();
    assert!(!found.hard_links && !found.atomic_replace && !found.link_metadata && !found.copy_range);
    assert!(found.symlinks && found.modes && found.owners);
    conformance::files::run(files, "area").unwrap();
    assert_eq!(names(&directory), Vec::<String>::new());
}

#[test]
fn no_symbolic_link_leads_out_of_the_tree() {
    let server = need!(Sshd::start(), NO_SERVER);
    let directory = server.folder().join("tree");
    let outside = server.folder().join("outside");
    std::fs::create_dir_all(&outside).unwrap();
    std::fs::write(outside.join("file"), b"secret").unwrap();
    let destination = open(&server, &directory);
    let files = destination.files.as_deref().unwrap();
    symlink(&outside, directory.join("link")).unwrap();
    let link = files.root().child(b"link").unwrap();
    assert!(files.open(&link, b"file").is_err());
    assert!(files.create(&link, b"new").is_err());
    assert!(files.remove(&link, b"file").is_err());
    assert!(files.make_folder(&link, b"new").is_err());
    assert!(files.list(&link, &mut |_| ControlFlow::Continue(())).is_err());
    let deeper = link.child(b"deeper").unwrap();
    assert!(files.create(&deeper, b"new").is_err());
    assert_eq!(names(&outside), ["file"]);
}

/// OpenSSH says of both no more than that it failed, and a failure that might pass is tried again for minutes.
#[test]
fn a_folder_that_is_taken_for_a_file_is_refused_for_good() {
    let server = need!(Sshd::start(), NO_SERVER);
    let directory = server.folder().join("tree");
    let destination = open(&server, &directory);
    let files = destination.files.as_deref().unwrap();
    files.make_folder(&files.root(), b"folder").unwrap();
    let removed = files.remove(&files.root(), b"folder").unwrap_err();
    assert!(removed.is_permanent(), "{removed:?}");
    let opened = files.open(&files.root(), b"folder").map(drop).unwrap_err();
    assert!(opened.is_permanent(), "{opened:?}");
    assert_eq!(names(&directory), ["folder"]);
}

#[test]
fn metadata_arrives_and_a_listing_tells_the_links() {
    let server = need!(Sshd::start(), NO_SERVER);
    let directory = server.folder().join("tree");
    let destination = open(&server, &directory);
    let files = destination.files.as_deref().unwrap();
    let root = files.root();
    let file = files.create(&root, b"file").unwrap();
    file.write_at(0, b"content").unwrap();
    let new = engine_api::NewMetadata {
        owner: Some((1234, 2345)),
        mode: Some(0o6750),
        mtime: Some(engine_api::Timestamp {
            seconds: 4_000_000_000,
            nanos: 5,
        }),
        ..engine_api::NewMetadata::default()
    };
    assert!(file.set_metadata(&new).is_empty());
    file.sync().unwrap();
    file.close().unwrap();
    files.hard_link((&root, b"file"), (&root, b"second")).unwrap();
    let found = std::fs::metadata(directory.join("second")).unwrap();
    assert_eq!((found.uid(), found.gid(), found.mtime()), (1234, 2345, 4_000_000_000));
    assert_eq!(found.permissions().mode() & 0o7777, 0o6750);
    let mut links = Vec::new();
    files
        .list(&root, &mut |listed| {
            links.push(listed.stat.unwrap().links);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(links, [Some(2), Some(2)]);
    let before_1970 = engine_api::NewMetadata {
        mtime: Some(engine_api::Timestamp { seconds: -1, nanos: 0 }),
        ..engine_api::NewMetadata::default()
    };
    let failed = files.set_metadata(&root, b"file", &before_1970);
    assert_eq!(failed.first().unwrap().kind, StoreErrorKind::Unsupported);
}

#[test]
fn a_pipe_holds_nobody_up() {
    let server = need!(Sshd::start(), NO_SERVER);
    let directory = server.folder().join("tree");
    let destination = open(&server, &directory);
    let files = destination.files.as_deref().unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(directory.join("pipe"))
        .status();
    assert!(made.unwrap().success());
    assert!(files.open(&files.root(), b"pipe").is_err());
}

fn names(folder: &Path) -> Vec<String> {
    let items = std::fs::read_dir(folder).unwrap();
    items
        .map(|item| item.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn what_is_read_ahead_is_never_old() {
    const PIECE: usize = 100_000;
    let server = need!(Sshd::start(), NO_SERVER);
    let destination = open(&server, &server.folder().join("tree"));
    let files = destination.files.as_deref().unwrap();
    let root = files.root();
    let writer = files.create(&root, b"file").unwrap();
    writer.write_at(0, &vec![1; 40 * PIECE + 7]).unwrap();
    let reader = files.open(&root, b"file").unwrap();
    let mut buffer = vec![0; PIECE];
    for number in 0..41_u8 {
        let offset = u64::from(number) * PIECE as u64;
        if number % 7 == 3 {
            writer.write_at(offset, &vec![number; PIECE]).unwrap();
        }
        let wanted = if number % 7 == 3 { number } else { 1 };
        let length = if number == 40 { 7 } else { PIECE };
        assert_eq!(reader.read_at(offset, &mut buffer).unwrap(), length);
        assert!(buffer[..length].iter().all(|&byte| byte == wanted), "piece {number}");
    }
    // Back to the start, in other pieces, past the end.
    assert_eq!(reader.read_at(0, &mut buffer[..10]).unwrap(), 10);
    assert_eq!(reader.read_at(10, &mut buffer[..50]).unwrap(), 50);
    assert_eq!(reader.read_at(60, &mut buffer[..20]).unwrap(), 20);
    assert_eq!(reader.read_at(80, &mut buffer[..20]).unwrap(), 20);
    assert_eq!(buffer[..20], [1; 20]);
    assert_eq!(reader.read_at(50 * PIECE as u64, &mut buffer).unwrap(), 0);
}

/// What is read one after the other is asked for once, however much is wanted at a time.
#[test]
fn reading_on_in_any_steps_gives_what_is_there_and_asks_for_it_once() {
    const LENGTH: usize = 5_000_000;
    let server = need!(Sshd::start(), NO_SERVER);
    let directory = server.folder().join("tree");
    std::fs::create_dir_all(&directory).unwrap();
    let mut random = corpus::Random::new(41);
    let content = random.noise(LENGTH);
    std::fs::write(directory.join("file"), &content).unwrap();
    let received = Arc::new(AtomicU64::new(0));
    let meter = Meter::both(server.address(), Arc::default(), Arc::clone(&received));
    let mut settings = server.settings(&directory);
    settings.port = meter.port();
    let destination = backends::sftp::open(settings, false).unwrap();
    let files = destination.files.as_deref().unwrap();
    let file = files.open(&files.root(), b"file").unwrap();
    let mut buffer = vec![0; 1 << 20];
    let mut at = 0;
    loop {
        let wanted = 1 + usize::try_from(random.below(300_000)).unwrap();
        let read = file.read_at(at as u64, &mut buffer[..wanted]).unwrap();
        assert!(read == wanted.min(LENGTH - at), "{read} of {wanted} at {at}");
        assert!(buffer[..read] == content[at..at + read], "{wanted} at {at}");
        at += read;
        if read < wanted {
            break;
        }
        // A look elsewhere costs no more than itself.
        let elsewhere = usize::try_from(random.below(LENGTH as u64 - 100)).unwrap();
        assert_eq!(file.read_at(elsewhere as u64, &mut buffer[..100]).unwrap(), 100);
        assert!(buffer[..100] == content[elsewhere..elsewhere + 100], "{elsewhere}");
    }
    let received = received.load(Ordering::SeqCst);
    assert!(received < LENGTH as u64 * 11 / 10, "{received} bytes for {LENGTH}");
    // Back and forth, and beyond the end.
    for _ in 0..300 {
        let start = usize::try_from(random.below(LENGTH as u64 + 10_000)).unwrap();
        let mut at = start;
        for _ in 0..random.below(4) {
            let wanted = 1 + usize::try_from(random.below(50_000)).unwrap();
            let read = file.read_at(at as u64, &mut buffer[..wanted]).unwrap();
            let expected = content.get(at..).unwrap_or_default();
            assert!(
                buffer[..read] == expected[..wanted.min(expected.len())],
                "{wanted} at {at}"
            );
            at += read;
        }
    }
}

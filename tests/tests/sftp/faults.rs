//! What goes wrong between here and the server, and on it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backends::sftp::Settings;
use engine_api::{Body, Failure, Key, PutMode, StoreError, StoreErrorKind};
use holdfast_tests::mount::{Mount, NO_MOUNT};
use holdfast_tests::need;
use holdfast_tests::proxy::{Fault, Proxy};
use holdfast_tests::sshd::{ACCOUNT, Options, PASSWORD, Sshd, free_port};

use crate::common::{NO_SERVER, open};

/// The settings that go through a proxy, whose connections meet `plan`.
fn through(server: &Sshd, place: &Path, plan: impl Fn(u64) -> Fault + Send + Sync + 'static) -> (Proxy, Settings) {
    let proxy = Proxy::start(server.address(), Arc::new(plan));
    let mut settings = server.settings(place);
    settings.port = proxy.address.port();
    settings.connect_timeout = Duration::from_secs(10);
    settings.stall_timeout = Duration::from_secs(2);
    (proxy, settings)
}

fn error_of(settings: Settings) -> StoreError {
    match backends::sftp::open(settings, true) {
        Ok(_) => panic!("the connection was made"),
        Err(error) => error,
    }
}

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

#[test]
fn a_closed_port_is_worth_another_try() {
    let server = need!(Sshd::start(), NO_SERVER);
    let mut settings = server.settings(server.folder());
    settings.port = free_port();
    let error = error_of(settings);
    assert_eq!(error.kind, StoreErrorKind::Connection);
    assert!(!error.is_permanent());
    assert!(error.hint().unwrap().contains("server is up"));
}

#[test]
fn a_name_that_nobody_has_is_told() {
    let server = need!(Sshd::start(), NO_SERVER);
    let mut settings = server.settings(server.folder());
    settings.host = "no-such-host.invalid".to_owned();
    let error = error_of(settings);
    assert_eq!(error.kind, StoreErrorKind::Connection);
    assert!(engine_api::Error::from(error).chain().contains("no-such-host.invalid"));
}

#[test]
fn a_server_that_never_answers_ends_in_a_timeout() {
    let server = need!(Sshd::start(), NO_SERVER);
    let (_proxy, mut settings) = through(&server, server.folder(), |_| Fault::Hang);
    settings.connect_timeout = Duration::from_millis(700);
    let start = Instant::now();
    let error = error_of(settings);
    assert_eq!(error.kind, StoreErrorKind::Timeout);
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_server_that_falls_silent_ends_in_a_timeout() {
    let server = need!(Sshd::start(), NO_SERVER);
    let mut settings = server.settings(&server.folder().join("place"));
    settings.stall_timeout = Duration::from_millis(800);
    let destination = backends::sftp::open(settings, true).unwrap();
    server.pause();
    let start = Instant::now();
    let error = destination.blobs.get(&key("x")).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Timeout, "{error:?}");
    assert!(start.elapsed() < Duration::from_secs(5));
    server.go_on();
    // The next call makes a new connection.
    assert_eq!(
        destination.blobs.get(&key("x")).unwrap_err().kind,
        StoreErrorKind::NotFound
    );
}

#[test]
fn a_connection_that_is_cut_harms_nothing_and_is_made_again() {
    let server = need!(Sshd::start(), NO_SERVER);
    let place = server.folder().join("place");
    drop(open(&server, &place));
    let body = vec![0x5a; 3_000_000];
    let mut failures = 0;
    // The login takes about 7 KB each way.
    for cut in (0..12_u64).map(|number| 6_500 + number * number * 24_000) {
        for up in [true, false] {
            let fault = if up {
                Fault::CutUp(cut)
            } else {
                Fault::CutDown(cut / 8 + 5_000)
            };
            let plan = move |number| if number == 0 { fault } else { Fault::None };
            let (_proxy, settings) = through(&server, &place, plan);
            let Ok(destination) = backends::sftp::open(settings, true) else {
                failures += 1;
                continue;
            };
            let name = key(&format!("data/{up}-{cut}"));
            let store = &destination.blobs;
            let put = |mode| store.put(&name, Body::Bytes(&body), mode);
            if let Err(error) = put(PutMode::Create) {
                failures += 1;
                assert_eq!(error.kind, StoreErrorKind::Connection, "{error:?}");
                let whole = match store.get(&name) {
                    Ok(read) => read == body,
                    Err(error) => error.kind == StoreErrorKind::NotFound,
                };
                assert!(whole, "after a cut at {cut} half an object is there");
                put(PutMode::Replace).unwrap();
            }
            assert!(store.get(&name).unwrap() == body);
            store.remove(&name).unwrap();
        }
    }
    assert!(failures >= 10, "{failures} cuts were felt");
}

#[test]
fn a_flipped_bit_never_passes() {
    let server = need!(Sshd::start(), NO_SERVER);
    let place = server.folder().join("place");
    let store = open(&server, &place).blobs;
    let body: Vec<u8> = (0..1_000_000_u32)
        .map(|number| number.to_le_bytes()[number as usize % 3])
        .collect();
    store.put(&key("object"), Body::Bytes(&body), PutMode::Create).unwrap();
    for number in 0..8 {
        let at = 20_000 + number * 100_003;
        let plan = move |connection| {
            if connection == 0 {
                Fault::FlipDown(at)
            } else {
                Fault::None
            }
        };
        let (_proxy, settings) = through(&server, &place, plan);
        let destination = backends::sftp::open(settings, true).unwrap();
        // It is read again by itself.
        assert!(destination.blobs.get(&key("object")).unwrap() == body);
    }
}

#[test]
fn files_that_were_open_end_with_the_connection_and_new_ones_work() {
    let server = need!(Sshd::start(), NO_SERVER);
    let place = server.folder().join("place");
    let plan = |number| {
        if number == 0 {
            Fault::CutUp(400_000)
        } else {
            Fault::None
        }
    };
    let (_proxy, settings) = through(&server, &place, plan);
    let destination = backends::sftp::open(settings, true).unwrap();
    let files = destination.files.as_deref().unwrap();
    let root = files.root();
    let file = files.create(&root, b"file").unwrap();
    let failed = (0..40).find_map(|number| file.write_at(number * 100_000, &[1; 100_000]).err());
    let error = failed.or_else(|| file.sync().err()).unwrap();
    assert_eq!(error.kind, StoreErrorKind::Connection);
    assert!(
        file.sync().is_err() && file.close().is_err(),
        "a write that failed is not forgotten"
    );
    assert!(files.stat(&root, b"file").unwrap().is_some());
    files.remove(&root, b"file").unwrap();
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing_behind() {
    let server = need!(Sshd::start(), NO_SERVER);
    let place = server.folder().join("small");
    let mount = need!(Mount::memory(&place, "2m"), NO_MOUNT);
    let destination = open(&server, &place);
    let store = &destination.blobs;
    store.put(&key("small"), Body::Bytes(b"fits"), PutMode::Create).unwrap();
    let large = vec![1; 5_000_000];
    for mode in [PutMode::Create, PutMode::Replace] {
        let error = store.put(&key("data/large"), Body::Bytes(&large), mode).unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::NoSpace, "{error:?}");
        assert!(error.hint().unwrap().contains("room"));
    }
    let files = destination.files.as_deref().unwrap();
    let file = files.create(&files.root(), b"file").unwrap();
    let written = file.write_at(0, &large).err().or_else(|| file.close().err()).unwrap();
    assert_eq!(written.kind, StoreErrorKind::NoSpace);
    files.remove(&files.root(), b"file").unwrap();
    assert_eq!(store.get(&key("small")).unwrap(), b"fits");
    assert!(
        std::fs::read_dir(place.join("data")).unwrap().next().is_none(),
        "something was left behind"
    );
    // Where nothing fits nothing can be tried out: that is no lack of links.
    let filler = place.join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    while std::io::Write::write_all(&mut file, &[1; 4096]).is_ok() {}
    let full = open(&server, &place);
    let can = full.files.as_deref().unwrap().capabilities();
    let why = can.unanswered.as_ref().unwrap();
    assert_eq!(why.kind, StoreErrorKind::NoSpace, "{why:?}");
    drop(file);
    std::fs::remove_file(filler).unwrap();
    mount.remount("ro");
    let error = store
        .put(&key("other"), Body::Bytes(b"x"), PutMode::Create)
        .unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::ReadOnly, "{error:?}");
    assert_eq!(store.get(&key("small")).unwrap(), b"fits");
}

#[test]
fn nothing_is_written_where_the_disk_was_unmounted() {
    let server = need!(Sshd::start(), NO_SERVER);
    let place = server.folder().join("disk");
    let mount = need!(Mount::memory(&place, "2m"), NO_MOUNT);
    let destination = open(&server, &place);
    let store = &destination.blobs;
    store.put(&key("config"), Body::Bytes(b"x"), PutMode::Create).unwrap();
    drop(mount);
    let error = store
        .put(&key("data/aa/bb"), Body::Bytes(b"x"), PutMode::Create)
        .unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Vanished, "{error:?}");
    let list = |folder| {
        store
            .list(folder, &mut |_| std::ops::ControlFlow::Continue(()))
            .map_err(|error| error.kind)
    };
    assert_eq!(list(""), Err(StoreErrorKind::Vanished));
    assert_eq!(list("data"), Err(StoreErrorKind::Vanished));
    let below = std::fs::read_dir(&place).unwrap().count();
    assert_eq!(below, 0, "something lies on the disk below");
    std::fs::remove_dir_all(&place).unwrap();
    assert_eq!(list("data"), Err(StoreErrorKind::Vanished));
    let error = store
        .put(&key("data/cc"), Body::Bytes(b"x"), PutMode::Create)
        .unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Vanished, "{error:?}");
    assert!(!place.exists(), "the folder was made again");
}

#[test]
fn a_disk_that_goes_in_the_middle_of_a_listing_makes_it_no_shorter() {
    let server = need!(Sshd::start(), NO_SERVER);
    let place = server.folder().join("disk");
    let mount = need!(Mount::memory(&place, "8m"), NO_MOUNT);
    let destination = open(&server, &place);
    let store = &destination.blobs;
    // More folders than are read at once.
    for folder in 0..=255_u8 {
        let key = key(&format!("data/{folder:02x}/object"));
        store.put(&key, Body::Bytes(b"x"), PutMode::Create).unwrap();
    }
    let mut mount = Some(mount);
    let mut seen = 0;
    let listed = store.list("data", &mut |_| {
        seen += 1;
        drop(mount.take());
        std::ops::ControlFlow::Continue(())
    });
    assert_eq!(listed.map_err(|error| error.kind), Err(StoreErrorKind::Vanished));
    assert!((1..256).contains(&seen), "{seen}");
}

#[test]
fn what_failed_leaves_nothing_open_on_the_server() {
    let server = need!(Sshd::start(), NO_SERVER);
    let place = server.folder().join("store");
    let destination = open(&server, &place);
    let store = &destination.blobs;
    let short = server.folder().join("short");
    std::fs::write(&short, b"half").unwrap();
    for at in 0..40 {
        // A file that is shorter than it says stands for an upload that breaks off.
        let body = Body::File {
            file: &std::fs::File::open(&short).unwrap(),
            len: 8,
        };
        let key = key(&format!("data/{at}/x"));
        store.put(&key, body, PutMode::Create).unwrap_err();
    }
    // What was opened late is closed when something else is opened, and that by a process of the server's own.
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        store.put(&key("last"), Body::Bytes(b"x"), PutMode::Replace).unwrap();
        let open = open_below(&place);
        if open.len() < 10 {
            break;
        }
        assert!(Instant::now() < end, "{open:?}");
    }
}

/// What all processes have open below a folder.
fn open_below(folder: &Path) -> Vec<std::path::PathBuf> {
    let list = |path: std::path::PathBuf| std::fs::read_dir(path).into_iter().flatten().flatten();
    list("/proc".into())
        .flat_map(|process| list(process.path().join("fd")))
        .filter_map(|file| std::fs::read_link(file.path()).ok())
        .filter(|path| path.starts_with(folder))
        .collect()
}

#[test]
fn what_the_account_may_not_do_is_told() {
    let options = Options {
        account: true,
        ..Options::default()
    };
    let server = need!(Sshd::with(&options), NO_SERVER);
    let mut settings = server.settings(Path::new("/"));
    settings.user = ACCOUNT.to_owned();
    let line = backends::sftp::public_key(&server.client_key()).unwrap();
    backends::sftp::install_key(&settings, &backends::Secret::from(PASSWORD), &line).unwrap();
    let store = backends::sftp::open(settings.clone(), true).unwrap().blobs;
    let error = store
        .put(&key("holdfast-test"), Body::Bytes(b"x"), PutMode::Create)
        .unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::PermissionDenied);
    assert!(error.is_permanent() && error.hint().is_some());
    settings.directory = "/no/such/folder".to_owned();
    assert_eq!(error_of(settings.clone()).kind, StoreErrorKind::PermissionDenied);
    match backends::sftp::open(settings, false) {
        Ok(_) => panic!("a folder that is not there was opened"),
        Err(error) => assert_eq!(error.kind, StoreErrorKind::NotFound),
    }
}

#[test]
fn an_account_without_sftp_is_told_what_is_missing() {
    let options = Options {
        lines: vec!["ForceCommand echo hello".to_owned()],
        ..Options::default()
    };
    let server = need!(Sshd::with(&options), NO_SERVER);
    let error = error_of(server.settings(server.folder()));
    let shown = engine_api::Error::from(error).chain();
    assert!(shown.contains("not SFTP") || shown.contains("closed it"), "{shown}");
}

//! S3 against servers in this process: every signature is checked, and what only Amazon does is done too.

use std::time::Duration;

use backends::conformance;
use backends::http::Trust;
use backends::s3::{self, ObjectLock, Settings, Style};
use engine_api::{Body, Key, PutMode, StoreError, StoreErrorKind};
use holdfast_tests::corpus::Random;
use holdfast_tests::need;
use holdfast_tests::server::Certificates;

use crate::bucket::{ACCESS, Bucket, Elsewhere, Manners, Memory, SECRET, Way};
use crate::common::{EXCLUSIVE, Place, Store, carries_a_repository, conforms_without, refusal, restic_on_s3};

fn at(address: std::net::SocketAddr) -> Settings {
    Settings {
        host: format!("http://{address}"),
        bucket: "backup".to_owned(),
        access_key: ACCESS.to_owned(),
        secret_key: SECRET.into(),
        ..Settings::default()
    }
}

fn encrypted(address: std::net::SocketAddr, certificates: &Certificates) -> Settings {
    Settings {
        host: format!("https://{address}"),
        trust: Trust::Authority(certificates.authority()),
        ..at(address)
    }
}

fn opened(settings: &Settings) -> Result<Store, StoreError> {
    s3::open(settings).map(|destination| destination.blobs)
}

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

/// What this server is known to break.
const FILES: [(&str, &str); 4] = [
    (
        "one of many creators wins",
        "s3s-fs looks before it writes, and lets all in who looked at the same time",
    ),
    (
        "a listing shows ten thousand objects",
        "s3s-fs reads all of them for each page, which takes minutes",
    ),
    (
        "a missing object is NotFound from every method",
        "s3s-fs takes a folder for a broken object",
    ),
    (
        "odd names work",
        "s3s-fs makes a longer name of each, which the filesystem does not take",
    ),
];

const NO_OPENSSL: &str = "openssl is not installed";

/// The real restic has no part in this: it asks for the packs with an empty delimiter, which s3s-fs takes for one, so that it
/// lists none, not even those that restic has stored itself. The server in memory knows better.
#[test]
fn a_second_server_keeps_the_contract() {
    let place = Place::new();
    let server = Bucket::files(&place.served());
    let settings = Settings {
        prefix: "a/prefix".to_owned(),
        create: true,
        ..at(server.address)
    };
    conforms_without(&*opened(&settings).unwrap(), &EXCLUSIVE, &FILES);
}

#[test]
fn a_strict_server_carries_a_repository() {
    let place = Place::new();
    let memory = Memory::new(Manners::default());
    let server = Bucket::memory(&memory);
    let repository = format!("s3:http://{}/backup/deep", server.address);
    let restic = restic_on_s3(&repository, ACCESS, SECRET);
    let settings = Settings {
        prefix: "deep".to_owned(),
        create: true,
        ..at(server.address)
    };
    carries_a_repository(&place, &|| opened(&settings).unwrap(), Some(&restic));
}

#[test]
fn a_bucket_in_memory_keeps_the_contract() {
    let server = Bucket::memory(&Memory::new(Manners::default()));
    let settings = Settings {
        create: true,
        ..at(server.address)
    };
    conforms_without(&*opened(&settings).unwrap(), &[], &[]);
}

#[test]
fn a_wrong_signature_is_refused() {
    let memory = Memory::new(Manners::default());
    let server = Bucket::memory(&memory);
    opened(&at(server.address)).unwrap();
    let wrong = Settings {
        secret_key: "wrong".into(),
        ..at(server.address)
    };
    let (kind, message, hint) = refusal(opened(&wrong));
    assert_eq!(kind, StoreErrorKind::Unauthenticated, "{message}");
    assert!(hint.contains("secret key"), "{hint}");
    let unknown = Settings {
        access_key: "AKNOBODY".to_owned(),
        ..at(server.address)
    };
    let (kind, message, hint) = refusal(opened(&unknown));
    assert_eq!(kind, StoreErrorKind::Unauthenticated, "{message}");
    assert!(hint.contains("access key"), "{hint}");
}

/// The address `127.0.1`, which is loopback's, is the bucket `127` of the domain `0.1`: no name service is needed.
#[test]
fn the_bucket_may_stand_in_the_hosts_name() {
    let memory = Memory::new(Manners::default());
    let server = Bucket::named(&memory, "0.1");
    let named = Settings {
        host: format!("http://0.1:{}", server.address.port()),
        bucket: "127".to_owned(),
        style: Style::Virtual,
        ..at(server.address)
    };
    let store = opened(&named).unwrap();
    store
        .put(&key("data/a b"), Body::Bytes(b"x"), PutMode::Replace)
        .unwrap();
    assert_eq!(store.get(&key("data/a b")).unwrap(), b"x");
    assert_eq!(memory.keys(), ["data/a b"]);
}

#[test]
fn a_bucket_in_another_region_is_followed() {
    for way in [Way::Malformed, Way::Permanent, Way::Temporary] {
        let memory = Memory::new(Manners::default());
        let region = "eu-west-3";
        let server = Bucket::far(&memory, Elsewhere { region, way });
        for told in ["", "eu-central-1"] {
            let settings = Settings {
                region: told.to_owned(),
                ..at(server.address)
            };
            let store = opened(&settings).unwrap_or_else(|error| panic!("{way:?} {told}: {error:?}"));
            store.put(&key("a"), Body::Bytes(b"x"), PutMode::Replace).unwrap();
        }
    }
}

#[test]
fn where_no_region_is_told_the_address_is() {
    let memory = Memory::new(Manners::default());
    let elsewhere = Elsewhere {
        region: "eu-west-3",
        way: Way::Vague,
    };
    let server = Bucket::far(&memory, elsewhere);
    let (kind, message, hint) = refusal(opened(&at(server.address)));
    assert_eq!(kind, StoreErrorKind::Other, "{message}");
    assert!(hint.contains("there.example.org"), "{hint}");
}

#[test]
fn an_object_of_5_gib_goes_up_in_parts() {
    let place = Place::new();
    let certificates = need!(Certificates::make(&place.path("tls"), "IP:127.0.0.1", 30), NO_OPENSSL);
    let memory = Memory::new(Manners::default());
    let server = Bucket::encrypted(&memory, &certificates);
    let store = opened(&encrypted(server.address, &certificates)).unwrap();
    conformance::large_object(&*store, "suite", (5 << 30) + 1).unwrap_or_else(|broken| panic!("{broken}"));
    assert!(
        memory.largest_part() <= 32 << 20,
        "parts of {} bytes",
        memory.largest_part()
    );
    assert_eq!(memory.unfinished(), 0, "what broke off is aborted");
}

/// What may be somebody else's stays, also where the repository has the bucket for itself as far as it knows.
#[test]
fn what_a_killed_upload_left_is_aborted_when_it_is_old() {
    for prefix in ["here", ""] {
        let memory = Memory::new(Manners::default());
        let server = Bucket::memory(&memory);
        let day = Duration::from_secs(24 * 60 * 60);
        memory.begin("here/data/old", 8 * day);
        memory.begin("here/data/running", day);
        memory.begin("data/old", 8 * day);
        memory.begin("data/running", day);
        memory.begin("video/old", 30 * day);
        memory.begin("here-too/data/old", 30 * day);
        let settings = Settings {
            prefix: prefix.to_owned(),
            ..at(server.address)
        };
        let store = opened(&settings).unwrap();
        assert_eq!(memory.unfinished(), 6, "opening a storage changes nothing there");
        let bytes = vec![7; 65 << 20];
        store
            .put(&key("data/large"), Body::Bytes(&bytes), PutMode::Replace)
            .unwrap();
        assert_eq!(memory.unfinished(), 5, "{prefix}");
        let gone = if prefix.is_empty() { "data/old" } else { "here/data/old" };
        assert!(!memory.uploads().contains(&gone.to_owned()), "{prefix}");
    }
}

fn locking(address: std::net::SocketAddr) -> Settings {
    Settings {
        object_lock: Some(ObjectLock {
            mode: "GOVERNANCE".to_owned(),
            days: 30,
        }),
        create: true,
        ..at(address)
    }
}

#[test]
fn objects_are_locked_save_those_that_pass() {
    let memory = Memory::new(Manners::default());
    let server = Bucket::memory(&memory);
    let store = opened(&locking(server.address)).unwrap();
    assert!(memory.keys().is_empty(), "the trial object is gone");
    let small = key("data/aa/small");
    let large = key("data/bb/large");
    let lock = key("locks/one");
    store.put(&small, Body::Bytes(b"x"), PutMode::Create).unwrap();
    store
        .put(&large, Body::Bytes(&Random::new(1).noise(65 << 20)), PutMode::Create)
        .unwrap();
    store.put(&lock, Body::Bytes(b"x"), PutMode::Create).unwrap();
    for name in ["data/aa/small", "data/bb/large"] {
        let kept = memory.kept(name);
        assert_eq!(kept.mode, "GOVERNANCE");
        let days = kept.until.unwrap();
        let in_days = |days: u64| std::time::SystemTime::now() + Duration::from_secs(days * 86_400);
        assert!(days > in_days(29).into() && days < in_days(31).into(), "{days:?}");
    }
    assert_eq!(memory.kept("locks/one").mode, "");
    store.remove(&lock).unwrap();
    let error = store.remove(&small).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Retained);
    assert!(error.is_permanent(), "another try would meet the same");
    let error = store.put(&small, Body::Bytes(b"y"), PutMode::Replace).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Retained);
    memory.time_passes();
    store.remove(&small).unwrap();
}

/// Whose objects are locked by the bucket's own rule, without a word of the record's.
#[test]
fn a_bucket_that_wants_digests_gets_them() {
    let place = Place::new();
    let certificates = need!(Certificates::make(&place.path("tls"), "IP:127.0.0.1", 30), NO_OPENSSL);
    for (name, length) in [("small", 1), ("large", 65 << 20)] {
        // Over TLS none is sent at first.
        let memory = Memory::new(Manners { wants_digests: true });
        let server = Bucket::encrypted(&memory, &certificates);
        let store = opened(&encrypted(server.address, &certificates)).unwrap();
        let bytes = Random::new(3).noise(length);
        store.put(&key(name), Body::Bytes(&bytes), PutMode::Create).unwrap();
        assert!(store.get(&key(name)).unwrap() == bytes, "{name}");
    }
}

#[test]
fn a_storage_class_is_asked_for() {
    let memory = Memory::new(Manners::default());
    let server = Bucket::memory(&memory);
    let of_class = |class: &str| {
        opened(&Settings {
            storage_class: class.to_owned(),
            ..at(server.address)
        })
        .unwrap()
    };
    let put = |store: &Store, name: &str| store.put(&key(name), Body::Bytes(b"x"), PutMode::Replace).unwrap();
    put(&of_class("STANDARD_IA"), "snapshots/a");
    put(&of_class("GLACIER"), "data/aa/a");
    put(&of_class("GLACIER"), "index/a");
    put(&of_class(""), "index/b");
    let classes = ["snapshots/a", "data/aa/a", "index/a", "index/b"].map(|name| memory.kept(name).class);
    assert_eq!(classes, ["STANDARD_IA", "GLACIER", "", ""]);
}

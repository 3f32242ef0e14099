//! B2's native API, against a server written from its public description: see [`holdfast_tests::b2`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use backends::b2::{self, Settings};
use backends::http::Options;
use engine_api::{Body, Key, PutMode, StoreError, StoreErrorKind};
use holdfast_tests::b2::{B2Server, KEY, KEY_ID, Manners};
use holdfast_tests::corpus::Random;
use holdfast_tests::proxy::{Fault, Proxy};

use crate::common::{
    ALL_TROUBLES, EXCLUSIVE, Place, Store, TROUBLES, bad_network, carries_a_repository, conforms_without, refusal,
    survives,
};

fn at(address: std::net::SocketAddr) -> Settings {
    Settings {
        account_id: KEY_ID.to_owned(),
        account_key: KEY.into(),
        bucket: "suite-bucket".to_owned(),
        prefix: "/server1".to_owned(),
        api: format!("http://{address}"),
        create: true,
        ..Settings::default()
    }
}

fn opened(settings: &Settings) -> Result<Store, StoreError> {
    b2::open(settings).map(|destination| destination.blobs)
}

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

#[test]
fn it_keeps_the_contract() {
    // A busy service: but not so busy that five places in a row are.
    let server = B2Server::start(Manners {
        busy: 100,
        ..Manners::default()
    });
    let odd = (
        "odd names work",
        "the service takes no backslashes and no control characters",
    );
    conforms_without(&*opened(&at(server.address)).unwrap(), &EXCLUSIVE, &[odd]);
    assert_eq!(server.versions(), 0, "every version is removed");
}

#[test]
fn it_carries_a_repository() {
    let place = Place::new();
    let server = B2Server::start(Manners {
        page: 3,
        session: 20,
        busy: 3,
        ..Manners::default()
    });
    // The real restic knows Backblaze's own address only.
    carries_a_repository(&place, &|| opened(&at(server.address)).unwrap(), None);
}

#[test]
fn names_that_it_does_not_take_are_told() {
    let server = B2Server::start(Manners::default());
    let store = opened(&at(server.address)).unwrap();
    for name in [&b"a\\b"[..], b"a\nb", b"a\xffb"] {
        let key = Key::new(name).unwrap();
        assert!(
            store
                .put(&key, Body::Bytes(b"x"), PutMode::Replace)
                .unwrap_err()
                .is_permanent()
        );
        assert!(store.get(&key).unwrap_err().is_not_found());
    }
}

#[test]
fn a_large_file_goes_up_in_parts() {
    let server = B2Server::start(Manners {
        busy: 3,
        ..Manners::default()
    });
    let store = opened(&at(server.address)).unwrap();
    let bytes = Random::new(5).noise(70 << 20);
    store.put(&key("large"), Body::Bytes(&bytes), PutMode::Replace).unwrap();
    assert!(store.get(&key("large")).unwrap() == bytes, "it came back different");
    let file = tempfile::tempfile().unwrap();
    file.set_len(65 << 20).unwrap();
    let body = Body::File {
        file: &file,
        len: 80 << 20,
    };
    store.put(&key("broken"), body, PutMode::Replace).unwrap_err();
    assert!(store.stat(&key("broken")).unwrap_err().is_not_found());
    assert_eq!(server.unfinished(), 0);
}

#[test]
fn a_key_that_may_not_delete_hides() {
    let server = B2Server::start(Manners {
        may_delete: false,
        ..Manners::default()
    });
    let store = opened(&at(server.address)).unwrap();
    store.put(&key("a"), Body::Bytes(b"1"), PutMode::Create).unwrap();
    store.remove(&key("a")).unwrap();
    assert!(store.get(&key("a")).unwrap_err().is_not_found());
    assert!(store.remove(&key("a")).unwrap_err().is_not_found());
    assert_eq!(server.versions(), 2);
}

#[test]
fn wrong_keys_and_buckets_are_told_apart() {
    let server = B2Server::start(Manners::default());
    let (kind, message, hint) = refusal(opened(&Settings {
        account_key: "wrong".into(),
        ..at(server.address)
    }));
    assert_eq!(kind, StoreErrorKind::Unauthenticated, "{message}");
    assert!(hint.contains("key"), "{hint}");
    let (kind, message, _) = refusal(opened(&Settings {
        create: false,
        ..at(server.address)
    }));
    assert_eq!(kind, StoreErrorKind::NotFound, "{message}");
}

/// Opens it through the proxy, as [`through`] does, and waits for nothing that does not come.
fn hastily_through(server: &B2Server, proxy: &Proxy) -> Result<Store, StoreError> {
    server.say_address(proxy.address);
    let http = Options {
        stall: Duration::from_millis(200),
        ..Options::default()
    };
    opened(&Settings {
        http,
        ..at(proxy.address)
    })
}

/// Opens it through the proxy, which the server then gives as its own address.
fn through(server: &B2Server, proxy: &Proxy) -> Result<Store, StoreError> {
    server.say_address(proxy.address);
    opened(&at(proxy.address))
}

fn direct(server: &B2Server) -> Store {
    server.say_address(server.address);
    opened(&at(server.address)).unwrap()
}

#[test]
fn a_bad_network_harms_nothing() {
    let place = Place::new();
    let server = B2Server::start(Manners::default());
    let proxy = Proxy::start(server.address, bad_network(7, 2, TROUBLES));
    survives(&place, 25, &|| direct(&server), &|| through(&server, &proxy));
    assert!(proxy.faults() > 25, "only {} faults", proxy.faults());
}

/// The digest covers what is uploaded, and the repository's own digests what is read.
#[test]
fn flipped_bits_are_noticed() {
    let place = Place::new();
    let server = B2Server::start(Manners::default());
    let proxy = Proxy::start(server.address, bad_network(8, 2, ALL_TROUBLES));
    survives(&place, 20, &|| direct(&server), &|| through(&server, &proxy));
    assert!(proxy.faults() > 25, "only {} faults", proxy.faults());
}

/// Where no TLS is, a name may change on the way, which no digest of the service covers.
#[test]
fn what_is_told_as_stored_is_there_whichever_bit_flips() {
    let server = B2Server::start(Manners::default());
    let at_byte = Arc::new(AtomicU64::new(0));
    let plan = Arc::clone(&at_byte);
    let proxy = Proxy::start(
        server.address,
        Arc::new(move |_| Fault::FlipUp(plan.load(Ordering::SeqCst))),
    );
    let (mut stored, mut refused) = (0, 0);
    for byte in 0..1_500 {
        let name = key(&format!("data/{byte}"));
        at_byte.store(byte, Ordering::SeqCst);
        let put = hastily_through(&server, &proxy)
            .and_then(|store| store.put(&name, Body::Bytes(b"content"), PutMode::Create));
        if put.is_err() {
            refused += 1;
            continue;
        }
        stored += 1;
        let found = direct(&server).get(&name);
        assert_eq!(found.unwrap(), b"content", "a bit of byte {byte} flipped");
    }
    assert!(stored > 100 && refused > 100, "{stored} stored, {refused} refused");
}

//! S3, against rclone's server, which checks signatures.

use backends::s3::{self, Settings};
use engine_api::{Body, Key, PutMode, StoreError, StoreErrorKind};
use holdfast_tests::corpus::Random;
use holdfast_tests::need;
use holdfast_tests::proxy::Proxy;
use holdfast_tests::server::{Server, rclone};

use crate::common::{
    ALL_TROUBLES, EXCLUSIVE, Place, Store, TROUBLES, bad_network, carries_a_repository, conforms_without, patient,
    refusal, restic_on_s3, survives,
};

const NO_RCLONE: &str = "rclone is not installed";
const ACCESS: &str = "AKSUITE";
const SECRET: &str = "se/cret+key";

fn server(place: &Place) -> Option<Server> {
    let key = format!("{ACCESS},{SECRET}");
    rclone("s3", &["--auth-key", &key, "--vfs-cache-mode=off"], &place.served())
}

fn at(address: std::net::SocketAddr) -> Settings {
    Settings {
        host: format!("http://{address}"),
        bucket: "backup".to_owned(),
        access_key: ACCESS.to_owned(),
        secret_key: SECRET.into(),
        create: true,
        ..Settings::default()
    }
}

fn opened(settings: &Settings) -> Result<Store, StoreError> {
    s3::open(settings).map(|destination| destination.blobs)
}

#[test]
fn rclone_keeps_the_contract() {
    let place = Place::new();
    let server = need!(server(&place), NO_RCLONE);
    let settings = Settings {
        prefix: "a/prefix".to_owned(),
        ..at(server.address)
    };
    let broken = (
        "readers never see half an object",
        "rclone's server replaces an object byte by byte, and cuts off who reads it",
    );
    // It fails now and then where two make the same folder.
    conforms_without(&patient(opened(&settings).unwrap()), &EXCLUSIVE, &[broken]);
}

#[test]
fn rclone_carries_a_repository() {
    let place = Place::new();
    let server = need!(server(&place), NO_RCLONE);
    let repository = format!("s3:http://{}/backup/deep/down", server.address);
    let restic = restic_on_s3(&repository, ACCESS, SECRET);
    // As restic reads it: what stands after the host goes before the bucket.
    let settings = Settings {
        bucket: "backup/deep".to_owned(),
        prefix: "down".to_owned(),
        ..at(server.address)
    };
    carries_a_repository(&place, &|| opened(&settings).unwrap(), Some(&restic));
}

#[test]
fn a_large_object_goes_up_in_parts() {
    let place = Place::new();
    let server = need!(server(&place), NO_RCLONE);
    let store = opened(&at(server.address)).unwrap();
    let bytes = Random::new(5).noise(70 << 20);
    let key = Key::new("data/la/large").unwrap();
    store.put(&key, Body::Bytes(&bytes), PutMode::Replace).unwrap();
    assert!(store.get(&key).unwrap() == bytes, "it came back different");
    // One that breaks off is not there, and nothing is left of it.
    let file = tempfile::tempfile().unwrap();
    file.set_len(65 << 20).unwrap();
    let body = Body::File {
        file: &file,
        len: 80 << 20,
    };
    let broken = Key::new("data/br/broken").unwrap();
    store.put(&broken, body, PutMode::Replace).unwrap_err();
    assert_eq!(store.stat(&broken).unwrap_err().kind, StoreErrorKind::NotFound);
}

#[test]
fn wrong_keys_and_buckets_are_told_apart() {
    let place = Place::new();
    let server = need!(server(&place), NO_RCLONE);
    let good = at(server.address);
    let (kind, message, hint) = refusal(opened(&Settings {
        secret_key: "wrong".into(),
        ..good.clone()
    }));
    assert_eq!(kind, StoreErrorKind::Unauthenticated, "{message}");
    assert!(hint.contains("secret key"), "{hint}");
    let (kind, message, hint) = refusal(opened(&Settings {
        bucket: "absent".to_owned(),
        create: false,
        ..good
    }));
    assert_eq!(kind, StoreErrorKind::NotFound, "{message}");
    assert!(hint.contains("bucket"), "{hint}");
}

#[test]
fn a_bad_network_harms_nothing() {
    let place = Place::new();
    let server = need!(server(&place), NO_RCLONE);
    let proxy = Proxy::start(server.address, bad_network(3, 2, TROUBLES));
    survives(&place, 25, &|| opened(&at(server.address)).unwrap(), &|| {
        opened(&at(proxy.address))
    });
    assert!(proxy.faults() > 25, "only {} faults", proxy.faults());
}

/// The signature covers what is uploaded, and the repository's own digests what is read.
#[test]
fn flipped_bits_are_noticed() {
    let place = Place::new();
    let server = need!(server(&place), NO_RCLONE);
    let proxy = Proxy::start(server.address, bad_network(4, 2, ALL_TROUBLES));
    survives(&place, 20, &|| opened(&at(server.address)).unwrap(), &|| {
        opened(&at(proxy.address))
    });
    assert!(proxy.faults() > 25, "only {} faults", proxy.faults());
}

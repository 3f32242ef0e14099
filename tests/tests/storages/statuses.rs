//! Every storage over HTTP, every call, every status: the right kind of error, and what was there stays.

use std::net::SocketAddr;
use std::ops::ControlFlow;

use backends::{b2, rest, s3, webdav};
use engine_api::{BlobStore, Body, Key, PutMode, StoreError, StoreErrorKind};
use holdfast_tests::b2::{B2Server, KEY, KEY_ID, Manners};
use holdfast_tests::gate::{Gate, WAIT};
use holdfast_tests::need;
use holdfast_tests::server::{rclone, rest_server};
use sha2::{Digest, Sha256};

use crate::bucket::{ACCESS, Bucket, SECRET};
use crate::common::{Place, Store};

const STATUSES: [u16; 6] = [403, 404, 409, 429, 500, 503];

/// A storage behind a gate.
struct Ground {
    gate: Gate,
    /// Whether an object is there all the time while it is replaced; where not, another try puts it there.
    replaces: bool,
    /// Whether a place that is not there may be opened, since a repository may still be made there.
    lenient: bool,
    open: Box<dyn Fn() -> Result<Store, StoreError>>,
    _server: Box<dyn std::any::Any>,
}

impl Ground {
    fn new(
        server: impl std::any::Any,
        address: SocketAddr,
        open: impl Fn(SocketAddr) -> Result<Store, StoreError> + 'static,
    ) -> Self {
        let gate = Gate::start(address);
        let at = gate.address;
        Self {
            gate,
            replaces: true,
            lenient: false,
            open: Box::new(move || open(at)),
            _server: Box::new(server),
        }
    }
}

/// Every server checks the names of packs, or does not care: this one is right.
fn object(content: &[u8]) -> Key {
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(content));
    Key::new(format!("data/{}/{digest}", &digest[..2])).unwrap()
}

/// One call of the contract's.
struct Call {
    name: &'static str,
    run: fn(&dyn BlobStore, &Key) -> Result<(), StoreError>,
}

const THERE: &[u8] = b"what is there";
const FRESH: &[u8] = b"what is new";

const CALLS: [Call; 8] = [
    Call {
        name: "create",
        run: |store, _| store.put(&object(FRESH), Body::Bytes(FRESH), PutMode::Create),
    },
    Call {
        name: "replace",
        run: |store, key| store.put(key, Body::Bytes(THERE), PutMode::Replace),
    },
    Call {
        name: "get",
        run: |store, key| store.get(key).map(|bytes| assert_eq!(bytes, THERE)),
    },
    Call {
        name: "get_range",
        run: |store, key| {
            let mut piece = [0; 4];
            store.get_range(key, 5, &mut piece)?;
            assert_eq!(piece, THERE[5..9]);
            Ok(())
        },
    },
    Call {
        name: "stat",
        run: |store, key| store.stat(key).map(|found| assert_eq!(found.size, THERE.len() as u64)),
    },
    Call {
        name: "list",
        run: |store, _| store.list("data", &mut |_| ControlFlow::Continue(())),
    },
    Call {
        name: "list all",
        run: |store, _| store.list("", &mut |_| ControlFlow::Continue(())),
    },
    Call {
        name: "remove",
        run: |store, key| store.remove(key),
    },
];

/// The kind of error that `status` means.
fn kind(status: u16) -> StoreErrorKind {
    match status {
        403 => StoreErrorKind::PermissionDenied,
        404 => StoreErrorKind::NotFound,
        _ => StoreErrorKind::Other,
    }
}

/// Every request is answered with `status`: the call fails, as that status says.
fn refused(ground: &Ground, what: &str, status: u16, outcome: Result<(), StoreError>) {
    let Err(error) = outcome else {
        // A folder that is not there has no objects.
        let empty = what.contains("list") || (what == "open" && ground.lenient);
        assert!(empty && status == 404, "{what} with {status} went well");
        return;
    };
    assert_eq!(error.kind, kind(status), "{what} with {status}: {error:?}");
    let passes = matches!(status, 409 | 429 | 500 | 503);
    assert_eq!(!error.is_permanent(), passes, "{what} with {status}: {error:?}");
    let told = format!("{status}");
    let chain = engine_api::Error::from(error).chain();
    assert!(status == 404 || chain.contains(&told), "{what} with {status}: {chain}");
}

/// The one request of number `nth` is answered with `status`, as often as there is one: whatever becomes of it has a meaning,
/// and what was there is there afterwards.
fn stumbles(ground: &Ground, store: &Store, key: &Key, call: &Call, status: u16) {
    for nth in 0.. {
        ground.gate.set(move |number| (number == nth).then_some(status));
        let outcome = (call.run)(store.as_ref(), key);
        let stumbled = ground.gate.requests() > nth;
        ground.gate.set(|_| None);
        if !stumbled {
            outcome.unwrap_or_else(|error| panic!("{} went wrong by itself: {error:?}", call.name));
            break;
        }
        if let Err(error) = outcome {
            // Where it is not known whether a step before was done, the next try finds out.
            let known = error.kind == kind(status) || error.kind == StoreErrorKind::Other;
            // Who is told that an object is not there believes that it is somebody else who forbids it.
            let misled = !ground.replaces && error.kind == StoreErrorKind::PermissionDenied;
            assert!(
                known || misled,
                "{} with {status} at request {nth}: {error:?}",
                call.name
            );
        }
        if call.name == "remove" || (call.name == "replace" && !ground.replaces) {
            restore(store, key);
        } else {
            assert_eq!(store.get(key).unwrap(), THERE, "after {} with {status}", call.name);
        }
        if call.name == "create" {
            let _ = store.remove(&object(FRESH));
        }
    }
    restore(store, key);
    let _ = store.remove(&object(FRESH));
}

fn restore(store: &Store, key: &Key) {
    if store.stat(key).is_err() {
        store.put(key, Body::Bytes(THERE), PutMode::Create).unwrap();
    }
}

fn every_status_at_every_call(ground: &Ground) {
    let key = object(THERE);
    let store = (ground.open)().unwrap();
    restore(&store, &key);
    for status in STATUSES {
        ground.gate.set(move |_| Some(status));
        refused(ground, "open", status, (ground.open)().map(|_| ()));
        for call in &CALLS {
            refused(ground, call.name, status, (call.run)(store.as_ref(), &key));
        }
        ground.gate.set(|_| None);
        assert_eq!(store.get(&key).unwrap(), THERE, "after {status} everywhere");
        for call in &CALLS {
            stumbles(ground, &store, &key, call, status);
        }
    }
}

/// A server that says when it wants to be asked again is left alone for that long.
fn the_wait_is_told(ground: &Ground) {
    let key = object(THERE);
    let store = (ground.open)().unwrap();
    for status in [429, 503] {
        ground.gate.set(move |_| Some(status));
        let error = store.get(&key).unwrap_err();
        assert_eq!(error.wait().map(|wait| wait.as_secs()), Some(WAIT), "{status}");
    }
}

fn all(ground: &Ground) {
    every_status_at_every_call(ground);
    the_wait_is_told(ground);
}

#[test]
fn of_s3() {
    let place = Place::new();
    let server = Bucket::files(&place.served());
    std::fs::create_dir(place.served().join("backup")).unwrap();
    let address = server.address;
    all(&Ground::new(server, address, |address| {
        let settings = s3::Settings {
            host: format!("http://{address}"),
            bucket: "backup".to_owned(),
            access_key: ACCESS.to_owned(),
            secret_key: SECRET.into(),
            ..s3::Settings::default()
        };
        s3::open(&settings).map(|destination| destination.blobs)
    }));
}

#[test]
fn of_webdav() {
    let place = Place::new();
    let server = need!(
        rclone("webdav", &["--vfs-cache-mode=off"], &place.served()),
        "rclone is not installed"
    );
    let address = server.address;
    all(&Ground::new(server, address, |address| {
        let settings = webdav::Settings {
            url: format!("http://{address}/"),
            ..webdav::Settings::default()
        };
        webdav::open(&settings).map(|destination| destination.blobs)
    }));
}

#[test]
fn of_rest() {
    let place = Place::new();
    let server = rest_server(&place.served(), &[]).or_else(|| rclone("restic", &[], &place.served()));
    let server = need!(server, "neither rest-server nor rclone is installed");
    let address = server.address;
    let at = |address: SocketAddr| rest::Settings {
        protocol: "http".to_owned(),
        host: address.ip().to_string(),
        port: address.port(),
        ..rest::Settings::default()
    };
    let made = rest::Settings {
        create: true,
        ..at(address)
    };
    rest::open(&made).unwrap();
    let ground = Ground::new(server, address, move |address| {
        rest::open(&at(address)).map(|destination| destination.blobs)
    });
    // rest-server overwrites nothing: the old object is removed first.
    all(&Ground {
        replaces: false,
        lenient: true,
        ..ground
    });
}

#[test]
fn of_b2() {
    let server = B2Server::start(Manners {
        busy: 0,
        ..Manners::default()
    });
    let at = |address: SocketAddr| b2::Settings {
        account_id: KEY_ID.to_owned(),
        account_key: KEY.into(),
        bucket: "suite-bucket".to_owned(),
        prefix: "server1".to_owned(),
        api: format!("http://{address}"),
        ..b2::Settings::default()
    };
    let address = server.address;
    let made = b2::Settings {
        create: true,
        ..at(address)
    };
    b2::open(&made).unwrap();
    let ground = Ground::new((), address, move |address| {
        b2::open(&at(address)).map(|destination| destination.blobs)
    });
    server.say_address(ground.gate.address);
    all(&ground);
}

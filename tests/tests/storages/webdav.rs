//! WebDAV, against Apache over TLS and rclone.

use backends::http::Trust;
use backends::webdav::{self, Settings};
use engine_api::{Body, Key, PutMode, StoreError, StoreErrorKind};
use holdfast_tests::proxy::Proxy;
use holdfast_tests::server::{Certificates, Server, rclone};
use holdfast_tests::{apache, need};

use crate::common::{
    ALL_TROUBLES, EXCLUSIVE, Place, Store, TROUBLES, bad_network, carries_a_repository, conforms_without, refusal,
    survives,
};

const NO_RCLONE: &str = "rclone is not installed";
const NO_APACHE: &str = "Apache with mod_dav, or openssl, is not installed";
const LOGIN: &str = "us er@";
const PASSWORD: &str = "p/ss:wörd";

/// No server of these replaces in one step; see the module's own words.
const NOT_AT_ONCE: (&str, &str) = (
    "readers never see half an object",
    "the server removes the old object before it moves the new one there",
);

struct Apache {
    server: Server,
    certificates: Certificates,
}

fn apache(place: &Place, days: i32) -> Option<Apache> {
    let certificates = Certificates::make(&place.path("tls"), "DNS:localhost,IP:127.0.0.1", days)?;
    let server = apache::start(&place.served(), &certificates, LOGIN, PASSWORD)?;
    Some(Apache { server, certificates })
}

impl Apache {
    fn at(&self, address: std::net::SocketAddr) -> Settings {
        Settings {
            url: format!("https://localhost:{}/dav", address.port()),
            directory: "server1".to_owned(),
            login: LOGIN.to_owned(),
            password: PASSWORD.into(),
            trust: Trust::Authority(self.certificates.authority()),
            create: true,
            ..Settings::default()
        }
    }

    fn settings(&self) -> Settings {
        self.at(self.server.address)
    }
}

fn opened(settings: &Settings) -> Result<Store, StoreError> {
    webdav::open(settings).map(|destination| destination.blobs)
}

fn plain(address: std::net::SocketAddr) -> Settings {
    Settings {
        url: format!("http://{address}/"),
        create: true,
        ..Settings::default()
    }
}

#[test]
fn apache_keeps_the_contract() {
    let place = Place::new();
    let apache = need!(apache(&place, 30), NO_APACHE);
    conforms_without(&*opened(&apache.settings()).unwrap(), &EXCLUSIVE, &[NOT_AT_ONCE]);
}

#[test]
fn rclone_keeps_the_contract() {
    let place = Place::new();
    let server = need!(rclone("webdav", &["--vfs-cache-mode=off"], &place.served()), NO_RCLONE);
    conforms_without(&*opened(&plain(server.address)).unwrap(), &EXCLUSIVE, &[NOT_AT_ONCE]);
}

#[test]
fn apache_carries_a_repository() {
    let place = Place::new();
    let apache = need!(apache(&place, 30), NO_APACHE);
    let settings = apache.settings();
    carries_a_repository(&place, &|| opened(&settings).unwrap(), None);
    // restic has no WebDAV of its own: it reads the files behind the server.
    let program = need!(holdfast_tests::restic::newest(), "restic is not installed");
    holdfast_tests::restic::Restic::new(&program, &place.served().join("server1")).check();
}

#[test]
fn what_the_place_is_is_told() {
    let place = Place::new();
    let apache = need!(apache(&place, 30), NO_APACHE);
    let good = apache.settings();
    let absent = Settings {
        create: false,
        directory: "absent".to_owned(),
        ..good.clone()
    };
    assert_eq!(refusal(opened(&absent)).0, StoreErrorKind::NotFound);
    let wrong = Settings {
        password: "wrong".into(),
        ..good.clone()
    };
    let (kind, message, _) = refusal(opened(&wrong));
    assert_eq!(kind, StoreErrorKind::Unauthenticated, "{message}");
    let outside = Settings {
        url: good.url.replace("/dav", "/elsewhere"),
        directory: String::new(),
        create: false,
        ..good.clone()
    };
    refusal(opened(&outside));
    let unknown = Settings {
        trust: Trust::System,
        ..good.clone()
    };
    assert_eq!(refusal(opened(&unknown)).0, StoreErrorKind::Untrusted);
    // A folder is no object, and what is in it stays.
    let store = opened(&good).unwrap();
    let inner = Key::new("folder/inner").unwrap();
    store.put(&inner, Body::Bytes(b"x"), PutMode::Create).unwrap();
    let removed = store.remove(&Key::new("folder").unwrap());
    assert_eq!(removed.unwrap_err().kind, StoreErrorKind::NotFound);
    assert_eq!(store.get(&inner).unwrap(), b"x");
    if let Some(space) = store.space().unwrap() {
        assert!(space.available <= space.total);
    }
}

#[test]
fn an_expired_certificate_is_told() {
    let place = Place::new();
    let apache = need!(apache(&place, -1), NO_APACHE);
    let (kind, message, hint) = refusal(opened(&apache.settings()));
    assert_eq!(kind, StoreErrorKind::Untrusted, "{message}");
    assert!(
        message.contains("expired") && hint.contains("renewed"),
        "{message}; {hint}"
    );
}

#[test]
fn a_bad_network_harms_nothing() {
    let place = Place::new();
    let server = need!(rclone("webdav", &["--vfs-cache-mode=off"], &place.served()), NO_RCLONE);
    let proxy = Proxy::start(server.address, bad_network(5, 2, TROUBLES));
    survives(&place, 20, &|| opened(&plain(server.address)).unwrap(), &|| {
        opened(&plain(proxy.address))
    });
    assert!(proxy.faults() > 25, "only {} faults", proxy.faults());
}

#[test]
fn a_bad_network_cannot_change_what_is_encrypted() {
    let place = Place::new();
    let apache = need!(apache(&place, 30), NO_APACHE);
    let proxy = Proxy::start(apache.server.address, bad_network(6, 2, ALL_TROUBLES));
    survives(&place, 20, &|| opened(&apache.settings()).unwrap(), &|| {
        opened(&apache.at(proxy.address))
    });
    assert!(proxy.faults() > 25, "only {} faults", proxy.faults());
}

//! What every storage over HTTP does when there is no proper server at the other end.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use backends::http::{Options, Trust};
use backends::{b2, rest, s3, webdav};
use engine_api::{StoreError, StoreErrorKind};
use holdfast_tests::handshake::Handshake;
use holdfast_tests::need;
use holdfast_tests::proxy::{Fault, Proxy};
use holdfast_tests::server::{Certificates, free_address};

use crate::common::{Place, Store, refusal, within};

const NO_OPENSSL: &str = "openssl is not installed";

/// The way to a server that is none.
#[derive(Clone)]
struct Way {
    protocol: &'static str,
    host: String,
    port: u16,
    trust: Trust,
    http: Options,
}

impl Way {
    fn to(address: SocketAddr) -> Self {
        Self {
            protocol: "http",
            host: address.ip().to_string(),
            port: address.port(),
            trust: Trust::System,
            http: Options::default(),
        }
    }

    /// For what is only to be told by waiting: not for long.
    fn impatient(self) -> Self {
        Self {
            http: Options {
                connect: Duration::from_millis(500),
                stall: Duration::from_millis(300),
                ..Options::default()
            },
            ..self
        }
    }

    fn encrypted(self, trust: Trust) -> Self {
        Self {
            protocol: "https",
            trust,
            ..self
        }
    }

    fn url(&self) -> String {
        format!("{}://{}:{}", self.protocol, self.host, self.port)
    }
}

type Open = fn(&Way) -> Result<Store, StoreError>;

/// Every storage over HTTP.
const STORAGES: [(&str, Open); 4] = [
    ("rest", |way| {
        let settings = rest::Settings {
            protocol: way.protocol.to_owned(),
            host: way.host.clone(),
            port: way.port,
            trust: way.trust.clone(),
            http: way.http.clone(),
            ..rest::Settings::default()
        };
        rest::open(&settings).map(|destination| destination.blobs)
    }),
    ("webdav", |way| {
        let settings = webdav::Settings {
            url: way.url(),
            trust: way.trust.clone(),
            http: way.http.clone(),
            ..webdav::Settings::default()
        };
        webdav::open(&settings).map(|destination| destination.blobs)
    }),
    ("s3", |way| {
        let settings = s3::Settings {
            host: way.url(),
            bucket: "bucket".to_owned(),
            access_key: "AK".to_owned(),
            secret_key: "secret".into(),
            trust: way.trust.clone(),
            http: way.http.clone(),
            ..s3::Settings::default()
        };
        s3::open(&settings).map(|destination| destination.blobs)
    }),
    ("b2", |way| {
        let settings = b2::Settings {
            account_id: "id".to_owned(),
            account_key: "key".into(),
            bucket: "bucket".to_owned(),
            api: way.url(),
            trust: way.trust.clone(),
            http: way.http.clone(),
            ..b2::Settings::default()
        };
        b2::open(&settings).map(|destination| destination.blobs)
    }),
];

/// What each storage says of `way`, at once and not after a minute.
fn each(way: &Way, check: impl Fn(&str, StoreErrorKind, &str, &str)) {
    for (name, open) in STORAGES {
        let (kind, message, hint) = within(Duration::from_secs(20), || refusal(open(way)));
        check(name, kind, &message, &hint);
    }
}

#[test]
fn a_closed_port_is_a_broken_connection() {
    each(&Way::to(free_address()), |name, kind, message, hint| {
        assert_eq!(kind, StoreErrorKind::Connection, "{name}: {message}");
        assert!(hint.contains("reachable"), "{name}: {hint}");
    });
}

#[test]
fn a_name_that_nobody_has_is_told() {
    let way = Way {
        host: "nobody.invalid".to_owned(),
        ..Way::to(free_address()).impatient()
    };
    each(&way, |name, kind, message, _| {
        assert!(
            matches!(kind, StoreErrorKind::Connection | StoreErrorKind::Timeout),
            "{name}: {message}"
        );
    });
}

#[test]
fn a_server_that_never_answers_ends_in_a_timeout() {
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let plain = Way::to(silent.local_addr().unwrap()).impatient();
    for way in [plain.clone(), plain.encrypted(Trust::Insecure)] {
        each(&way, |name, kind, message, _| {
            assert_eq!(kind, StoreErrorKind::Timeout, "{name}, {}: {message}", way.protocol);
        });
    }
}

#[test]
fn statuses_have_their_meaning() {
    for (status, kind) in [
        (401, StoreErrorKind::Unauthenticated),
        (403, StoreErrorKind::PermissionDenied),
        (507, StoreErrorKind::NoSpace),
        (503, StoreErrorKind::Other),
        (301, StoreErrorKind::Other),
    ] {
        let proxy = Proxy::start(free_address(), Arc::new(move |_| Fault::Answer(status)));
        each(&Way::to(proxy.address), |name, found, message, hint| {
            assert_eq!(found, kind, "{name}: {message}");
            // A login that is refused is said in words.
            let told = message.contains(&status.to_string()) || hint.contains("key");
            assert!(told, "{name}: {message}");
        });
    }
}

#[test]
fn a_server_that_speaks_something_else_is_told() {
    let server = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = server.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in server.incoming().flatten() {
            use std::io::{Read, Write};
            let _ = (&stream).write_all(b"220 mail.example.org ESMTP\r\n");
            // The client hangs up when it has seen enough.
            let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
            while let Ok(1..) = (&stream).read(&mut [0; 4096]) {}
        }
    });
    let plain = Way::to(address).impatient();
    for way in [plain.clone(), plain.encrypted(Trust::Insecure)] {
        each(&way, |_, _, _, _| ());
    }
}

#[test]
fn an_expired_certificate_is_told() {
    let place = Place::new();
    let certificates = need!(Certificates::make(&place.path("tls"), "IP:127.0.0.1", -1), NO_OPENSSL);
    let server = Handshake::start(&certificates);
    let way = Way::to(server.address).encrypted(Trust::Authority(certificates.authority()));
    each(&way, |name, kind, message, hint| {
        assert_eq!(kind, StoreErrorKind::Untrusted, "{name}: {message}");
        assert!(message.contains("expired"), "{name}: {message}");
        assert!(hint.contains("renewed"), "{name}: {hint}");
    });
}

#[test]
fn a_certificate_for_another_name_is_told() {
    let place = Place::new();
    let certificates = need!(
        Certificates::make(&place.path("tls"), "DNS:other.example.org", 30),
        NO_OPENSSL
    );
    let server = Handshake::start(&certificates);
    let way = Way::to(server.address).encrypted(Trust::Authority(certificates.authority()));
    each(&way, |name, kind, message, hint| {
        assert_eq!(kind, StoreErrorKind::Untrusted, "{name}: {message}");
        assert!(message.contains("another name"), "{name}: {message}");
        assert!(hint.contains("name"), "{name}: {hint}");
    });
}

/// Whose certificate nobody vouches for is believed when the settings say so, and never else.
#[test]
fn a_server_of_its_own_authority_is_believed_only_as_told() {
    let place = Place::new();
    let certificates = need!(Certificates::make(&place.path("tls"), "IP:127.0.0.1", 30), NO_OPENSSL);
    let server = Handshake::start(&certificates);
    let way = |trust: Trust| Way::to(server.address).encrypted(trust);
    for bad in [Trust::System, Trust::Pinned([7; 32])] {
        each(&way(bad), |name, kind, message, hint| {
            assert_eq!(kind, StoreErrorKind::Untrusted, "{name}: {message}");
            assert!(hint.contains("give the record"), "{name}: {hint}");
        });
    }
    for good in [
        Trust::Authority(certificates.authority()),
        Trust::Pinned(certificates.fingerprint()),
        Trust::Insecure,
    ] {
        // It goes no further than to be believed.
        each(&way(good), |name, kind, message, _| {
            assert_eq!(kind, StoreErrorKind::Connection, "{name}: {message}");
        });
    }
}

//! What every storage over HTTP does when there is no proper server at the other end.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use backends::http::Options;
use backends::rest::{self, Settings};
use engine_api::StoreErrorKind;
use holdfast_tests::proxy::{Fault, Proxy};
use holdfast_tests::server::free_address;

use crate::common::{refusal, within};

fn at(address: std::net::SocketAddr) -> Settings {
    Settings {
        protocol: "http".to_owned(),
        host: address.ip().to_string(),
        port: address.port(),
        http: Options {
            connect: Duration::from_millis(500),
            stall: Duration::from_millis(300),
            ..Options::default()
        },
        ..Settings::default()
    }
}

fn refused(settings: &Settings) -> (StoreErrorKind, String, String) {
    within(Duration::from_secs(5), || {
        refusal(rest::open(settings).map(|destination| destination.blobs))
    })
}

#[test]
fn a_closed_port_is_a_broken_connection() {
    let (kind, message, hint) = refused(&at(free_address()));
    assert_eq!(kind, StoreErrorKind::Connection, "{message}");
    assert!(hint.contains("reachable"), "{hint}");
}

#[test]
fn a_name_that_nobody_has_is_told() {
    let settings = Settings {
        host: "nobody.invalid".to_owned(),
        ..at(free_address())
    };
    let (kind, message, _) = refused(&settings);
    assert!(
        matches!(kind, StoreErrorKind::Connection | StoreErrorKind::Timeout),
        "{message}"
    );
}

#[test]
fn a_server_that_never_answers_ends_in_a_timeout() {
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    for protocol in ["http", "https"] {
        let settings = Settings {
            protocol: protocol.to_owned(),
            ..at(silent.local_addr().unwrap())
        };
        let (kind, message, _) = refused(&settings);
        assert_eq!(kind, StoreErrorKind::Timeout, "{protocol}: {message}");
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
        let (found, message, _) = refused(&at(proxy.address));
        assert_eq!(found, kind, "{message}");
        assert!(message.contains(&status.to_string()), "{message}");
    }
}

#[test]
fn a_server_that_speaks_something_else_is_told() {
    let server = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = server.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in server.incoming().take(2).flatten() {
            use std::io::Write;
            let _ = (&stream).write_all(b"220 mail.example.org ESMTP\r\n");
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    for protocol in ["http", "https"] {
        let settings = Settings {
            protocol: protocol.to_owned(),
            ..at(address)
        };
        refused(&settings);
    }
}

//! restic's REST protocol, against rclone's server and restic's own.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Mutex;

use backends::http::{Options, Trust};
use backends::rest::{self, Settings};
use engine_api::{BlobStore, Body, Capabilities, Key, ObjectMeta, PutMode, Space, StoreError, StoreErrorKind};
use holdfast_tests::machine::Machine;
use holdfast_tests::need;
use holdfast_tests::proxy::Proxy;
use holdfast_tests::restic::Restic;
use holdfast_tests::server::{self, Certificates, Server, rclone};
use holdfast_tests::watch::Watch;
use holdfast_tests::world::program;
use sha2::{Digest, Sha256};

use crate::common::{
    ALL_TROUBLES, EXCLUSIVE, Place, Store, TROUBLES, bad_network, carries_a_repository, conforms_without, refusal,
    survives,
};

const NO_RCLONE: &str = "rclone is not installed";
const NO_REST_SERVER: &str = "restic's rest-server is not installed";
const LOGIN: [&str; 4] = ["--user", "us er@", "--pass", "p/ss:wörd"];

/// The settings for what listens at `address`.
fn at(address: std::net::SocketAddr) -> Settings {
    Settings {
        protocol: "http".to_owned(),
        host: address.ip().to_string(),
        port: address.port(),
        create: true,
        ..Settings::default()
    }
}

fn with_login(settings: Settings) -> Settings {
    Settings {
        user: LOGIN[1].to_owned(),
        password: LOGIN[3].into(),
        ..settings
    }
}

fn opened(settings: &Settings) -> Result<Store, StoreError> {
    rest::open(settings).map(|destination| destination.blobs)
}

fn rest_server(place: &Place, arguments: &[&str]) -> Option<Server> {
    server::rest_server(&place.served(), arguments)
}

/// The public suite's names under names that the protocol knows.
struct Renamed {
    inner: Store,
    names: Mutex<HashMap<Key, Key>>,
}

impl Renamed {
    fn name(&self, key: &Key) -> Key {
        let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(key.as_bytes()));
        let name = Key::new(format!("data/{}/{digest}", &digest[..2])).unwrap();
        self.names.lock().unwrap().insert(name.clone(), key.clone());
        name
    }
}

impl BlobStore for Renamed {
    fn location(&self) -> &str {
        self.inner.location()
    }

    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    fn put(&self, key: &Key, body: Body<'_>, mode: PutMode) -> Result<(), StoreError> {
        self.inner.put(&self.name(key), body, mode)
    }

    fn get(&self, key: &Key) -> Result<Vec<u8>, StoreError> {
        self.inner.get(&self.name(key))
    }

    fn get_range(&self, key: &Key, offset: u64, buffer: &mut [u8]) -> Result<(), StoreError> {
        self.inner.get_range(&self.name(key), offset, buffer)
    }

    fn list(&self, folder: &str, each: &mut dyn FnMut(ObjectMeta) -> ControlFlow<()>) -> Result<(), StoreError> {
        self.inner.list("data", &mut |object| {
            let key = self.names.lock().unwrap().get(&object.key).cloned().unwrap();
            let below = key.as_bytes().strip_prefix(folder.as_bytes());
            let inside = folder.is_empty() || below.is_some_and(|rest| rest.is_empty() || rest[0] == b'/');
            if inside {
                each(ObjectMeta { key, ..object })
            } else {
                ControlFlow::Continue(())
            }
        })
    }

    fn remove(&self, key: &Key) -> Result<(), StoreError> {
        self.inner.remove(&self.name(key))
    }

    fn discard(&self, key: &Key) -> Result<(), StoreError> {
        self.inner.discard(&self.name(key))
    }

    fn stat(&self, key: &Key) -> Result<ObjectMeta, StoreError> {
        let meta = self.inner.stat(&self.name(key))?;
        Ok(ObjectMeta {
            key: key.clone(),
            ..meta
        })
    }

    fn space(&self) -> Result<Option<Space>, StoreError> {
        self.inner.space()
    }
}

fn renamed(settings: &Settings) -> Renamed {
    Renamed {
        inner: opened(settings).unwrap(),
        names: Mutex::default(),
    }
}

#[test]
fn rclone_keeps_the_contract() {
    let place = Place::new();
    let server = need!(rclone("restic", &["--cache-objects=false"], &place.served()), NO_RCLONE);
    let broken = [
        (
            "an interrupted put leaves nothing",
            "rclone's server removes an object when an upload over it breaks off",
        ),
        (
            "readers never see half an object",
            "rclone's server replaces an object byte by byte",
        ),
        (
            "many writers and a listing go together",
            "rclone's server lists what is still being uploaded",
        ),
    ];
    conforms_without(&renamed(&at(server.address)), &EXCLUSIVE, &broken);
}

#[test]
fn rest_server_keeps_the_contract() {
    let place = Place::new();
    let server = need!(rest_server(&place, &["--no-verify-upload"]), NO_REST_SERVER);
    let settings = Settings {
        directory: "some/where".to_owned(),
        ..at(server.address)
    };
    let broken = [(
        "readers never see half an object",
        "rest-server overwrites nothing, so that what is replaced is not there for a moment",
    )];
    conforms_without(&renamed(&settings), &EXCLUSIVE, &broken);
}

#[test]
fn rclone_carries_a_repository() {
    let place = Place::new();
    let server = need!(rclone("restic", &LOGIN, &place.served()), NO_RCLONE);
    let settings = with_login(at(server.address));
    let repository = format!("rest:http://us%20er%40:p%2Fss%3Aw%C3%B6rd@{}/", server.address);
    let restic = |program: &holdfast_tests::restic::Program| Restic::new(program, std::path::Path::new(&repository));
    carries_a_repository(&place, &|| opened(&settings).unwrap(), Some(&restic));
}

#[test]
fn rest_server_carries_a_repository() {
    let place = Place::new();
    let server = need!(rest_server(&place, &[]), NO_REST_SERVER);
    let settings = Settings {
        directory: "deep/down".to_owned(),
        ..at(server.address)
    };
    let repository = format!("rest:http://{}/deep/down/", server.address);
    let restic = |program: &holdfast_tests::restic::Program| Restic::new(program, std::path::Path::new(&repository));
    carries_a_repository(&place, &|| opened(&settings).unwrap(), Some(&restic));
}

#[test]
fn a_wrong_login_is_refused() {
    let place = Place::new();
    let server = need!(rclone("restic", &LOGIN, &place.served()), NO_RCLONE);
    let wrong = Settings {
        password: "p/ss:word".into(),
        ..with_login(at(server.address))
    };
    for settings in [at(server.address), wrong] {
        let (kind, message, hint) = refusal(opened(&settings));
        assert_eq!(kind, StoreErrorKind::Unauthenticated, "{message}");
        assert!(hint.contains("password"), "{hint}");
        assert!(!message.contains("p/ss"), "{message}");
    }
}

/// restic was given the login within an address, on its command line and as it was typed.
#[test]
fn d47_a_login_of_any_characters_works_and_stands_on_no_command_line() {
    // Tests beside this one start servers with logins of their own on the command line.
    const USER: &str = "s even@";
    const PASSWORD: &str = "p/s:w@r#d?100%25 ü&\"'";
    let place = Place::new();
    let digest = data_encoding::BASE64.encode(&sha1::Sha1::digest(PASSWORD));
    std::fs::write(place.path("htpasswd"), format!("{USER}:{{SHA}}{digest}\n")).unwrap();
    let file = place.path("htpasswd");
    let arguments = ["--htpasswd", file.to_str().unwrap()];
    let server = need!(rclone("restic", &arguments, &place.served()), NO_RCLONE);
    let machine = Machine::new();
    let tree = machine.path("tree");
    std::fs::create_dir(&tree).unwrap();
    std::fs::write(tree.join("letter"), "Dear Ann,\n").unwrap();
    let properties = [
        ("VFSType", "rest".to_owned()),
        ("RestProtocol", "http".to_owned()),
        ("RestHost", server.address.ip().to_string()),
        ("RestPort", server.address.port().to_string()),
        ("RestUser", USER.to_owned()),
        ("RestPassword", PASSWORD.to_owned()),
    ];
    machine.job("b1", "restic", &properties, &tree);
    let escaped = "p%2Fs%3Aw";
    let watch = Watch::for_words(&[PASSWORD, escaped, USER, "s%20even"]);
    for words in [["backup", "-b", "b1"], ["ls", "-b", "b1"], ["check", "-b", "b1"]] {
        let output = std::process::Command::new(program())
            .args(words)
            .env("HOLDFAST_ROOT", machine.path("root"))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {text}");
        assert!(!text.contains(PASSWORD) && !text.contains(escaped), "{text}");
    }
    watch.saw_nothing();
}

#[test]
fn a_certificate_is_trusted_only_as_told() {
    let place = Place::new();
    let certificates = need!(
        Certificates::make(&place.path("tls"), "IP:127.0.0.1", 30),
        "openssl is not installed"
    );
    let (certificate, key) = (certificates.certificate.display(), certificates.key.display());
    let tls = [format!("--cert={certificate}"), format!("--key={key}")];
    let server = need!(rclone("restic", &[&tls[0], &tls[1]], &place.served()), NO_RCLONE);
    let with = |trust: Trust| Settings {
        protocol: "https".to_owned(),
        trust,
        ..at(server.address)
    };
    for good in [
        Trust::Authority(certificates.authority()),
        Trust::Pinned(certificates.fingerprint()),
        Trust::Insecure,
    ] {
        opened(&with(good)).unwrap();
    }
    for bad in [Trust::System, Trust::Pinned([7; 32])] {
        let (kind, message, hint) = refusal(opened(&with(bad)));
        assert_eq!(kind, StoreErrorKind::Untrusted, "{message}");
        assert!(hint.contains("give the record"), "{hint}");
    }
    let plain = Settings {
        protocol: "http".to_owned(),
        ..with(Trust::Insecure)
    };
    refusal(opened(&plain));
}

#[test]
fn a_bad_network_harms_nothing() {
    let place = Place::new();
    let server = need!(rest_server(&place, &[]), NO_REST_SERVER);
    let proxy = Proxy::start(server.address, bad_network(1, 2, TROUBLES));
    survives(&place, 25, &|| opened(&at(server.address)).unwrap(), &|| {
        opened(&at(proxy.address))
    });
    assert!(proxy.faults() > 25, "only {} faults", proxy.faults());
}

/// On an encrypted line a flipped bit never arrives.
#[test]
fn a_bad_network_cannot_change_what_is_encrypted() {
    let place = Place::new();
    let certificates = need!(
        Certificates::make(&place.path("tls"), "IP:127.0.0.1", 30),
        "openssl is not installed"
    );
    let (certificate, key) = (certificates.certificate.display(), certificates.key.display());
    let tls = [format!("--tls-cert={certificate}"), format!("--tls-key={key}")];
    let server = need!(rest_server(&place, &["--tls", &tls[0], &tls[1]]), NO_REST_SERVER);
    let secure = |address| Settings {
        protocol: "https".to_owned(),
        trust: Trust::Authority(certificates.authority()),
        http: Options::default(),
        ..at(address)
    };
    let proxy = Proxy::start(server.address, bad_network(2, 2, ALL_TROUBLES));
    let direct = || opened(&secure(server.address)).unwrap();
    survives(&place, 25, &direct, &|| opened(&secure(proxy.address)));
    assert!(proxy.faults() > 25, "only {} faults", proxy.faults());
}

//! Who we are and who the server is.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use backends::Secret;
use backends::sftp::{Settings, install_key, make_key};
use engine_api::{Body, Failure, Key, PutMode, StoreError, StoreErrorKind};
use holdfast_tests::need;
use holdfast_tests::sshd::{ACCOUNT, JAIL, Options, PASSWORD, Sshd};

use crate::common::{NO_SERVER, open};

const NO_ACCOUNT: &str = "there is no sshd here, or this user may not give it an account of its own";

fn server_with_account() -> Option<Sshd> {
    Sshd::with(&Options {
        account: true,
        ..Options::default()
    })
}

/// The way in for the account, with a key that was made just now.
fn account(server: &Sshd) -> (Settings, String) {
    let mut settings = server.settings(Path::new("backups/mine"));
    settings.user = ACCOUNT.to_owned();
    let key = server.folder().join("backup.key");
    let line = make_key(&key).unwrap();
    settings.keys = vec![key];
    (settings, line)
}

fn error_of(settings: Settings) -> StoreError {
    match backends::sftp::open(settings, true) {
        Ok(_) => panic!("the login went well"),
        Err(error) => error,
    }
}

fn text(error: StoreError) -> String {
    engine_api::Error::from(error).chain()
}

#[test]
fn a_key_is_installed_once_with_the_password_and_then_opens_the_account() {
    let server = need!(server_with_account(), NO_ACCOUNT);
    let (settings, line) = account(&server);
    assert_eq!(error_of(settings.clone()).kind, StoreErrorKind::Unauthenticated);
    let keys = server.home().join(".ssh/authorized_keys");
    std::fs::create_dir(server.home().join(".ssh")).unwrap();
    std::fs::write(&keys, "# mine\nssh-ed25519 AAAAold somebody").unwrap();
    for path in [&server.home().join(".ssh"), &keys] {
        std::os::unix::fs::chown(path, Some(12_321), Some(12_321)).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    for _ in 0..2 {
        install_key(&settings, &Secret::from(PASSWORD), &line).unwrap();
        let found = std::fs::read_to_string(&keys).unwrap();
        assert_eq!(found, format!("# mine\nssh-ed25519 AAAAold somebody\n{line}\n"));
    }
    let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!((mode(&keys) & 0o022, mode(keys.parent().unwrap()) & 0o022), (0, 0));
    assert_eq!(std::fs::read_dir(keys.parent().unwrap()).unwrap().count(), 1);
    let destination = backends::sftp::open(settings, true).unwrap();
    let key = Key::new("config").unwrap();
    destination.blobs.put(&key, Body::Bytes(b"x"), PutMode::Create).unwrap();
    let file = server.home().join("backups/mine/config");
    assert_eq!(std::fs::read(&file).unwrap(), b"x");
    assert_eq!(std::fs::metadata(file).unwrap().uid(), 12_321);
}

#[test]
fn the_first_key_of_an_account_gets_the_modes_that_servers_want() {
    let server = need!(server_with_account(), NO_ACCOUNT);
    let (settings, line) = account(&server);
    install_key(&settings, &Secret::from(PASSWORD), &line).unwrap();
    let mode = |name: &str| std::fs::metadata(server.home().join(name)).unwrap().mode() & 0o7777;
    assert_eq!((mode(".ssh"), mode(".ssh/authorized_keys")), (0o700, 0o600));
}

#[test]
fn a_wrong_password_is_told_and_not_repeated_anywhere() {
    let server = need!(server_with_account(), NO_ACCOUNT);
    let (settings, line) = account(&server);
    let error = install_key(&settings, &Secret::from("not-the-password"), &line).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unauthenticated);
    assert!(error.is_permanent());
    assert!(error.hint().unwrap().contains("password"));
    let shown = [format!("{error:?}"), text(error)].concat();
    assert!(!shown.contains("not-the-password"), "{shown}");
    assert!(!server.log().contains("not-the-password"));
}

#[test]
fn the_old_key_of_nethserver_opens_too() {
    let server = need!(Sshd::start(), NO_SERVER);
    let key = server.folder().join("backup.key");
    // As OpenSSH 7.4 wrote it.
    let arguments = ["-q", "-N", "", "-t", "rsa", "-b", "2048", "-m", "PEM", "-f"];
    assert!(
        Command::new("ssh-keygen")
            .args(arguments)
            .arg(&key)
            .status()
            .unwrap()
            .success()
    );
    let text = std::fs::read_to_string(&key).unwrap();
    assert!(text.contains("BEGIN RSA PRIVATE KEY"));
    std::fs::copy(
        server.folder().join("backup.key.pub"),
        server.folder().join("authorized_keys"),
    )
    .unwrap();
    let mut settings = server.settings(&server.folder().join("place"));
    // The new one is not there yet.
    settings.keys = vec![server.folder().join("none"), key];
    backends::sftp::open(settings, true).unwrap();
}

#[test]
fn a_key_that_the_server_does_not_know_is_refused_for_good() {
    let server = need!(Sshd::start(), NO_SERVER);
    let mut settings = server.settings(&server.folder().join("place"));
    let key = server.folder().join("other");
    make_key(&key).unwrap();
    settings.keys = vec![key];
    let error = error_of(settings.clone());
    assert_eq!(error.kind, StoreErrorKind::Unauthenticated);
    assert!(error.is_permanent());
    assert!(error.hint().unwrap().contains("install the key"));
    settings.keys = vec![server.folder().join("none")];
    assert!(text(error_of(settings)).contains("no key to log in with"));
}

#[test]
fn d53_the_servers_key_is_pinned_for_ssh_too_and_a_change_is_refused() {
    let server = need!(Sshd::start(), NO_SERVER);
    let place = server.folder().join("place");
    drop(open(&server, &place));
    let settings = server.settings(&place);
    let name = format!("[127.0.0.1]:{}", server.address().port());
    let found = Command::new("ssh-keygen")
        .args(["-F", &name, "-f"])
        .arg(&settings.known_hosts)
        .output()
        .unwrap();
    assert!(found.status.success(), "ssh finds the pinned key");
    // Another server at the same address.
    let other = need!(Sshd::start(), NO_SERVER);
    let pinned = std::fs::read_to_string(&settings.known_hosts).unwrap();
    let moved = pinned.replace(&name, &format!("[127.0.0.1]:{}", other.address().port()));
    let mut settings = other.settings(&place);
    std::fs::write(&settings.known_hosts, moved).unwrap();
    let error = error_of(settings.clone());
    assert_eq!(error.kind, StoreErrorKind::Untrusted);
    assert!(error.is_permanent());
    let hint = error.hint().unwrap();
    assert!(hint.contains("known_hosts") && hint.contains("remove"), "{hint}");
    let shown = text(error);
    assert_eq!(shown.matches("SHA256:").count(), 2, "{shown}");
    // The password is not told to it either.
    let error = install_key(&settings, &Secret::from("told-to-nobody"), "ssh-ed25519 AAAA").unwrap_err();
    assert!(!text(error).contains("told-to-nobody"));
    let digest = |server: &Sshd| {
        let key = server.folder().join("host_key.pub");
        let output = Command::new("ssh-keygen").arg("-lf").arg(key).output().unwrap();
        String::from_utf8(output.stdout)
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .to_owned()
    };
    settings.fingerprint = Some(digest(&server));
    assert_eq!(error_of(settings.clone()).kind, StoreErrorKind::Untrusted);
    settings.fingerprint = Some(digest(&other));
    backends::sftp::open(settings, true).unwrap();
}

#[test]
fn an_unknown_server_is_refused_where_it_must_be_known() {
    let server = need!(Sshd::start(), NO_SERVER);
    let mut settings = server.settings(&server.folder().join("place"));
    settings.accept_new = false;
    let error = error_of(settings);
    assert_eq!(error.kind, StoreErrorKind::Untrusted);
    assert!(error.hint().unwrap().contains("ssh-keygen -lf"));
}

#[test]
fn a_pinned_key_is_asked_for_where_the_server_has_several() {
    let server = need!(
        Sshd::with(&Options {
            more_keys: vec!["rsa", "ecdsa"],
            ..Options::default()
        }),
        NO_SERVER
    );
    for kind in ["rsa", "ecdsa", "ed25519"] {
        let mut settings = server.settings(&server.folder().join("place"));
        let file = if kind == "ed25519" {
            "host_key.pub".to_owned()
        } else {
            format!("host_key_{kind}.pub")
        };
        let key = std::fs::read_to_string(server.folder().join(file)).unwrap();
        let line = format!("[127.0.0.1]:{} {key}", server.address().port());
        std::fs::write(&settings.known_hosts, line).unwrap();
        settings.accept_new = false;
        backends::sftp::open(settings, true).unwrap_or_else(|error| panic!("{kind}: {}", text(error)));
    }
}

#[test]
fn d56_an_account_that_may_only_use_sftp_in_its_own_root_is_enough() {
    let options = Options {
        account: true,
        lines: vec![
            format!("Match User {ACCOUNT}"),
            format!("ChrootDirectory {JAIL}"),
            "ForceCommand internal-sftp".to_owned(),
            "AllowTcpForwarding no".to_owned(),
        ],
        ..Options::default()
    };
    let server = need!(Sshd::with(&options), NO_ACCOUNT);
    let inside = server.folder().join("jail/backups");
    std::fs::create_dir_all(&inside).unwrap();
    std::os::unix::fs::chown(&inside, Some(12_321), Some(12_321)).unwrap();
    let (mut settings, line) = account(&server);
    std::fs::create_dir(server.home().join(".ssh")).unwrap();
    std::fs::write(server.home().join(".ssh/authorized_keys"), line).unwrap();
    settings.directory = "/backups".to_owned();
    let destination =
        backends::sftp::open(settings, false).unwrap_or_else(|error| panic!("{}\n{}", text(error), server.log()));
    let files = destination.files.as_deref().unwrap();
    assert!(files.capabilities().hard_links && files.capabilities().modes && !files.capabilities().owners);
    assert!(files.capabilities().link_metadata && files.capabilities().copy_range);
    backends::conformance::files::run(files, "area").unwrap();
    let key = Key::new("config").unwrap();
    destination.blobs.put(&key, Body::Bytes(b"x"), PutMode::Create).unwrap();
    assert_eq!(std::fs::read(inside.join("config")).unwrap(), b"x");
}

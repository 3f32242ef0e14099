use super::*;

/// What `ssh-keyscan -H` makes of the name `backup.example.org` with the salt of zeros.
fn hashed(name: &str) -> String {
    let salt = [0_u8; 20];
    let mac = Hmac::<Sha1>::new_from_slice(&salt)
        .unwrap()
        .chain_update(name.as_bytes());
    let hash = mac.finalize().into_bytes();
    format!("|1|{}|{}", BASE64.encode(&salt), BASE64.encode(&hash))
}

fn new_key() -> PublicKey {
    let mut rng = russh::keys::key::safe_rng();
    let key = russh::keys::PrivateKey::random(&mut rng, russh::keys::Algorithm::Ed25519).unwrap();
    key.public_key().clone()
}

struct Bench {
    folder: tempfile::TempDir,
    settings: Settings,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("known_hosts");
        Self {
            settings: Settings::new("Backup.example.org", "me", "dir", file),
            folder,
        }
    }

    fn write(&self, text: &str) {
        std::fs::write(&self.settings.known_hosts, text).unwrap();
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.settings.known_hosts).unwrap()
    }

    fn check(&self, key: &PublicKey) -> Result<(), Problem> {
        Trust::read(&self.settings)?.check(key)
    }
}

#[test]
fn the_first_key_is_pinned_and_no_other_passes() {
    let bench = Bench::new();
    let (first, second) = (new_key(), new_key());
    bench.check(&first).unwrap();
    assert!(bench.text().starts_with("backup.example.org ssh-ed25519 AAAA"));
    bench.check(&first).unwrap();
    let problem = bench.check(&second).unwrap_err();
    assert_eq!(problem.kind(), StoreErrorKind::Untrusted);
    let text = problem.to_string();
    assert!(
        text.contains(&fingerprint(&first)) && text.contains(&fingerprint(&second)),
        "{text}"
    );
    assert_eq!(bench.text().lines().count(), 1);
    assert_eq!(std::fs::read_dir(bench.folder.path()).unwrap().count(), 1);
}

#[test]
fn another_port_is_another_server() {
    let mut bench = Bench::new();
    bench.check(&new_key()).unwrap();
    bench.settings.port = 2222;
    bench.check(&new_key()).unwrap();
    assert!(bench.text().contains("\n[backup.example.org]:2222 ssh-ed25519 "));
}

#[test]
fn an_unknown_server_is_refused_where_that_is_wanted() {
    let mut bench = Bench::new();
    bench.settings.accept_new = false;
    let problem = bench.check(&new_key()).unwrap_err();
    assert_eq!(problem.kind(), StoreErrorKind::Untrusted);
    assert!(!bench.settings.known_hosts.exists());
}

#[test]
fn a_given_fingerprint_decides() {
    let mut bench = Bench::new();
    let (old, new) = (new_key(), new_key());
    bench.check(&old).unwrap();
    bench.settings.accept_new = false;
    bench.settings.fingerprint = Some(fingerprint(&new));
    assert!(bench.check(&old).is_err());
    bench.check(&new).unwrap();
    bench.settings.fingerprint = None;
    bench.check(&new).unwrap();
}

#[test]
fn hashed_names_revoked_keys_and_comments_are_understood() {
    let bench = Bench::new();
    let (good, bad) = (new_key(), new_key());
    bench.write(&format!(
        "# a comment\n\nother {}\n{} {}\n@revoked backup.example.org {}\n",
        new_key().to_openssh().unwrap(),
        hashed("backup.example.org"),
        good.to_openssh().unwrap(),
        bad.to_openssh().unwrap(),
    ));
    bench.check(&good).unwrap();
    assert!(bench.check(&bad).unwrap_err().to_string().contains("revoked"));
}

#[test]
fn a_line_that_cannot_be_read_is_no_reason_to_trust() {
    let bench = Bench::new();
    bench.write("backup.example.org ssh-ed25519 what?\n");
    assert!(bench.check(&new_key()).is_err());
    std::fs::remove_file(&bench.settings.known_hosts).unwrap();
    std::fs::create_dir(&bench.settings.known_hosts).unwrap();
    assert!(bench.check(&new_key()).is_err(), "a folder in the place of the file");
}

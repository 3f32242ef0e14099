use std::io::ErrorKind;

use super::super::{CryptError, OpenPgp, OpenPgpSettings};
use super::program::Gpg;
use super::{content, opened, sealed, with_passphrases};
use zeroize::Zeroizing;

/// The key derivation is made short, for there are many messages.
const SYMMETRIC: [&str; 6] = [
    "--passphrase",
    "secret",
    "--s2k-count",
    "65536",
    "--no-symkey-cache",
    "--symmetric",
];

#[test]
fn gpg_opens_what_was_sealed_with_a_passphrase() {
    let Some(gpg) = Gpg::new() else { return };
    for compression in [true, false] {
        let settings = OpenPgpSettings {
            compression,
            ..with_passphrases(&["secret"])
        };
        for len in [0, 1, 65_530, 300_000] {
            let content = content(len);
            let message = sealed(&settings, &content);
            let output = gpg.filter(&["--passphrase", "secret", "--decrypt"], &message);
            assert!(output.stdout == content, "{len}");
            let said = String::from_utf8_lossy(&output.stderr).to_lowercase();
            assert!(!said.contains("warning") && !said.contains("error"), "{said}");
            let listed = gpg.filter(&["--passphrase", "secret", "--list-packets"], &message);
            let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
            assert!(
                listed.contains("mdc_method: 2") && listed.contains("cipher 9"),
                "{listed}"
            );
            assert!(listed.contains(":compressed packet: algo=1") == compression, "{listed}");
            assert!(listed.contains(":literal data packet:"), "{listed}");
        }
    }
}

#[test]
fn what_gpg_encrypts_with_a_passphrase_is_opened() {
    let Some(gpg) = Gpg::new() else { return };
    let settings = with_passphrases(&["secret"]);
    for len in [0, 10, 300_000] {
        let content = content(len);
        for cipher in [
            "AES256",
            "AES192",
            "AES",
            "CAST5",
            "3DES",
            "TWOFISH",
            "BLOWFISH",
            "CAMELLIA256",
        ] {
            // GnuPG leaves the check out for ciphers of short blocks unless it is told to, as duplicity does.
            let arguments = [&["--cipher-algo", cipher, "--force-mdc"], &SYMMETRIC[..]].concat();
            let message = gpg.filter(&arguments, &content).stdout;
            assert!(opened(&settings, &message).unwrap() == content, "{cipher} {len}");
        }
        for compression in ["0", "1", "2", "3"] {
            let arguments = [&["--compress-algo", compression], &SYMMETRIC[..]].concat();
            let message = gpg.filter(&arguments, &content).stdout;
            assert!(
                opened(&settings, &message).unwrap() == content,
                "compression {compression} {len}"
            );
        }
    }
}

#[test]
fn to_public_keys_and_back() {
    let Some(gpg) = Gpg::new() else { return };
    gpg.generate("alice", "RSA", "RSA", "");
    gpg.generate(
        "bob",
        "EdDSA\nKey-Curve: ed25519",
        "ECDH\nSubkey-Curve: cv25519",
        "bobs",
    );
    let content = content(300_000);
    for (user, passphrase) in [("alice", ""), ("bob", "bobs")] {
        let reader = OpenPgpSettings {
            secret_keys: vec![gpg.secret(user, passphrase)],
            ..with_passphrases(&["another", passphrase])
        };
        for how in ["--recipient", "--hidden-recipient"] {
            let message = gpg.filter(&[how, user, "--encrypt"], &content).stdout;
            assert!(opened(&reader, &message).unwrap() == content, "{how} {user}");
            let other = OpenPgpSettings {
                secret_keys: Vec::new(),
                ..reader.clone()
            };
            let error = opened(&other, &message).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        }
        let writer = OpenPgpSettings {
            recipients: vec![gpg.public("alice")],
            hidden_recipients: vec![gpg.public("bob")],
            ..OpenPgpSettings::default()
        };
        let message = sealed(&writer, &content);
        assert!(opened(&reader, &message).unwrap() == content, "{user}");
        let only = ["--passphrase", passphrase, "--try-secret-key", user, "--decrypt"];
        assert!(gpg.filter(&only, &message).stdout == content, "{user}");
    }
    let locked = OpenPgpSettings {
        secret_keys: vec![gpg.secret("bob", "bobs")],
        ..with_passphrases(&["alices"])
    };
    assert!(matches!(OpenPgp::new(&locked), Err(CryptError::Locked { .. })));
}

#[test]
fn signatures_are_made_and_checked() {
    let Some(gpg) = Gpg::new() else { return };
    gpg.generate("alice", "RSA", "RSA", "");
    gpg.generate(
        "bob",
        "EdDSA\nKey-Curve: ed25519",
        "ECDH\nSubkey-Curve: cv25519",
        "bobs",
    );
    let content = content(200_000);
    for (user, other, passphrase) in [("alice", "bob", ""), ("bob", "alice", "bobs")] {
        let signing = OpenPgpSettings {
            signing_key: Some(gpg.secret(user, passphrase)),
            signing_passphrase: Some(Zeroizing::new(passphrase.to_owned())),
            ..with_passphrases(&["secret"])
        };
        let signed_by = |user: Option<&str>| OpenPgpSettings {
            signed_by: user.map(|user| gpg.public(user)),
            ..with_passphrases(&["secret"])
        };
        let ours = sealed(&signing, &content);
        let output = gpg.filter(&["--passphrase", "secret", "--status-fd", "2", "--decrypt"], &ours);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("GOODSIG") && output.stdout == content, "{said}");

        let arguments = ["--local-user", user, "--sign", "--passphrase", passphrase];
        let signed = gpg
            .filter(&[&arguments[..], &["--compress-algo", "0"]].concat(), &content)
            .stdout;
        assert_eq!(
            opened(&signed_by(None), &signed).unwrap_err().kind(),
            ErrorKind::InvalidData,
            "not encrypted"
        );
        let both = [&arguments[..], &["--recipient", "alice", "--encrypt"]].concat();
        let theirs = gpg.filter(&both, &content).stdout;
        let reader = |user| OpenPgpSettings {
            secret_keys: vec![gpg.secret("alice", "")],
            ..signed_by(user)
        };
        for message in [&ours, &theirs] {
            assert!(opened(&reader(Some(user)), message).unwrap() == content);
            assert!(
                opened(&reader(None), message).unwrap() == content,
                "nobody asks who signed"
            );
            let error = opened(&reader(Some(other)), message).unwrap_err();
            assert!(error.to_string().contains("not signed by the key"), "{error}");
        }
        let unsigned = sealed(&with_passphrases(&["secret"]), &content);
        let error = opened(&signed_by(Some(user)), &unsigned).unwrap_err();
        assert!(error.to_string().contains("not signed"), "{error}");
    }
}

#[test]
fn a_key_that_has_expired_or_cannot_encrypt_is_refused() {
    let Some(gpg) = Gpg::new() else { return };
    gpg.run(&[
        "--passphrase",
        "",
        "--quick-generate-key",
        "signer",
        "ed25519",
        "sign",
        "never",
    ]);
    gpg.run(&[
        "--passphrase",
        "",
        "--faked-system-time",
        "20200101T000000",
        "--quick-generate-key",
        "past",
        "default",
        "default",
        "1y",
    ]);
    for (user, why) in [("signer", "no valid subkey"), ("past", "expired")] {
        let settings = OpenPgpSettings {
            recipients: vec![gpg.public(user)],
            ..OpenPgpSettings::default()
        };
        let error = OpenPgp::new(&settings).err().unwrap();
        assert!(error.to_string().contains(why), "{error}");
    }
}

//! Mail by a server.

use std::fs;

use super::mail_server::{MailServer, Manner};
use super::{Machine, Record, hurried, only, settings, tell};
use crate::name::JobName;
use crate::notify::{Limits, News};
use crate::record::Security;
use crate::status::Status;

use std::time::Duration;

/// Settings of a job that has this server.
fn by(server: &MailServer, more: &[(&str, &str)]) -> Machine {
    let port = server.port.to_string();
    let mut properties = vec![
        ("Notify", "always"),
        ("NotifyTo", "ann@example.org,bob@example.org"),
        ("NotifyFrom", "backup"),
        ("SMTPHost", "127.0.0.1"),
        ("SMTPPort", port.as_str()),
    ];
    properties.extend(more);
    Machine::new(&properties)
}

fn authority(folder: &tempfile::TempDir) -> String {
    let path = folder.path().join("authority.pem");
    fs::write(&path, include_bytes!("authority.pem")).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_mail_server_with_encryption_and_login() {
    let folder = tempfile::tempdir().unwrap();
    let authority = authority(&folder);
    for (security, word) in [(Security::StartTls, "starttls"), (Security::Tls, "tls")] {
        let server = MailServer::start(Manner {
            security,
            // NUL ann NUL s3cret!
            login: Some("AGFubgBzM2NyZXQh".to_owned()),
            ..Manner::default()
        });
        let machine = by(
            &server,
            &[
                ("SMTPSecurity", word),
                ("SMTPLogin", "ann"),
                ("SMTPPassword", "s3cret!"),
                ("SMTPCertificate", &authority),
            ],
        );
        let told = machine.tell(&machine.run(Status::Success));
        assert!(only(&told).success, "{told:?}");
        let taken = server.taken.recv().unwrap();
        assert!(taken.encrypted && taken.login);
        assert_eq!(taken.from, "FROM:<backup@srv.example.org>");
        assert_eq!(taken.to, ["TO:<ann@example.org>", "TO:<bob@example.org>"]);
        assert!(
            taken
                .text
                .contains("Subject: Backup nightly [srv.example.org]: SUCCESS\r\n"),
            "{}",
            taken.text
        );
        assert!(taken.text.contains("From: backup@srv.example.org\r\n"));
    }
}

#[test]
fn a_mail_server_that_is_not_to_be_believed_gets_nothing() {
    let server = MailServer::start(Manner {
        security: Security::Tls,
        ..Manner::default()
    });
    let machine = by(&server, &[("SMTPSecurity", "tls")]);
    let told = machine.tell(&machine.run(Status::Success));
    assert!(!only(&told).success, "this machine does not know the test's authority");
    assert!(server.taken.try_recv().is_err());
    let any = by(&server, &[("SMTPSecurity", "tls"), ("SMTPCertificate", "any")]);
    assert!(only(&any.tell(&any.run(Status::Success))).success);
}

#[test]
fn a_password_is_never_sent_in_plain_text_nor_shown() {
    let server = MailServer::start(Manner {
        login: Some("AGFubgBzM2NyZXQh".to_owned()),
        ..Manner::default()
    });
    let machine = by(&server, &[("SMTPLogin", "ann"), ("SMTPPassword", "s3cret!")]);
    let told = machine.tell(&machine.run(Status::Success));
    let message = only(&told).message.clone().unwrap();
    assert!(
        message.ends_with("does not encrypt a connection that began in plain text"),
        "{message}"
    );
    assert!(!server.heard().contains("AUTH"));
    let plain = Record::of_kind("restic")
        .with("SMTPHost", "mail.example.org")
        .with("SMTPLogin", "ann")
        .with("SMTPSecurity", "none");
    let name = JobName::new("x").unwrap();
    let errors = crate::record::check(&name, &plain);
    assert!(
        errors.iter().any(|error| error.property() == "SMTPSecurity"),
        "{errors:?}"
    );
    for secret in ["SMTPPassword", "WebhookUrl", "PingUrl"] {
        assert!(crate::record::is_secret(secret), "{secret}");
    }
    let url = crate::record::Url::parse("https://hooks.example.org/T0KEN?x=T0KEN").unwrap();
    assert_eq!(url.to_string(), "hooks.example.org");
    assert!(!format!("{url:?}").contains("T0KEN"));
}

#[test]
fn a_mail_server_that_refuses_is_quoted() {
    let login = Some("AGFubgBzM2NyZXQh".to_owned());
    let server = MailServer::start(Manner {
        login,
        ..Manner::default()
    });
    // This machine itself may be told a password in plain text.
    let machine = by(
        &server,
        &[
            ("SMTPSecurity", "none"),
            ("SMTPLogin", "ann"),
            ("SMTPPassword", "falsch"),
        ],
    );
    let told = machine.tell(&machine.run(Status::Success));
    let message = only(&told).message.clone().unwrap();
    assert!(message.contains("answered 535: 5.7.8 wrong login"), "{message}");
    assert_eq!(only(&told).hint.as_deref(), Some("check SMTPLogin and SMTPPassword"));
    let busy = MailServer::start(Manner {
        greeting: "554 go away",
        ..Manner::default()
    });
    let machine = by(&busy, &[("SMTPSecurity", "none")]);
    let message = only(&machine.tell(&machine.run(Status::Success)))
        .message
        .clone()
        .unwrap();
    assert!(message.contains("answered 554: go away"), "{message}");
}

#[test]
fn one_recipient_that_is_refused_keeps_no_other_from_being_told() {
    let server = MailServer::start(Manner {
        unknown: Some("ann@"),
        ..Manner::default()
    });
    let machine = by(&server, &[("SMTPSecurity", "none")]);
    let told = machine.tell(&machine.run(Status::Success));
    let message = only(&told).message.clone().unwrap();
    assert!(
        message.starts_with("the others got it, but not ann@example.org"),
        "{message}"
    );
    assert_eq!(server.taken.recv().unwrap().to, ["TO:<bob@example.org>"]);
}

#[test]
fn a_server_that_hangs_is_left_after_a_while() {
    let server = MailServer::start(Manner {
        silent_after: Some("MAIL"),
        ..Manner::default()
    });
    let machine = by(&server, &[("SMTPSecurity", "none")]);
    let (settings, _) = settings(&machine.context, &machine.name).unwrap();
    let stall = Limits {
        stall: Duration::from_millis(300),
        ..hurried()
    };
    let run = machine.run(Status::Success);
    let news = |limits: &Limits| News::of(&machine.context, &run, None, limits);
    let message = only(&tell(&settings, news(&stall))).message.clone().unwrap();
    assert!(message.ends_with("did not answer in time"), "{message}");
    let nobody = MailServer::start(Manner {
        silent_after: Some("EHLO"),
        ..Manner::default()
    });
    let port = nobody.port.to_string();
    let machine = by(&nobody, &[("SMTPSecurity", "none"), ("SMTPPort", &port)]);
    let (settings, _) = super::settings(&machine.context, &machine.name).unwrap();
    let late = Limits {
        way: Duration::from_millis(300),
        ..hurried()
    };
    let message = only(&tell(&settings, news(&late))).message.clone().unwrap();
    assert_eq!(message, "it took longer than 0.3 seconds");
}

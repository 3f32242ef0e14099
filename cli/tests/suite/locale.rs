//! A machine whose locale is not UTF-8: names are bytes, mails say what they are written in, and a terminal gets the
//! characters that it has.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;

use crate::machine::Machine;
use crate::terminal::typed_in;

/// The locales, as a machine of the last century and a rescue system have them.
const LOCALES: [&str; 3] = ["de_DE.ISO-8859-1", "C", "POSIX"];

/// "Grüße" in ISO-8859-1, and in UTF-8.
const NAMES: [&[u8]; 2] = [b"Gr\xfc\xdfe.txt", "Grüße – heute.txt".as_bytes()];

/// What a command prints, byte for byte, when it succeeds.
fn good(machine: &Machine, locale: &str, words: &[&OsStr]) -> Vec<u8> {
    let mut command = machine.command(words);
    // As `locale` is set by some, and by others.
    let variable = if locale == "C" { "LC_ALL" } else { "LANG" };
    let output = command.env(variable, locale).output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{locale}: {words:?}: {err}");
    output.stdout
}

fn words<'a>(words: &[&'a str]) -> Vec<&'a OsStr> {
    words.iter().map(|word| OsStr::new(*word)).collect()
}

#[test]
fn names_are_saved_listed_and_restored_byte_for_byte_in_any_locale() {
    for locale in LOCALES {
        for engine in ["restic", "duplicity", "rsync"] {
            let machine = Machine::new();
            let data = machine.path("data");
            for name in NAMES {
                fs::write(data.join(OsStr::from_bytes(name)), name).unwrap();
            }
            let (folder, repo) = (machine.text("data"), machine.text("repo"));
            let add = ["job", "add", "b1", &folder, "--to", &repo, "--engine", engine];
            good(&machine, locale, &words(&add));
            good(&machine, locale, &words(&["backup", "-b", "b1"]));
            let listed = good(&machine, locale, &words(&["ls", "-b", "b1"]));
            for name in NAMES {
                let path = [folder.as_bytes(), b"/", name].concat();
                assert!(
                    listed.split(|byte| *byte == b'\n').any(|line| line == path),
                    "{locale}: {engine}: {}",
                    String::from_utf8_lossy(&listed)
                );
                fs::remove_file(data.join(OsStr::from_bytes(name))).unwrap();
                let path = OsString::from_vec(path);
                let back = [&words(&["restore-file", "-b", "b1", "/"])[..], &[path.as_os_str()]].concat();
                good(&machine, locale, &back);
                let content = fs::read(data.join(OsStr::from_bytes(name))).unwrap();
                assert_eq!(content, name, "{locale}: {engine}");
            }
        }
    }
}

#[test]
fn a_mail_is_right_in_any_locale() {
    for locale in LOCALES {
        let machine = Machine::new();
        let script = format!("#!/bin/sh\ncat >> {}\n", machine.text("mails"));
        machine.write("sendmail", &script);
        fs::set_permissions(machine.path("sendmail"), fs::Permissions::from_mode(0o755)).unwrap();
        let sendmail = machine.text("sendmail");
        let repo = machine.path("Büro");
        let (repo, data) = (repo.to_str().unwrap(), machine.text("data"));
        good(
            &machine,
            locale,
            &words(&["config", "set", "backup-data", "configuration", "Sendmail", &sendmail]),
        );
        let add = ["job", "add", "b1", &data, "--to", repo, "--set", "Notify=always"];
        good(&machine, locale, &words(&add));
        // An action that speaks ISO-8859-1.
        let hook = "root/etc/holdfast/backup-data.hooks/10-alt";
        machine.write(hook, "#!/bin/sh\nprintf 'Gr\\374\\337e\\n'\nexit 7\n");
        fs::set_permissions(machine.path(hook), fs::Permissions::from_mode(0o755)).unwrap();
        good(&machine, locale, &words(&["backup", "-b", "b1"]));
        let mail = fs::read(machine.path("mails")).unwrap();
        let mail = String::from_utf8(mail).expect("a mail is UTF-8, as it says");
        assert!(
            mail.contains("Content-Type: text/plain; charset=utf-8"),
            "{locale}: {mail}"
        );
        // As written, or in one of the two encodings that mails have for it.
        let has = |text: &str, quoted: &str| mail.contains(text) || mail.replace("=\n", "").contains(quoted);
        assert!(has("/Büro (restic)", "/B=C3=BCro (restic)"), "{locale}: {mail}");
    }
}

#[test]
fn a_terminal_gets_the_characters_that_it_has() {
    let machine = Machine::new();
    machine.write("data/Grüße.txt", "");
    machine.good(&["backup", "data", "--to", "repo"]);
    let cases: [(&str, &[u8]); 3] = [
        ("de_DE.ISO-8859-1", b"/Gr\xfc\xdfe.txt\r\n"),
        ("de_DE.UTF-8", "/Grüße.txt\r\n".as_bytes()),
        ("C", "/Grüße.txt\r\n".as_bytes()),
    ];
    for (locale, shown) in cases {
        let Some((text, code)) = typed_in(locale, &machine, "ls --repo repo", &[]) else {
            return;
        };
        assert_eq!(code, Some(0));
        let found = text.windows(shown.len()).any(|window| window == shown);
        assert!(found, "{locale}: {}", String::from_utf8_lossy(&text));
    }
}

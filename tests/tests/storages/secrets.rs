//! Passwords and keys stay where they belong: in the database and the folder of secrets, and nowhere else.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine_api::Failure;
use holdfast_tests::machine::Machine;
use holdfast_tests::proxy::{Fault, Proxy};
use holdfast_tests::server::free_address;
use holdfast_tests::sshd::Sshd;
use holdfast_tests::watch::{Watch, contains};
use jobs::{PlaceKind, trial};

/// Nobody writes these by chance.
const SECRET: &str = "Zq7-secret/of=the+suite";
const ESCAPED: &str = "Zq7-secret%2Fof%3Dthe%2Bsuite";

/// A server that lets nobody in.
fn closed() -> Proxy {
    Proxy::start(free_address(), Arc::new(|_| Fault::Answer(401)))
}

/// A record of each storage with a secret in it, for the server at `port`.
fn record(storage: PlaceKind, machine: &Machine, port: u16) -> Option<Vec<(&'static str, String)>> {
    let port = port.to_string();
    let owned =
        |pairs: &[(&'static str, &str)]| pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let address = format!("http://127.0.0.1:{port}");
    match storage {
        // They have none.
        PlaceKind::Local | PlaceKind::Usb | PlaceKind::Nfs => None,
        // Its key is a file among the secrets.
        PlaceKind::Sftp => {
            std::fs::create_dir_all(&machine.context.layout.secrets).unwrap();
            let key = machine.context.layout.secrets.join("sftp_b1");
            backends::sftp::make_key(&key).unwrap();
            Some(owned(&[
                ("SftpHost", "127.0.0.1"),
                ("SftpPort", &port),
                ("SftpUser", "nobody"),
                ("SftpDirectory", "/x"),
            ]))
        }
        PlaceKind::Cifs => Some(owned(&[
            ("SMBHost", "127.0.0.1"),
            ("SMBShare", "share"),
            ("SMBLogin", "user"),
            ("SMBPassword", SECRET),
        ])),
        PlaceKind::WebDav => Some(owned(&[
            ("WebDAVUrl", &format!("{address}/dav")),
            ("WebDAVLogin", "user"),
            ("WebDAVPassword", SECRET),
        ])),
        PlaceKind::S3 => Some(owned(&[
            ("S3Host", &address),
            ("S3Bucket", "bucket"),
            ("S3AccessKey", "AKSUITE"),
            ("S3SecretKey", SECRET),
        ])),
        PlaceKind::B2 => Some(owned(&[
            ("B2AccountId", "id"),
            ("B2AccountKey", SECRET),
            ("B2Bucket", "bucket"),
            ("B2Api", &address),
        ])),
        PlaceKind::Rest => Some(owned(&[
            ("RestProtocol", "http"),
            ("RestHost", "127.0.0.1"),
            ("RestPort", &port),
            ("RestUser", "user"),
            ("RestPassword", SECRET),
        ])),
    }
}

fn assert_hidden(what: &str, text: &str, words: &[String]) {
    for word in words {
        assert!(!text.contains(word.as_str()), "{what} shows a secret: {text}");
    }
}

/// All files below, but those that are there to hold secrets.
fn files_below(folder: &Path, machine: &Machine, found: &mut Vec<PathBuf>) {
    let layout = &machine.context.layout;
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path == layout.secrets || path == layout.databases {
            continue;
        }
        if path.is_dir() {
            files_below(&path, machine, found);
        } else {
            found.push(path);
        }
    }
}

/// What a run that fails says and leaves behind: its error, its log, its hints, debug output, the list of jobs, and the
/// command lines and environments of whatever it starts.
#[test]
fn no_secret_is_told_by_any_storage() {
    let watch = Watch::for_words(&[SECRET, ESCAPED]);
    let runs: Vec<_> = PlaceKind::ALL
        .into_iter()
        .map(|storage| std::thread::spawn(move || told_by(storage)))
        .collect();
    let seen: Vec<bool> = runs.into_iter().map(|run| run.join().unwrap()).collect();
    assert_eq!(seen.iter().filter(|seen| **seen).count(), 6);
    watch.saw_nothing();
}

fn told_by(storage: PlaceKind) -> bool {
    let machine = Machine::new();
    let tree = machine.path("tree");
    std::fs::create_dir(&tree).unwrap();
    std::fs::write(tree.join("file"), b"x").unwrap();
    let http = closed();
    let ssh = (storage == PlaceKind::Sftp).then(Sshd::start).flatten();
    let port = ssh.as_ref().map_or(http.address.port(), |ssh| ssh.address().port());
    let Some(mut properties) = record(storage, &machine, port) else {
        return false;
    };
    properties.push(("VFSType", storage.to_string()));
    let name = machine.job("b1", "restic", &properties, &tree);
    let mut words = vec![
        SECRET.to_owned(),
        ESCAPED.to_owned(),
        holdfast_tests::restic::PASSWORD.to_owned(),
    ];
    let basic = data_encoding::BASE64.encode(format!("user:{SECRET}").as_bytes());
    words.push(basic);
    if storage == PlaceKind::Sftp {
        let key = std::fs::read_to_string(machine.context.layout.secrets.join("sftp_b1")).unwrap();
        words.push(key.lines().nth(1).unwrap().to_owned());
    }
    let job = jobs::catalog::job(&machine.context, &name).unwrap();
    assert_hidden("a job", &format!("{job:?}"), &words);
    let report = machine.run(&name).unwrap();
    let error = report.error.as_ref().expect("nobody is let in");
    assert_hidden("the error", &format!("{} {error:?}", error.chain()), &words);
    assert_hidden("the hint", &error.hint().unwrap_or_default(), &words);
    assert_hidden("the report", &format!("{report:?}"), &words);
    let tried = trial::run(&machine.context, &name, &|| false, &mut |_| ()).unwrap_err();
    assert_hidden("the trial", &format!("{} {tried:?}", tried.chain()), &words);
    let mut files = Vec::new();
    files_below(&machine.path("root"), &machine, &mut files);
    assert!(
        files.iter().any(|file| file.starts_with(&machine.context.layout.logs)),
        "{storage} left no log"
    );
    for file in files {
        let content = std::fs::read(&file).unwrap();
        let shown = words.iter().find(|word| contains(&content, word.as_bytes()));
        assert_eq!(shown, None, "{} holds a secret", file.display());
    }
    true
}

/// What is wrong with a record names no secret of it.
#[test]
fn a_record_that_is_refused_shows_no_secret() {
    let machine = Machine::new();
    for storage in PlaceKind::ALL {
        let Some(mut properties) = record(storage, &machine, 1) else {
            continue;
        };
        properties.push(("VFSType", storage.to_string()));
        properties.push(("Prune", "nonsense".to_owned()));
        let mut job = jobs::esmith::Record::of_kind("restic");
        for (property, value) in properties {
            job = job.with(property, value.as_bytes());
        }
        let name = jobs::JobName::new("b1").unwrap();
        let errors = jobs::catalog::check(&name, &job);
        assert_eq!(errors.len(), 1, "{errors:?}");
        for error in errors {
            let text = format!("{error} {error:?} {:?}", error.hint());
            assert_hidden("an error of a record", &text, &[SECRET.to_owned()]);
        }
    }
}

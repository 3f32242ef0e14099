//! The contract of storages.

use backends::conformance;
use engine_api::{Body, Key, PutMode};
use holdfast_tests::need;
use holdfast_tests::sshd::Sshd;

use crate::common::{EXTENSIONS, NO_SERVER, open};

#[test]
fn the_contract_holds() {
    let server = need!(Sshd::start(), NO_SERVER);
    let directory = server.folder().join("repo/sitory");
    let destination = open(&server, &directory);
    assert!(destination.blobs.capabilities().exclusive_create);
    let summary = conformance::run(&*destination.blobs, "area").unwrap();
    assert_eq!(summary.skipped, []);
    assert_eq!(leftovers(&directory), Vec::<String>::new());
}

#[test]
fn the_contract_holds_without_any_extension() {
    let server = need!(Sshd::without(&EXTENSIONS), NO_SERVER);
    let directory = server.folder().join("repository");
    let destination = open(&server, &directory);
    assert!(!destination.blobs.capabilities().exclusive_create);
    let store = &*destination.blobs;
    assert_eq!(store.space().unwrap(), None);
    // Without a rename that replaces no reader can be sure to see an object that is being replaced.
    if let Err(broken) = conformance::run(store, "area") {
        assert_eq!(broken.check, "readers never see half an object", "{broken}");
    }
    assert_eq!(leftovers(&directory), Vec::<String>::new());
}

fn leftovers(directory: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        for item in std::fs::read_dir(folder).unwrap() {
            let item = item.unwrap();
            if item.file_type().unwrap().is_dir() {
                folders.push(item.path());
            } else if item.file_name().to_string_lossy().starts_with('.') {
                found.push(item.path().display().to_string());
            }
        }
    }
    found.retain(|path| path.contains("holdfast-tmp"));
    found
}

#[test]
fn a_relative_directory_lies_in_the_home_and_names_are_bytes() {
    let server = need!(Sshd::start(), NO_SERVER);
    let directory = server.folder().join("place");
    let destination = open(&server, &directory);
    let key = Key::new(&b"data/\xff\xfe"[..]).unwrap();
    destination.blobs.put(&key, Body::Bytes(b"x"), PutMode::Create).unwrap();
    assert_eq!(destination.blobs.get(&key).unwrap(), b"x");
}

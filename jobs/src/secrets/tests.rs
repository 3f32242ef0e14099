use std::os::unix::fs::MetadataExt;

use super::*;

#[test]
fn generated_passwords_have_every_class_and_no_other_character() {
    let mut seen = std::collections::HashSet::new();
    for _ in 0..200 {
        let secret = Secret::generate().unwrap();
        let text = secret.reveal();
        assert_eq!(text.len(), 16);
        assert!(text.bytes().all(|byte| ALPHABET.contains(&byte)), "{text}");
        assert!(
            text.contains('_') && text.contains(|c: char| c.is_ascii_digit()),
            "{text}"
        );
        assert!(text.contains(|c: char| c.is_ascii_uppercase()) && text.contains(|c: char| c.is_ascii_lowercase()));
        assert!(seen.insert(text.to_owned()), "twice the same");
    }
}

#[test]
fn a_secret_is_kept_for_its_owner_and_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secrets/restic_x");
    Secret::new("first").keep(&path).unwrap();
    assert!(Secret::new("second").keep(&path).is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), "first\n");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
    assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().mode() & 0o7777, 0o700);
    Secret::new("third").replace(&path).unwrap();
    assert_eq!(Secret::read(&path).unwrap().reveal(), "third");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
    assert_eq!(
        fs::read_dir(path.parent().unwrap()).unwrap().count(),
        1,
        "no temporary file is left"
    );
}

#[test]
fn password_files_are_read_as_restic_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p");
    assert!(Secret::read_if_there(&path).unwrap().is_none());
    assert!(Secret::read(&path).is_err());
    fs::write(&path, " two words \r\n").unwrap();
    assert_eq!(Secret::read(&path).unwrap().reveal(), "two words");
    fs::write(&path, "\n").unwrap();
    assert!(matches!(Secret::read(&path), Err(Error::EmptyPassword { .. })));
}

#[test]
fn nothing_prints_it() {
    assert_eq!(format!("{:?}", Secret::new("geheim")), "Secret(…)");
}

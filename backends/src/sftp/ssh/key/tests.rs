use engine_api::Failure;

use super::*;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_key_is_made_once_and_only_its_owner_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup.key");
    let line = make_key(&path).unwrap();
    assert!(
        line.starts_with("ssh-ed25519 AAAA") && line.ends_with(" holdfast"),
        "{line}"
    );
    assert_eq!(mode(&path), 0o600);
    let public = std::fs::read_to_string(folder.path().join("backup.key.pub")).unwrap();
    assert_eq!(public.trim(), line);
    assert_eq!(make_key(&path).unwrap(), line, "a key that is there stays");
    assert_eq!(public_key(&path).unwrap(), line);
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        2,
        "no temporary file is left"
    );
}

#[test]
fn a_key_that_others_can_read_is_refused_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    make_key(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let error = public_key(&path).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unauthenticated);
    assert!(error.hint().unwrap().contains("chmod 600"));
}

#[test]
fn what_is_no_key_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    replace_file(&path, b"something else").unwrap();
    assert!(make_key(&path).is_err());
    assert_eq!(std::fs::read(&path).unwrap(), b"something else");
}

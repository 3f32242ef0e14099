use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::*;

struct Place {
    _temporary: tempfile::TempDir,
    dir: PathBuf,
}

/// A destination that is not there yet.
fn place() -> Place {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path().join("to/repository");
    Place {
        _temporary: temporary,
        dir,
    }
}

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

fn put(store: &dyn BlobStore, name: &str) -> Result<(), StoreError> {
    store.put(&key(name), Body::Bytes(b"content"), PutMode::Create)
}

fn names(store: &dyn BlobStore, folder: &str) -> Vec<String> {
    let mut names = Vec::new();
    store
        .list(folder, &mut |object| {
            names.push(object.key.to_string());
            ControlFlow::Continue(())
        })
        .unwrap();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn keeps_the_contract() {
    let place = place();
    let destination = open(&place.dir, true).unwrap();
    let summary = crate::conformance::run(destination.blobs.as_ref(), "suite").unwrap();
    assert_eq!(summary.skipped, [], "a disk that tests run on can do everything");
}

#[test]
fn keeps_the_contract_of_files() {
    let place = place();
    let destination = open(&place.dir, true).unwrap();
    let files = destination.files.unwrap();
    let summary = crate::conformance::files::run(files.as_ref(), "suite").unwrap();
    let may_be_missing = ["a copy that shares blocks stands alone", "owners are kept"];
    let skipped: Vec<_> = summary
        .skipped
        .iter()
        .filter(|(check, _)| !may_be_missing.contains(check))
        .collect();
    assert!(skipped.is_empty(), "{skipped:?}");
    assert_eq!(
        fs::read_dir(&place.dir).unwrap().count(),
        0,
        "nothing is left of the suite and the probe"
    );
    let found = files.capabilities();
    assert!(found.hard_links && found.symlinks && found.modes && found.atomic_replace && found.any_name);
    assert_eq!(
        (found.local_path.as_deref(), found.time_unit),
        (Some(place.dir.as_path()), 1)
    );
}

#[test]
fn more_folders_than_are_kept_open_all_work() {
    let place = place();
    let files = open(&place.dir, true).unwrap().files.unwrap();
    let root = files.root();
    let folders: Vec<_> = (0..600)
        .map(|number| {
            let name = format!("{number:0200}");
            files.make_folder(&root, name.as_bytes()).unwrap();
            root.child(name.as_bytes()).unwrap()
        })
        .collect();
    for folder in folders.iter().chain(folders.iter().rev()) {
        files
            .create(folder, b"first")
            .map(drop)
            .or_else(|_| files.create(folder, b"second").map(drop))
            .unwrap();
    }
    let mut deep = root;
    for _ in 0..600 {
        files.make_folder(&deep, &[b'd'; 200]).unwrap();
        deep = deep.child(&[b'd'; 200]).unwrap();
        files.create(&deep, b"file").unwrap();
    }
    let open = fs::read_dir("/proc/self/fd").unwrap().count();
    assert!(open < 400, "{open} descriptors are open");
    assert!(files.stat(&deep, b"file").unwrap().is_some());
}

#[test]
fn a_link_in_the_place_of_a_folder_leads_nowhere() {
    let place = place();
    let files = open(&place.dir, true).unwrap().files.unwrap();
    symlink("/", place.dir.join("folder")).unwrap();
    let folder = files.root().child(b"folder").unwrap();
    assert!(files.stat(&folder, b"etc").is_err());
    assert!(files.create(&folder, b"holdfast-must-not-be-there").is_err());
}

#[test]
fn a_place_that_nobody_may_write_promises_nothing() {
    let place = place();
    let files = open(&place.dir, true).unwrap().files.unwrap();
    fs::remove_dir(&place.dir).unwrap();
    assert!(!files.capabilities().hard_links);
    assert!(!files.syncs_all());
    let why = files.capabilities().unanswered.as_ref().unwrap();
    assert_eq!(why.kind, StoreErrorKind::Vanished, "it is not that it cannot");
    assert_eq!(files.sync().unwrap_err().kind, StoreErrorKind::Vanished);
}

#[test]
fn an_absent_destination_is_made_only_when_asked() {
    let place = place();
    let error = open(&place.dir, false).map(|_| ()).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::NotFound);
    assert!(!place.dir.exists());
    open(&place.dir, true).unwrap();
    assert_eq!(mode(&place.dir), 0o700);
    open(&place.dir, false).unwrap();
}

#[test]
fn a_file_is_no_destination() {
    let place = place();
    fs::create_dir_all(place.dir.parent().unwrap()).unwrap();
    fs::write(&place.dir, b"").unwrap();
    for create in [false, true] {
        let error = open(&place.dir, create).map(|_| ()).unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Other, "{error}");
    }
}

#[test]
fn opening_leaves_nothing_behind() {
    let place = place();
    open(&place.dir, true).unwrap();
    assert_eq!(fs::read_dir(&place.dir).unwrap().count(), 0);
}

#[test]
fn modes_are_those_of_restic() {
    let place = place();
    let store = LocalStore::open(&place.dir, true).unwrap();
    put(&store, "data/aa/pack").unwrap();
    assert_eq!(mode(&place.dir.join("data/aa/pack")), 0o400);
    assert_eq!(mode(&place.dir.join("data/aa")), 0o700);

    fs::write(place.dir.join("config"), b"").unwrap();
    fs::set_permissions(place.dir.join("config"), fs::Permissions::from_mode(0o440)).unwrap();
    let store = LocalStore::open(&place.dir, false).unwrap();
    put(&store, "data/bb/pack").unwrap();
    assert_eq!(mode(&place.dir.join("data/bb/pack")), 0o440);
    // The folder's mode passes through the umask, as restic's does.
    assert_eq!(mode(&place.dir.join("data/bb")) & 0o757, 0o750);
}

#[test]
fn a_removed_destination_has_vanished() {
    let place = place();
    let store = LocalStore::open(&place.dir, true).unwrap();
    put(&store, "one").unwrap();
    fs::remove_dir_all(&place.dir).unwrap();
    let listing = store.list("", &mut |_| ControlFlow::Continue(()));
    let errors = [
        put(&store, "two").unwrap_err(),
        store.get(&key("one")).unwrap_err(),
        store.stat(&key("one")).unwrap_err(),
        store.remove(&key("one")).unwrap_err(),
        store.space().unwrap_err(),
        listing.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind, StoreErrorKind::Vanished, "{error}");
    }
}

/// What an unmounted disk looks like: the path is there, and is another folder.
#[test]
fn nothing_lands_in_a_replaced_destination() {
    let place = place();
    let store = LocalStore::open(&place.dir, true).unwrap();
    put(&store, "data/one").unwrap();
    fs::rename(&place.dir, place.dir.with_extension("away")).unwrap();
    fs::create_dir(&place.dir).unwrap();
    let error = put(&store, "data/two").unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Vanished);
    assert_eq!(fs::read_dir(&place.dir).unwrap().count(), 0);
    let away = fs::read_dir(place.dir.with_extension("away").join("data")).unwrap();
    assert_eq!(away.count(), 1);
}

#[test]
fn dead_writers_are_cleaned_up_after_and_live_ones_left_alone() {
    let place = place();
    let store = LocalStore::open(&place.dir, true).unwrap();
    put(&store, "data/aa/pack").unwrap();
    let folder = place.dir.join("data/aa");
    let long_ago = SystemTime::now() - Duration::from_hours(48);
    let leftover = |name: &str, age: Option<SystemTime>| {
        let path = folder.join(name);
        let file = fs::File::create(&path).unwrap();
        if let Some(time) = age {
            file.set_modified(time).unwrap();
        }
        (path, file)
    };
    let (dead, file) = leftover(".holdfast-tmp-dead", Some(long_ago));
    drop(file);
    let (young, file) = leftover(".holdfast-tmp-young", None);
    drop(file);
    let (live, writer) = leftover(".holdfast-tmp-live", Some(long_ago));
    writer.try_lock_shared().unwrap();

    assert_eq!(names(&store, "data"), ["data/aa/pack"]);
    assert!(dead.exists(), "a listing must not change anything");
    put(&store, "data/aa/other").unwrap();
    assert!(!dead.exists());
    assert!(young.exists() && live.exists());
}

#[test]
fn names_of_temporary_files_are_no_objects() {
    let place = place();
    let store = LocalStore::open(&place.dir, true).unwrap();
    fs::write(place.dir.join(".holdfast-tmp-1"), b"half").unwrap();
    let name = key(".holdfast-tmp-1");
    for error in [
        store.get(&name).map(|_| ()).unwrap_err(),
        store.stat(&name).map(|_| ()).unwrap_err(),
        store.remove(&name).unwrap_err(),
    ] {
        assert_eq!(error.kind, StoreErrorKind::NotFound);
    }
    assert!(put(&store, "data/.holdfast-tmp-2/x").is_err());
}

#[test]
fn a_linked_folder_is_followed_and_circles_end() {
    let place = place();
    let elsewhere = place.dir.with_extension("elsewhere");
    fs::create_dir_all(elsewhere.join("aa")).unwrap();
    fs::write(elsewhere.join("aa/pack"), b"x").unwrap();
    let store = LocalStore::open(&place.dir, true).unwrap();
    symlink(&elsewhere, place.dir.join("data")).unwrap();
    symlink(&place.dir, elsewhere.join("round")).unwrap();
    symlink("nowhere", elsewhere.join("dangling")).unwrap();
    symlink("itself", elsewhere.join("itself")).unwrap();
    assert_eq!(names(&store, "data"), ["data/aa/pack"]);
    put(&store, "data/aa/new").unwrap();
    assert!(elsewhere.join("aa/new").exists());
}

#[test]
fn a_pipe_is_no_object() {
    let place = place();
    let store = LocalStore::open(&place.dir, true).unwrap();
    let pipe = place.dir.join("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    assert_eq!(store.get(&key("pipe")).unwrap_err().kind, StoreErrorKind::NotFound);
    assert_eq!(names(&store, ""), Vec::<String>::new());
}

#[test]
fn the_ways_to_be_exclusive_refuse() {
    let place = place();
    for way in [write::Exclusive::Rename, write::Exclusive::Link, write::Exclusive::Look] {
        let mut store = LocalStore::open(&place.dir, true).unwrap();
        store.exclusive = way;
        let name = format!("{way:?}");
        put(&store, &name).unwrap();
        assert_eq!(put(&store, &name).unwrap_err().kind, StoreErrorKind::AlreadyExists);
    }
    assert_eq!(
        fs::read_dir(&place.dir).unwrap().count(),
        3,
        "no temporary file is left"
    );
}

#[test]
fn errors_say_what_where_and_why() {
    let place = place();
    let store = LocalStore::open(&place.dir, true).unwrap();
    let error = engine_api::Error::from(store.get(&key("data/aa/gone")).unwrap_err());
    let wanted = format!("cannot read data/aa/gone in {}: ", place.dir.display());
    assert!(error.chain().starts_with(&wanted), "{}", error.chain());
}

#[test]
fn the_free_space_adds_up() {
    let place = place();
    let store = LocalStore::open(&place.dir, true).unwrap();
    let space = store.space().unwrap().unwrap();
    assert!(space.total > 0 && space.used <= space.total && space.available <= space.total);
}

proptest::proptest! {
    /// Any name that a key may have either works, or is refused by the filesystem as too long.
    #[test]
    fn every_name_works(parts in proptest::collection::vec(proptest::collection::vec(1u8.., 1..20), 1..4)) {
        let name = parts.join(&b'/');
        let Ok(key) = Key::new(name) else { return Ok(()) };
        let place = place();
        let store = LocalStore::open(&place.dir, true).unwrap();
        store.put(&key, Body::Bytes(b"x"), PutMode::Create).unwrap();
        proptest::prop_assert_eq!(store.get(&key).unwrap(), b"x");
        let mut seen = Vec::new();
        store.list("", &mut |object| { seen.push(object.key); ControlFlow::Continue(()) }).unwrap();
        proptest::prop_assert_eq!(seen, [key]);
    }
}

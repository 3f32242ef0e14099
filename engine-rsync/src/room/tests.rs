use std::path::Path;
use std::process::Command;

use super::*;

/// A filesystem of 16 MiB; `None` where this user cannot mount one.
struct Small(tempfile::TempDir);

impl Small {
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"])
            .arg(dir.path())
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then(|| Self(dir))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

fn plant(place: &Path, name: &str, mebibytes: usize) {
    std::fs::create_dir_all(place.join(name)).unwrap();
    std::fs::write(place.join(name).join("data"), vec![1; mebibytes << 20]).unwrap();
}

fn names(place: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(place)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("20"))
        .collect();
    names.sort();
    names
}

#[test]
fn the_oldest_go_and_only_as_many_as_are_needed() {
    let Some(place) = Small::mount() else { return };
    for (name, size) in [
        ("2021-01-01-000000", 3),
        ("2022-01-01-000000", 3),
        ("2023-01-01-000000", 3),
        ("2024-01-01-000000", 3),
    ] {
        plant(place.path(), name, size);
    }
    let files = backends::local::open(place.path(), false).unwrap().files.unwrap();
    let store = RoomyStore::new(files, TimeZone::UTC, Some("2024-01-01-000000".to_owned()));
    let file = store.create(&store.root(), b"new").unwrap();
    for piece in 0..8 {
        file.write_at(piece << 20, &vec![2; 1 << 20]).unwrap();
    }
    assert_eq!(names(place.path()), ["2023-01-01-000000", "2024-01-01-000000"]);
    assert_eq!(store.take_removed(), ["2021-01-01-000000", "2022-01-01-000000"]);
    assert_eq!(store.take_removed(), Vec::<String>::new());
}

#[test]
fn the_last_good_one_stays_and_the_place_is_full() {
    let Some(place) = Small::mount() else { return };
    plant(place.path(), "2023-01-01-000000", 6);
    plant(place.path(), "2024-01-01-000000", 6);
    let files = backends::local::open(place.path(), false).unwrap().files.unwrap();
    let store = RoomyStore::new(files, TimeZone::UTC, Some("2023-01-01-000000".to_owned()));
    let file = store.create(&store.root(), b"new").unwrap();
    let error = (0..8)
        .find_map(|piece| file.write_at(piece << 20, &vec![2; 1 << 20]).err())
        .unwrap();
    assert_eq!(error.kind, StoreErrorKind::NoSpace);
    assert_eq!(names(place.path()), ["2023-01-01-000000", "2024-01-01-000000"]);
}

//! Tree G: one of everything that the format has a word for, and two steps that change it in every way.
//!
//! Changed files get times of their own: what changes within one second and keeps its time, the original cannot see.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, makedev, mknodat, utimensat};

use crate::corpus::Random;

/// One of the two steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Everything changes.
    M1,
    /// Some of it changes back.
    M2,
}

/// A file of several volumes, which the steps change in the middle.
pub const BIG: &str = "big.bin";

/// A file whose name has a line feed.
pub const NEWLINE: &str = "names/new\nline";

struct Tree<'a> {
    dir: &'a Path,
    /// The time that files get, one second later each.
    clock: i64,
}

/// Fills the empty folder `dir`. What this user or this filesystem cannot make is left out.
pub fn grow(dir: &Path) {
    let mut tree = Tree {
        dir,
        clock: 1_600_000_000,
    };
    tree.sizes();
    tree.folders();
    tree.links_and_devices();
    tree.names();
    tree.owners_and_times();
    tree.those_that_change();
    tree.folder_times();
}

/// Applies a step to what [`grow`] and the step before have left.
pub fn change(dir: &Path, stage: Stage) {
    match stage {
        Stage::M1 => Tree {
            dir,
            clock: 1_610_000_000,
        }
        .first_step(),
        Stage::M2 => Tree {
            dir,
            clock: 1_620_000_000,
        }
        .second_step(),
    }
}

impl Tree<'_> {
    fn path(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.dir.join(name.as_ref())
    }

    fn file(&mut self, name: impl AsRef<OsStr>, bytes: &[u8]) {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        self.stamp(&path);
    }

    fn folder(&self, name: &str) {
        fs::create_dir_all(self.path(name)).unwrap();
    }

    fn link(&mut self, target: impl AsRef<OsStr>, name: &str) {
        symlink(target.as_ref(), self.path(name)).unwrap();
        self.stamp(&self.path(name));
    }

    fn node(&mut self, name: &str, kind: FileType, device: u64) {
        // Only root makes devices, and some filesystems have no nodes at all.
        if mknodat(CWD, self.path(name), kind, Mode::RUSR | Mode::WUSR, device).is_ok() {
            self.stamp(&self.path(name));
        }
    }

    fn remove(&self, name: &str) {
        let path = self.path(name);
        match fs::symlink_metadata(&path).unwrap().is_dir() {
            true => fs::remove_dir_all(path).unwrap(),
            false => fs::remove_file(path).unwrap(),
        }
    }

    fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn stamp(&mut self, path: &Path) {
        self.clock += 1;
        set_time(path, self.clock, 0);
    }

    fn sizes(&mut self) {
        let mut random = Random::new(7);
        self.file("empty", b"");
        for size in [1, 65_535, 65_536, 65_537, 131_072] {
            self.file(format!("size-{size}"), &random.noise(size));
        }
        self.file(BIG, &random.noise(3_500_000));
        self.file("text.log", &random.text(428_890));
        let sparse = fs::File::create(self.path("sparse.img")).unwrap();
        sparse.set_len(2 << 20).unwrap();
        sparse.write_all_at(b"here", 1 << 20).unwrap();
        self.stamp(&self.path("sparse.img"));
    }

    /// Names whose order as text is not their order as paths.
    fn folders(&mut self) {
        for name in ["empty-folder", "dir1/sub/deeper", "dir1-x", "sticky"] {
            self.folder(name);
        }
        for name in [
            "dir1/f1",
            "dir1/sub/f2",
            "dir1/sub/deeper/f4",
            "dir1-x/f3",
            "dir1.y",
            "sticky/inside",
        ] {
            self.file(name, name.as_bytes());
        }
        self.mode("sticky", 0o1777);
        self.file("suid", b"#!/bin/true\n");
        self.mode("suid", 0o4755);
    }

    fn links_and_devices(&mut self) {
        self.link("empty", "link-short");
        self.link("/nowhere/at all", "link-dangling");
        self.link("long/".repeat(30), "link-long");
        self.link(OsStr::from_bytes(b"caf\xe9/\xff\xfe"), "link-raw");
        self.node("fifo", FileType::Fifo, 0);
        self.node("character-device", FileType::CharacterDevice, makedev(1, 3));
        self.node("block-device", FileType::BlockDevice, makedev(7, 200));
        self.node("socket", FileType::Socket, 0);
        self.file("hard-1", b"one file of two names");
        fs::hard_link(self.path("hard-1"), self.path("hard-2")).unwrap();
    }

    fn names(&mut self) {
        self.folder("names");
        let names: [&[u8]; 12] = [
            b"with space",
            b"tab\there",
            b"new\nline",
            b"return\rhere",
            b"\"quotes\" and 'single'",
            b"back\\slash",
            b"\\x20",
            "caf\u{e9}-\u{1f5c4}".as_bytes(),
            b"caf\xe9-\xff\xfe",
            b"caf\xe9 with space",
            b"*?[a]",
            b".hidden",
        ];
        for name in names {
            let path = Path::new("names").join(OsStr::from_bytes(name));
            self.file(path, name);
        }
        let long = "n".repeat(150);
        self.file(format!("names/{long}"), b"a name of 150 bytes");
        let deep = format!("{0}/{0}/{0}", "d".repeat(100));
        self.folder(&deep);
        self.file(format!("{deep}/file"), b"a path of 300 bytes");
    }

    fn owners_and_times(&mut self) {
        for (name, uid, gid) in [
            ("owner-unknown", 123_456, 654_321),
            ("owner-large", 3_000_000, 3_000_001),
            ("owner-daemon", 1, 1),
        ] {
            self.file(name, name.as_bytes());
            // Only root gives files away.
            let _ = chown(self.path(name), Some(uid), Some(gid));
        }
        for (name, seconds, nanos) in [
            ("time-fraction", 1_234_567_890, 987_654_321),
            ("time-1969", -86_400, 5),
            ("time-2255", 9_000_000_000, 0),
        ] {
            self.file(name, name.as_bytes());
            set_time(&self.path(name), seconds, nanos);
        }
    }

    fn those_that_change(&mut self) {
        for name in [
            "to-chmod",
            "to-chown",
            "to-delete",
            "to-dir",
            "to-symlink",
            "to-fifo",
            "to-empty",
            "to-touch",
            "to-rename",
        ] {
            self.file(name, format!("{name} before\n").repeat(30).as_bytes());
        }
        self.folder("dir-to-delete/below");
        self.file("dir-to-delete/one", b"one");
        self.file("dir-to-delete/below/two", b"two");
        self.folder("dir-to-file/below");
        self.file("dir-to-file/one", b"one");
        self.file("dir-to-file/below/two", b"two");
        self.folder("dir-to-link");
        self.file("dir-to-link/one", b"one");
        self.folder("dir-that-stays");
        self.file("dir-that-stays/one", b"one");
        self.link("empty", "link-to-file");
        self.link("empty", "link-to-retarget");
    }

    /// Last, for what is made in a folder changes its time.
    fn folder_times(&mut self) {
        let mut folders = vec![self.dir.to_owned()];
        let mut next = 0;
        while let Some(folder) = folders.get(next).cloned() {
            let items = fs::read_dir(folder).unwrap().map(|item| item.unwrap());
            folders.extend(
                items
                    .filter(|item| item.file_type().unwrap().is_dir())
                    .map(|item| item.path()),
            );
            next += 1;
        }
        // In an order that is the same everywhere.
        folders.sort();
        for folder in folders.iter().rev() {
            self.stamp(folder);
        }
    }

    fn first_step(&mut self) {
        let mut random = Random::new(11);
        let mut big = fs::read(self.path(BIG)).unwrap();
        big[1_000_000..1_001_000].copy_from_slice(&random.noise(1000));
        big.splice(2_000_000..2_000_000, random.noise(777));
        big.extend(random.noise(100_000));
        self.file(BIG, &big);
        self.file("size-65535", &random.noise(70_000));
        self.file("size-65536", &[]);
        self.mode("to-chmod", 0o600);
        if chown(self.path("to-chown"), Some(2), Some(2)).is_err() {
            self.mode("to-chown", 0o640);
        }
        for name in [
            "to-delete",
            "dir-to-delete",
            "to-dir",
            "to-symlink",
            "to-fifo",
            "dir-to-file",
            "dir-to-link",
        ] {
            self.remove(name);
        }
        self.file("new", b"new in the first step\n");
        self.folder("new-dir");
        self.file("new-dir/file", &random.text(90_000));
        self.folder("to-dir");
        self.file("to-dir/child", b"child");
        self.link("big.bin", "to-symlink");
        self.node("to-fifo", FileType::Fifo, 0);
        self.file("dir-to-file", b"a file now");
        self.link("dir1", "dir-to-link");
        for (link, target) in [("link-to-file", None), ("link-to-retarget", Some("text.log"))] {
            self.remove(link);
            match target {
                Some(target) => self.link(target, link),
                None => self.file(link, &random.text(5000)),
            }
        }
        self.file("to-empty", b"");
        self.stamp(&self.path("to-touch"));
        fs::rename(self.path("to-rename"), self.path("renamed")).unwrap();
        self.file("names/new\nline", b"changed");
    }

    fn second_step(&mut self) {
        let mut random = Random::new(13);
        let mut big = fs::read(self.path(BIG)).unwrap();
        big.drain(500_000..600_000);
        big.truncate(3_000_000);
        self.file(BIG, &big);
        for name in [
            "to-dir",
            "to-symlink",
            "to-fifo",
            "dir-to-file",
            "dir-to-link",
            "new-dir",
            "dir-that-stays",
            "link-to-file",
        ] {
            if self.path(name).symlink_metadata().is_ok() {
                self.remove(name);
            }
        }
        self.file("to-dir", b"a file again");
        self.file("to-symlink", b"a file again");
        self.file("to-fifo", b"a file again");
        self.folder("dir-to-file");
        self.file("dir-to-file/three", b"three");
        self.folder("dir-to-link");
        self.file("dir-to-link/one", b"one again");
        self.file("new-dir", b"a file where a folder was");
        self.file("dir-that-stays", b"it did not");
        self.link("empty", "link-to-file");
        self.folder("dir-to-delete");
        self.file("dir-to-delete/one", b"one again");
        self.file("to-delete", b"it is back");
        self.file("size-65536", &random.noise(65_536));
        self.file("to-empty", &random.text(100));
        self.mode("to-chmod", 0o644);
        fs::rename(self.path("renamed"), self.path("to-rename")).unwrap();
        self.remove("new");
    }
}

/// Sets the times of what may be a link.
pub fn set_time(path: &Path, seconds: i64, nanos: i64) {
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: nanos,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

//! One of every kind.

use std::ffi::{CStr, CString, OsStr};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, Timespec, Timestamps, XattrFlags, lsetxattr, makedev, mkdirat, mknodat,
    openat, utimensat,
};

use super::Dice;

/// How large the zoo is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZooOptions {
    /// Entries of the folder with many entries.
    pub many: usize,
    /// Whether there is a path of more than 4,096 bytes, which most other programs cannot deal with.
    pub deep: bool,
    /// Whether there is a socket, which is never restored.
    pub socket: bool,
}

impl Default for ZooOptions {
    fn default() -> Self {
        Self {
            many: 300,
            deep: true,
            socket: true,
        }
    }
}

/// Fills the folder `dir`, which is there, with one of everything, and says what this user or this filesystem cannot
/// make.
///
/// # Errors
/// When something cannot be made that every user can make on every filesystem of Linux.
pub fn build_zoo(dir: &Path, options: ZooOptions) -> io::Result<Vec<String>> {
    let mut zoo = Zoo {
        dir: dir.to_owned(),
        missing: Vec::new(),
    };
    zoo.files()?;
    zoo.links()?;
    zoo.specials(options.socket);
    zoo.modes()?;
    zoo.owners()?;
    zoo.names()?;
    zoo.times()?;
    zoo.attributes()?;
    zoo.acls()?;
    zoo.many(options.many)?;
    if options.deep {
        deep(&zoo.path("deep"))?;
    }
    zoo.folder_times()?;
    Ok(zoo.missing)
}

struct Zoo {
    dir: PathBuf,
    missing: Vec<String>,
}

impl Zoo {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn folder(&self, name: &str) -> io::Result<PathBuf> {
        let path = self.path(name);
        fs::create_dir(&path)?;
        Ok(path)
    }

    /// Notes what could not be made.
    fn try_to<E: Into<io::Error>>(&mut self, what: &str, outcome: Result<(), E>) {
        if let Err(error) = outcome {
            self.missing.push(format!("{what}: {}", error.into()));
        }
    }

    fn files(&self) -> io::Result<()> {
        let dir = self.folder("files")?;
        fs::write(dir.join("regular"), "some text\n")?;
        fs::write(dir.join("empty"), "")?;
        fs::write(dir.join("random"), Dice::new(1).bytes(3 << 20))?;
        fs::write(dir.join("again"), Dice::new(1).bytes(3 << 20))?;
        fs::write(dir.join("zeros"), vec![0; 1 << 20])?;
        let sparse = fs::File::create(dir.join("sparse"))?;
        sparse.set_len(16 << 20)?;
        sparse.write_all_at(b"here", 5 << 20)?;
        sparse.write_all_at(b"and here", (9 << 20) + 4095)?;
        fs::File::create(dir.join("only a hole"))?.set_len(1 << 20)?;
        fs::create_dir_all(dir.join("empty folder/in a folder"))
    }

    fn links(&self) -> io::Result<()> {
        let dir = self.folder("links")?;
        fs::create_dir(dir.join("a"))?;
        fs::create_dir(dir.join("b"))?;
        fs::write(dir.join("a/first"), "one file of three names")?;
        fs::hard_link(dir.join("a/first"), dir.join("a/second"))?;
        fs::hard_link(dir.join("a/first"), dir.join("b/third"))?;
        fs::write(dir.join("outer"), "one name here, one above")?;
        fs::hard_link(dir.join("outer"), self.path("outer link"))?;
        symlink("a/first", dir.join("to a file"))?;
        symlink("a", dir.join("to a folder"))?;
        symlink("/nowhere/at all", dir.join("dangling"))?;
        symlink("itself", dir.join("itself"))?;
        symlink(OsStr::from_bytes(b"caf\xe9/\xff\xfe"), dir.join("not UTF-8"))?;
        symlink("l/".repeat(2000), dir.join("long"))
    }

    fn specials(&mut self, socket: bool) {
        let node = |path: PathBuf, kind, device| mknodat(CWD, path, kind, Mode::RUSR | Mode::WUSR, device);
        self.try_to("a fifo", node(self.path("fifo"), FileType::Fifo, 0));
        self.try_to(
            "a character device",
            node(self.path("null"), FileType::CharacterDevice, makedev(1, 3)),
        );
        self.try_to(
            "a block device",
            node(self.path("disk"), FileType::BlockDevice, makedev(259, 70_000)),
        );
        if socket {
            self.try_to("a socket", node(self.path("socket"), FileType::Socket, 0));
        }
    }

    fn modes(&mut self) -> io::Result<()> {
        let dir = self.folder("modes")?;
        for (name, mode) in [
            ("setuid", 0o4755),
            ("setgid", 0o2755),
            ("unreadable", 0o000),
            ("all", 0o7777),
        ] {
            fs::write(dir.join(name), name)?;
            fs::set_permissions(dir.join(name), fs::Permissions::from_mode(mode))?;
        }
        if let Err(error) = fs::File::open(dir.join("unreadable")) {
            // Only root can save what nobody may read.
            self.missing.push(format!("a file that nobody may read: {error}"));
            fs::set_permissions(dir.join("unreadable"), fs::Permissions::from_mode(0o400))?;
        }
        for (name, mode) in [
            ("sticky folder", 0o1777),
            ("setgid folder", 0o2775),
            ("read-only folder", 0o555),
        ] {
            fs::create_dir(dir.join(name))?;
            fs::write(dir.join(name).join("inside"), name)?;
            fs::set_permissions(dir.join(name), fs::Permissions::from_mode(mode))?;
        }
        Ok(())
    }

    fn owners(&mut self) -> io::Result<()> {
        let dir = self.folder("owners")?;
        for (name, uid, gid) in [
            ("nobody knows", 123_456, 654_321),
            ("daemon", 1, 1),
            ("group only", 0, 100),
        ] {
            fs::write(dir.join(name), name)?;
            self.try_to("a foreign owner", chown(dir.join(name), Some(uid), Some(gid)));
        }
        symlink("nobody knows", dir.join("link"))?;
        let linked = rustix::fs::chownat(
            CWD,
            dir.join("link"),
            Some(rustix::fs::Uid::from_raw(7)),
            Some(rustix::fs::Gid::from_raw(8)),
            AtFlags::SYMLINK_NOFOLLOW,
        );
        self.try_to("a foreign owner of a link", linked);
        Ok(())
    }

    fn names(&self) -> io::Result<()> {
        let dir = self.folder("names")?;
        let long = "n".repeat(255);
        let names: [&[u8]; 17] = [
            b"caf\xe9",
            "caf\u{e9}".as_bytes(),
            b"\xff\xfe\x01",
            b"new\nline",
            b"tab\tand\rreturn",
            b"\"quotes\" 'of' `kinds`",
            b"back\\slash",
            b"\\n",
            b"-rf",
            b"--",
            b" spaces around ",
            b"#hash",
            b"*?[a-z]",
            b"...",
            b".hidden",
            "\u{1f5c4}".as_bytes(),
            long.as_bytes(),
        ];
        for name in names {
            fs::write(dir.join(OsStr::from_bytes(name)), name)?;
        }
        let folder = dir.join(OsStr::from_bytes(b"folder \xf0\n"));
        fs::create_dir(&folder)?;
        fs::write(folder.join("inside"), "")
    }

    fn times(&self) -> io::Result<()> {
        let dir = self.folder("times")?;
        let times = [
            ("nanoseconds", 1_234_567_890, 123_456_789),
            ("before 1970", -86_400, 1),
            ("2100", 4_102_444_800, 0),
        ];
        for (name, seconds, nanos) in times {
            fs::write(dir.join(name), name)?;
            set_mtime(&dir.join(name), seconds, nanos)?;
        }
        symlink("nanoseconds", dir.join("link"))?;
        set_mtime(&dir.join("link"), 1_000_000_000, 999_999_999)
    }

    fn attributes(&mut self) -> io::Result<()> {
        let dir = self.folder("attributes")?;
        let folder = self.folder("attributes/of a folder")?;
        fs::write(dir.join("file"), "with attributes")?;
        symlink("file", dir.join("link"))?;
        let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let attributes: [(&str, &CStr, &[u8]); 8] = [
            ("file", c"user.comment", b"some words"),
            ("file", c"user.empty", b""),
            ("file", c"user.binary \xff", b"\0\xff\0"),
            ("file", c"user.long", &[b'x'; 1500]),
            ("file", c"security.holdfast", b"label"),
            ("file", c"security.capability", &capability),
            ("file", c"trusted.holdfast", b"root's"),
            ("link", c"trusted.holdfast", b"a link's"),
        ];
        for (name, attribute, value) in attributes {
            let set = lsetxattr(dir.join(name), attribute, value, XattrFlags::empty());
            self.try_to(&format!("{} of a {name}", attribute.to_string_lossy()), set);
        }
        let set = lsetxattr(folder, c"user.folder", b"too", XattrFlags::empty());
        self.try_to("an attribute of a folder", set);
        Ok(())
    }

    fn acls(&mut self) -> io::Result<()> {
        const ACCESS: &CStr = c"system.posix_acl_access";
        const DEFAULT: &CStr = c"system.posix_acl_default";
        let dir = self.folder("acls")?;
        fs::write(dir.join("file"), "for some")?;
        fs::create_dir(dir.join("folder"))?;
        fs::write(dir.join("folder/made before"), "")?;
        let file = acl(&[
            (USER_OBJ, 6, 0),
            (USER, 4, 1000),
            (GROUP_OBJ, 0, 0),
            (MASK, 4, 0),
            (OTHER, 0, 0),
        ]);
        let folder = acl(&[
            (USER_OBJ, 7, 0),
            (GROUP_OBJ, 5, 0),
            (GROUP, 7, 100),
            (MASK, 7, 0),
            (OTHER, 0, 0),
        ]);
        let empty = XattrFlags::empty();
        self.try_to("an ACL of a file", lsetxattr(dir.join("file"), ACCESS, &file, empty));
        self.try_to(
            "an ACL of a folder",
            lsetxattr(dir.join("folder"), ACCESS, &folder, empty),
        );
        self.try_to("a default ACL", lsetxattr(dir.join("folder"), DEFAULT, &folder, empty));
        fs::write(dir.join("folder/inherits"), "")?;
        fs::create_dir(dir.join("folder/inherits too"))
    }

    fn many(&self, count: usize) -> io::Result<()> {
        let dir = self.folder("many")?;
        for number in 0..count {
            fs::write(dir.join(format!("{number:06}")), if number % 7 == 0 { "x" } else { "" })?;
        }
        Ok(())
    }

    /// Last, because what is made in a folder changes its time.
    fn folder_times(&self) -> io::Result<()> {
        for (seconds, name) in (500_000_000..).zip(["files", "links/a", "links", "modes", "names", "many", "times", ""])
        {
            set_mtime(&self.path(name), seconds, 7)?;
        }
        Ok(())
    }
}

const USER_OBJ: u16 = 1;
const USER: u16 = 2;
const GROUP_OBJ: u16 = 4;
const GROUP: u16 = 8;
const MASK: u16 = 16;
const OTHER: u16 = 32;

/// An ACL as the kernel takes it: version 2, then tag, permissions and id of each entry.
fn acl(entries: &[(u16, u16, u32)]) -> Vec<u8> {
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for &(tag, permissions, id) in entries {
        let id = if matches!(tag, USER | GROUP) { id } else { u32::MAX };
        bytes.extend(tag.to_le_bytes());
        bytes.extend(permissions.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

/// Sets both times of what may be a link.
pub(super) fn set_mtime(path: &Path, seconds: i64, nanos: i64) -> io::Result<()> {
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: nanos,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Folders in folders until the path is longer than any that the kernel takes, with a file at the end.
fn deep(top: &Path) -> io::Result<()> {
    fs::create_dir(top)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut fd: OwnedFd = openat(CWD, top, flags, Mode::empty())?;
    for level in 0..25 {
        let name = CString::new(format!("{level:02}{}", "d".repeat(200)))?;
        mkdirat(&fd, &name, Mode::RWXU)?;
        fd = openat(&fd, &name, flags, Mode::empty())?;
    }
    let file = openat(
        &fd,
        c"bottom",
        OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC,
        Mode::RUSR | Mode::WUSR,
    )?;
    rustix::io::write(file, b"deep down")?;
    Ok(rustix::fs::symlinkat(c"bottom", &fd, c"link to the bottom")?)
}

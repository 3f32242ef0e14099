//! What a file tree looks like, read with plain system calls and compared without any of Holdfast's own code.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hasher};
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};

/// Everything about one entry that a restore must bring back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Type and permission bits.
    pub mode: u32,
    /// Owner and group.
    pub owner: (u32, u32),
    /// Seconds and nanoseconds of the last change.
    pub mtime: (i64, i64),
    /// Bytes of a file.
    pub size: u64,
    /// A hash of its content.
    pub content: u64,
    /// Where a symbolic link points.
    pub target: Option<OsString>,
    /// Which device a device node is.
    pub device: u64,
    /// Extended attributes.
    pub xattrs: BTreeMap<OsString, Vec<u8>>,
    /// For a file with several names: the first of them in this tree.
    pub first_name: Option<PathBuf>,
}

/// What is compared.
#[derive(Debug, Clone, Copy)]
pub struct Compare {
    /// Owners; only root can restore them.
    pub owners: bool,
    /// Sockets, which are never restored.
    pub sockets: bool,
}

impl Default for Compare {
    fn default() -> Self {
        Self {
            owners: rustix::process::geteuid().is_root(),
            sockets: false,
        }
    }
}

/// A tree, by paths relative to its root; the root itself is the empty path.
pub type Picture = BTreeMap<PathBuf, Item>;

/// Reads the tree at `dir`.
#[must_use]
pub fn picture(dir: &Path) -> Picture {
    let mut reader = Reader::default();
    let fd = open_folder(CWD, dir.as_os_str());
    let stat = rustix::fs::fstat(&fd).unwrap();
    let parent = open_folder(CWD, dir.parent().unwrap().as_os_str());
    let item = reader.item(&parent, dir.file_name().unwrap(), &stat, Path::new(""));
    reader.items.insert(PathBuf::new(), item);
    reader.folder(&fd, Path::new(""));
    reader.items
}

/// The tree as `dir` is put below a restore's target.
#[must_use]
pub fn below(target: &Path, dir: &Path) -> PathBuf {
    target.join(dir.strip_prefix("/").unwrap())
}

#[derive(Default)]
struct Reader {
    items: Picture,
    links: BTreeMap<(u64, u64), PathBuf>,
}

fn open_folder(base: impl std::os::fd::AsFd, name: &OsStr) -> OwnedFd {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::openat(base, name, flags, Mode::empty()).unwrap_or_else(|error| panic!("{}: {error}", name.display()))
}

impl Reader {
    fn folder(&mut self, folder: &OwnedFd, path: &Path) {
        let mut names: Vec<OsString> = Dir::read_from(folder)
            .unwrap()
            .map(|item| OsString::from_vec(item.unwrap().file_name().to_bytes().to_vec()))
            .filter(|name| name != "." && name != "..")
            .collect();
        names.sort();
        for name in names {
            let stat = rustix::fs::statat(folder, &name, AtFlags::SYMLINK_NOFOLLOW).unwrap();
            let below = path.join(&name);
            let item = self.item(folder, &name, &stat, &below);
            self.items.insert(below.clone(), item);
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                self.folder(&open_folder(folder, &name), &below);
            }
        }
    }

    fn item(&mut self, folder: &OwnedFd, name: &OsStr, stat: &Stat, path: &Path) -> Item {
        let kind = FileType::from_raw_mode(stat.st_mode);
        let is_device = matches!(kind, FileType::CharacterDevice | FileType::BlockDevice);
        let first_name = (kind != FileType::Directory && stat.st_nlink > 1).then(|| {
            self.links
                .entry((stat.st_dev, stat.st_ino))
                .or_insert_with(|| path.to_owned())
                .clone()
        });
        Item {
            mode: stat.st_mode,
            owner: (stat.st_uid, stat.st_gid),
            mtime: (stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap()),
            size: if kind == FileType::RegularFile {
                u64::try_from(stat.st_size).unwrap()
            } else {
                0
            },
            content: if kind == FileType::RegularFile {
                hash(folder, name)
            } else {
                0
            },
            target: (kind == FileType::Symlink).then(|| {
                let target = rustix::fs::readlinkat(folder, name, Vec::new()).unwrap();
                OsString::from_vec(target.into_bytes())
            }),
            device: if is_device { stat.st_rdev } else { 0 },
            xattrs: xattrs(folder, name),
            first_name,
        }
    }
}

fn hash(folder: &OwnedFd, name: &OsStr) -> u64 {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let fd = rustix::fs::openat(folder, name, flags, Mode::empty())
        .unwrap_or_else(|error| panic!("{}: {error}", name.display()));
    let mut file = std::fs::File::from(fd);
    let mut hasher = DefaultHasher::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        let read = file.read(&mut buffer).unwrap();
        if read == 0 {
            return hasher.finish();
        }
        hasher.write(&buffer[..read]);
    }
}

fn xattrs(folder: &OwnedFd, name: &OsStr) -> BTreeMap<OsString, Vec<u8>> {
    // A path through the open folder is short and follows no link in its last part.
    let path = Path::new("/proc/self/fd")
        .join(folder.as_raw_fd().to_string())
        .join(name);
    let mut names = vec![0; 64 << 10];
    let Ok(length) = rustix::fs::llistxattr(&path, &mut names) else {
        return BTreeMap::new();
    };
    names[..length]
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| {
            let mut value = vec![0; 64 << 10];
            let length = rustix::fs::lgetxattr(&path, name, &mut value).unwrap();
            value.truncate(length);
            (OsStr::from_bytes(name).to_owned(), value)
        })
        .collect()
}

/// Compares two trees, the first being what was saved.
///
/// # Panics
/// With a list of the differences, when there are any.
pub fn assert_same(saved: &Picture, restored: &Picture, compare: Compare) {
    let differences = differences(saved, restored, compare);
    assert!(
        differences.is_empty(),
        "{} differences between what was saved and what was restored:\n{}",
        differences.len(),
        differences.iter().take(20).fold(String::new(), |mut text, line| {
            let _ = writeln!(text, "  {line}");
            text
        })
    );
}

/// The differences in words; empty when the trees are the same.
#[must_use]
pub fn differences(saved: &Picture, restored: &Picture, compare: Compare) -> Vec<String> {
    let mut lines = Vec::new();
    for (path, item) in saved {
        let name = path.display();
        match restored.get(path) {
            None if is(item, FileType::Socket) && !compare.sockets => {}
            None => lines.push(format!("{name} is missing")),
            Some(other) => item_differences(item, other, compare, &mut |line| lines.push(format!("{name}: {line}"))),
        }
    }
    let more = restored.keys().filter(|path| !saved.contains_key(*path));
    lines.extend(more.map(|path| format!("{} should not be there", path.display())));
    lines
}

fn is(item: &Item, kind: FileType) -> bool {
    FileType::from_raw_mode(item.mode) == kind
}

fn item_differences(saved: &Item, restored: &Item, compare: Compare, tell: &mut dyn FnMut(String)) {
    if saved.mode != restored.mode {
        tell(format!("mode {:o} became {:o}", saved.mode, restored.mode));
    }
    if compare.owners && saved.owner != restored.owner {
        tell(format!("owner {:?} became {:?}", saved.owner, restored.owner));
    }
    if saved.mtime != restored.mtime {
        tell(format!("time {:?} became {:?}", saved.mtime, restored.mtime));
    }
    if saved.size != restored.size {
        tell(format!("{} bytes became {}", saved.size, restored.size));
    } else if saved.content != restored.content {
        tell("the content differs".to_owned());
    }
    if saved.target != restored.target {
        tell(format!(
            "link to {:?} became one to {:?}",
            saved.target, restored.target
        ));
    }
    if saved.device != restored.device {
        tell(format!("device {:x} became {:x}", saved.device, restored.device));
    }
    for name in saved.xattrs.keys().chain(restored.xattrs.keys()) {
        let [before, after] = [saved, restored].map(|item| item.xattrs.get(name));
        if before != after {
            tell(format!("attribute {name:?} {} became {}", shown(before), shown(after)));
        }
    }
    if saved.first_name != restored.first_name {
        tell(format!(
            "linked with {:?} became {:?}",
            saved.first_name, restored.first_name
        ));
    }
}

fn shown(value: Option<&Vec<u8>>) -> String {
    value.map_or("(none)".to_owned(), |value| {
        value.escape_ascii().to_string().chars().take(60).collect()
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn tree(dir: &Path) {
        fs::create_dir_all(dir.join("a/b")).unwrap();
        fs::write(dir.join("a/file"), b"content").unwrap();
        fs::hard_link(dir.join("a/file"), dir.join("a/b/name")).unwrap();
        symlink("file", dir.join("a/link")).unwrap();
        epoch_link(&dir.join("a/link"));
        for name in ["a/b", "a", ""] {
            fs::File::open(dir.join(name))
                .unwrap()
                .set_modified(std::time::UNIX_EPOCH)
                .unwrap();
        }
        fs::File::options()
            .write(true)
            .open(dir.join("a/file"))
            .unwrap()
            .set_modified(std::time::UNIX_EPOCH)
            .unwrap();
    }

    fn epoch_link(path: &Path) {
        let zero = rustix::fs::Timespec { tv_sec: 0, tv_nsec: 0 };
        let times = rustix::fs::Timestamps {
            last_access: zero,
            last_modification: zero,
        };
        rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }

    /// A comparison that finds nothing must have been able to.
    #[test]
    fn every_difference_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        let compare = Compare::default();
        type Change = fn(&Path);
        let changes: [(&str, Change); 7] = [
            ("content differs", |dir| {
                fs::write(dir.join("a/file"), b"CONTENT").unwrap();
                let file = fs::File::options().write(true).open(dir.join("a/file")).unwrap();
                file.set_modified(std::time::UNIX_EPOCH).unwrap();
            }),
            ("mode", |dir| {
                fs::set_permissions(dir.join("a/file"), fs::Permissions::from_mode(0o4755)).unwrap()
            }),
            ("time", |dir| {
                let file = fs::File::options().write(true).open(dir.join("a/file")).unwrap();
                file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_nanos(1))
                    .unwrap();
            }),
            ("missing", |dir| fs::remove_file(dir.join("a/b/name")).unwrap()),
            ("should not be there", |dir| fs::write(dir.join("more"), b"").unwrap()),
            ("link to", |dir| {
                fs::remove_file(dir.join("a/link")).unwrap();
                symlink("other", dir.join("a/link")).unwrap();
                epoch_link(&dir.join("a/link"));
            }),
            ("attribute", |dir| {
                let flags = rustix::fs::XattrFlags::empty();
                rustix::fs::setxattr(dir.join("a/file"), "user.x", b"y", flags).unwrap();
            }),
        ];
        for (word, change) in changes {
            tree(&one);
            tree(&two);
            assert_eq!(
                differences(&picture(&one), &picture(&two), compare),
                Vec::<String>::new()
            );
            change(&two);
            let found = differences(&picture(&one), &picture(&two), compare);
            assert!(found.iter().any(|line| line.contains(word)), "{word}: {found:?}");
            fs::remove_dir_all(&one).unwrap();
            fs::remove_dir_all(&two).unwrap();
        }
    }
}

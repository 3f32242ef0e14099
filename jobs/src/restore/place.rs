//! Names beside the originals, and entries put under them without ever replacing one.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, linkat, openat, renameat, renameat_with, statat, unlinkat};
use rustix::io::Errno;

/// The longest name that Linux's filesystems take, in bytes.
const LONGEST: usize = 255;

/// So many names are tried before that is given up.
const MOST: u32 = 10_000;

/// `letter.txt_2021-03-05`, `letter.txt_2021-03-05_2`, …, each short enough for a filesystem.
pub(super) fn candidates<'a>(name: &'a OsStr, day: &'a str) -> impl Iterator<Item = OsString> + 'a {
    (1..=MOST).map(move |number| {
        let suffix = match number {
            1 => format!("_{day}"),
            _ => format!("_{day}_{number}"),
        };
        let mut bytes = name.as_bytes().to_vec();
        let room = LONGEST.saturating_sub(suffix.len());
        if bytes.len() > room {
            // Never in the middle of a letter.
            let cut = (0..=room)
                .rev()
                .find(|at| bytes.get(*at).is_none_or(|byte| byte & 0b1100_0000 != 0b1000_0000));
            bytes.truncate(cut.filter(|at| *at > 0).unwrap_or(room));
        }
        bytes.extend_from_slice(suffix.as_bytes());
        OsString::from_vec(bytes)
    })
}

/// Opens a folder by its real path: a component that is a symbolic link by now is an error.
pub(super) fn open_folder(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let above = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut folder = openat(CWD, c"/", above, Mode::empty())?;
    for component in path.components() {
        if let Component::Normal(name) = component {
            folder = openat(&folder, name, above, Mode::empty())?;
        }
    }
    Ok(openat(&folder, c".", flags, Mode::empty())?)
}

/// Puts `from` in the folder `old` under the first free one of the names in the folder `new`, and says which.
///
/// # Errors
/// When it cannot be moved; [`io::ErrorKind::CrossesDevices`] when the folders are on different filesystems.
pub(super) fn put(
    old: BorrowedFd<'_>,
    from: &OsStr,
    new: BorrowedFd<'_>,
    names: impl Iterator<Item = OsString>,
) -> io::Result<OsString> {
    for name in names {
        match put_new(old, from, new, &name) {
            Ok(()) => return Ok(name),
            Err(Errno::EXIST | Errno::NOTEMPTY) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AlreadyExists,
        "every name beside it is taken",
    ))
}

fn put_new(old: BorrowedFd<'_>, from: &OsStr, new: BorrowedFd<'_>, name: &OsStr) -> Result<(), Errno> {
    match renameat_with(old, from, new, name, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => put_without_help(old, from, new, name),
        other => other,
    }
}

/// Where the filesystem knows no such rename. Of a file a second name is made, which refuses to replace; of anything else
/// the name is looked at first.
fn put_without_help(old: BorrowedFd<'_>, from: &OsStr, new: BorrowedFd<'_>, name: &OsStr) -> Result<(), Errno> {
    match linkat(old, from, new, name, AtFlags::empty()) {
        Ok(()) => return unlinkat(old, from, AtFlags::empty()),
        Err(error @ (Errno::EXIST | Errno::XDEV)) => return Err(error),
        Err(_) => {}
    }
    match statat(new, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Err(Errno::EXIST),
        Err(Errno::NOENT) => renameat(old, from, new, name),
        Err(error) => Err(error),
    }
}

/// Whether nothing has this name there.
pub(super) fn is_free(folder: impl AsFd, name: &OsStr) -> bool {
    matches!(statat(folder, name, AtFlags::SYMLINK_NOFOLLOW), Err(Errno::NOENT))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn names_count_up_and_fit() {
        let name = OsStr::from_bytes(b"caf\xe9\n\"x");
        let names: Vec<_> = candidates(name, "2021-03-05").take(3).collect();
        let expected: [&[u8]; 3] = [
            b"caf\xe9\n\"x_2021-03-05",
            b"caf\xe9\n\"x_2021-03-05_2",
            b"caf\xe9\n\"x_2021-03-05_3",
        ];
        assert_eq!(names.iter().map(|name| name.as_bytes()).collect::<Vec<_>>(), expected);
        let long = "ü".repeat(127);
        let cut = candidates(OsStr::new(&long), "2021-03-05").next().unwrap();
        assert!(cut.len() <= LONGEST && cut.len() > LONGEST - 2);
        assert_eq!(cut.to_str().unwrap(), format!("{}_2021-03-05", "ü".repeat(122)));
    }

    #[test]
    fn nothing_is_ever_replaced() {
        let folder = tempfile::tempdir().unwrap();
        for (name, is_folder) in [("file", false), ("folder", true)] {
            for help in [true, false] {
                let place = folder.path().join(format!("{name}{help}"));
                fs::create_dir_all(place.join("old")).unwrap();
                let from = place.join("old/x");
                let make = || {
                    if is_folder {
                        fs::create_dir(&from).unwrap();
                    } else {
                        fs::write(&from, "new").unwrap();
                    }
                };
                make();
                fs::write(place.join("x"), "first").unwrap();
                let (old, new) = (open_folder(&place.join("old")).unwrap(), open_folder(&place).unwrap());
                let name = OsStr::new("x");
                let put = if help { put_new } else { put_without_help };
                assert_eq!(put(old.as_fd(), name, new.as_fd(), name), Err(Errno::EXIST));
                assert_eq!(fs::read(place.join("x")).unwrap(), b"first");
                assert_eq!(put(old.as_fd(), name, new.as_fd(), OsStr::new("y")), Ok(()));
                assert!(place.join("y").exists() && !from.exists());
            }
        }
    }

    #[test]
    fn a_link_in_the_way_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap();
        fs::create_dir(real.join("a")).unwrap();
        std::os::unix::fs::symlink("a", real.join("b")).unwrap();
        assert!(open_folder(&real.join("a")).is_ok());
        assert!(open_folder(&real.join("b")).is_err());
    }
}

//! Random trees and random edits.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, XattrFlags, lsetxattr, mkfifoat};

use super::Dice;
use super::zoo::set_mtime;

/// Fills the folder `dir` with about so many random entries.
///
/// # Errors
/// When something cannot be made.
pub fn random_tree(dir: &Path, dice: &mut Dice, entries: usize) -> io::Result<()> {
    let mut folders = vec![dir.to_owned()];
    let mut files = Vec::new();
    for _ in 0..entries {
        let path = dice
            .pick(&folders)
            .map_or_else(|| dir.to_owned(), PathBuf::clone)
            .join(name(dice));
        if path.symlink_metadata().is_err() {
            make(&path, dice, &mut folders, &mut files)?;
        }
    }
    folders.iter().rev().try_for_each(|folder| touch(folder, dice))
}

/// Makes so many random changes in the tree `dir`: content, metadata, names, kinds.
///
/// # Errors
/// When a change cannot be made.
pub fn mutate(dir: &Path, dice: &mut Dice, edits: usize) -> io::Result<()> {
    for _ in 0..edits {
        let (mut folders, mut others) = (vec![dir.to_owned()], Vec::new());
        list(dir, &mut folders, &mut others)?;
        let all: Vec<&PathBuf> = folders.iter().skip(1).chain(&others).collect();
        let files: Vec<PathBuf> = others.iter().filter(|path| is_file(path)).cloned().collect();
        let fresh = dice
            .pick(&folders)
            .map_or_else(|| dir.to_owned(), PathBuf::clone)
            .join(name(dice));
        let (file, any) = (
            dice.pick(&files).cloned(),
            dice.pick(&all).map(|path| path.to_path_buf()),
        );
        match (dice.below(7), file, any) {
            (0, Some(file), _) => rewrite(&file, dice)?,
            (1, _, Some(any)) => remove(&any)?,
            (2, _, Some(any)) if !fresh.starts_with(&any) && fresh.symlink_metadata().is_err() => {
                fs::rename(&any, &fresh)?;
            }
            (3, _, Some(any)) if any.symlink_metadata()?.is_dir() || is_file(&any) => mode(&any, dice)?,
            (4, _, Some(any)) => touch(&any, dice)?,
            (5, _, Some(any)) => {
                remove(&any)?;
                make(&any, dice, &mut folders, &mut Vec::new())?;
            }
            _ if fresh.symlink_metadata().is_err() => make(&fresh, dice, &mut folders, &mut others)?,
            _ => {}
        }
    }
    Ok(())
}

fn name(dice: &mut Dice) -> OsString {
    let alphabet = b"aaabcdefgh.-_ *?[]\\'\"\n\xff\xc3\xa9\x01~#";
    let len = if dice.once_in(20) { 200 } else { 1 + dice.below(8) };
    let mut name: Vec<u8> = (0..len).filter_map(|_| dice.pick(alphabet).copied()).collect();
    if matches!(name.as_slice(), b"." | b"..") {
        name.push(b'x');
    }
    OsString::from_vec(name)
}

fn content(dice: &mut Dice) -> Vec<u8> {
    let len = match dice.below(8) {
        0 => 0,
        1 => dice.below(1 << 20),
        2 => 4096 * dice.below(10),
        _ => dice.below(3000),
    };
    if dice.once_in(3) {
        vec![b'z'; len]
    } else {
        dice.bytes(len)
    }
}

fn make(path: &Path, dice: &mut Dice, folders: &mut Vec<PathBuf>, files: &mut Vec<PathBuf>) -> io::Result<()> {
    match (dice.below(20), dice.pick(files).cloned()) {
        (0..4, _) => {
            fs::create_dir(path)?;
            folders.push(path.to_owned());
            mode(path, dice)?;
        }
        (4..6, _) => symlink(OsStr::from_bytes(&target(dice)), path)?,
        (6, _) => mkfifoat(CWD, path, Mode::RUSR)?,
        (7, Some(file)) => return fs::hard_link(file, path),
        (8, _) => {
            let file = fs::File::create(path)?;
            file.set_len(1 << 17)?;
            file.write_all_at(&dice.bytes(100), dice.below(1 << 16) as u64)?;
        }
        _ => {
            fs::write(path, content(dice))?;
            mode(path, dice)?;
            files.push(path.to_owned());
            if dice.once_in(4) {
                let value = dice.bytes(20);
                // Not every filesystem has attributes.
                let _ = lsetxattr(path, c"user.random", &value, XattrFlags::empty());
            }
        }
    }
    touch(path, dice)
}

fn target(dice: &mut Dice) -> Vec<u8> {
    let len = 1 + dice.below(40);
    dice.bytes(len).into_iter().map(|byte| byte.max(1)).collect()
}

/// Folders and files stay usable for their owner, so that the tree can be changed and removed again.
fn mode(path: &Path, dice: &mut Dice) -> io::Result<()> {
    let bits = u32::try_from(dice.below(0o10000)).unwrap_or(0);
    fs::set_permissions(path, fs::Permissions::from_mode(bits | 0o700))
}

fn touch(path: &Path, dice: &mut Dice) -> io::Result<()> {
    let seconds = i64::try_from(dice.below(1 << 31)).unwrap_or(0) - (1 << 20);
    let nanos = i64::try_from(dice.below(1_000_000_000)).unwrap_or(0);
    set_mtime(path, seconds, nanos)
}

fn rewrite(path: &Path, dice: &mut Dice) -> io::Result<()> {
    let file = fs::File::options().write(true).open(path)?;
    let len = file.metadata()?.len();
    match dice.below(4) {
        0 => file.set_len(len / 2),
        1 => file.write_all_at(&content(dice), len),
        2 => file.write_all_at(&dice.bytes(10), len / 2),
        _ => fs::write(path, content(dice)),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    if path.symlink_metadata()?.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    }
}

fn is_file(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_file())
}

fn list(dir: &Path, folders: &mut Vec<PathBuf>, others: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut entries = fs::read_dir(dir)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?;
    // The order of the filesystem is not the same everywhere, and a seed should mean the same tree.
    entries.sort_unstable();
    for path in entries {
        if path.symlink_metadata()?.is_dir() {
            folders.push(path.clone());
            list(&path, folders, others)?;
        } else {
            others.push(path);
        }
    }
    Ok(())
}

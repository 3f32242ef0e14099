//! Writing small files so that a reader, also after a power cut, sees the old content or the new one, whole.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

/// Replaces `path`, or makes it with `mode` (less the umask); an existing file keeps its mode, owner and ACL, and a
/// symbolic link stays one.
///
/// # Errors
/// When it could not be done; `path` is then as it was.
pub fn replace(path: &Path, mode: u32, content: &[u8]) -> Result<()> {
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let temporary = Temporary::write(path, mode, content)?;
    keep_attributes(path, &temporary.file).map_err(|error| Error::io("keep owner and mode of", path, error))?;
    temporary.finish(|temporary| fs::rename(temporary, path))
}

/// Makes `path` with exactly `mode` and fails when it exists.
///
/// # Errors
/// When it exists or could not be written.
pub fn create_new(path: &Path, mode: u32, content: &[u8]) -> Result<()> {
    let temporary = Temporary::write(path, mode, content)?;
    // A hard link, unlike a rename, never takes the place of what is there.
    temporary.finish(|temporary| fs::hard_link(temporary, path))
}

/// Adds `line`, which ends in a line break, to the end of `path`, which is made with `mode` where it is missing.
///
/// The line is on disk when this returns. A line before it that a power cut has torn is ended first.
///
/// # Errors
/// When it could not be written.
pub fn append_line(path: &Path, mode: u32, line: &[u8]) -> Result<()> {
    let append = || -> io::Result<()> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .read(true)
            .mode(mode)
            .open(path)?;
        let length = file.metadata()?.len();
        let mut last = [b'\n'];
        if length > 0 {
            file.read_exact_at(&mut last, length - 1)?;
        }
        let torn = last != [b'\n'];
        let text = [if torn { b"\n".as_slice() } else { b"" }, line].concat();
        (&file).write_all(&text)?;
        file.sync_all()?;
        if length == 0 { sync_folder_of(path) } else { Ok(()) }
    };
    append().map_err(|error| Error::io("write", path, error))
}

/// Makes a folder with `mode`, and those above it as any other, where they are missing.
///
/// # Errors
/// When one could not be made.
pub fn create_dir(path: &Path, mode: u32) -> Result<()> {
    let make = || -> io::Result<()> {
        if let Some(above) = path.parent() {
            fs::create_dir_all(above)?;
        }
        DirBuilder::new().recursive(true).mode(mode).create(path)
    };
    make().map_err(|error| Error::io("create the folder", path, error))
}

struct Temporary<'a> {
    target: &'a Path,
    path: PathBuf,
    file: File,
}

impl<'a> Temporary<'a> {
    fn write(target: &'a Path, mode: u32, content: &[u8]) -> Result<Self> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}-{number}.tmp", std::process::id()));
        let path = target.with_file_name(name);
        let write = || -> io::Result<Self> {
            // One of the same name is left from a process that died and had our number.
            let _ = fs::remove_file(&path);
            let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path)?;
            let temporary = Self {
                target,
                path: path.clone(),
                file,
            };
            (&temporary.file).write_all(content)?;
            Ok(temporary)
        };
        write().map_err(|error| Error::io("write", target, error))
    }

    fn finish(self, publish: impl FnOnce(&Path) -> io::Result<()>) -> Result<()> {
        let steps = || -> io::Result<()> {
            self.file.sync_all()?;
            publish(&self.path)?;
            sync_folder_of(self.target)
        };
        steps().map_err(|error| Error::io("write", self.target, error))
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        // After a rename there is nothing left to remove.
        let _ = fs::remove_file(&self.path);
    }
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

fn keep_attributes(old: &Path, new: &File) -> io::Result<()> {
    let old_file = match File::open(old) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let (before, now) = (old_file.metadata()?, new.metadata()?);
    if (before.uid(), before.gid()) != (now.uid(), now.gid()) {
        std::os::unix::fs::fchown(new, Some(before.uid()), Some(before.gid()))?;
    }
    new.set_permissions(fs::Permissions::from_mode(before.mode() & 0o7777))?;
    copy_acl(&old_file, new)
}

fn copy_acl(old: &File, new: &File) -> io::Result<()> {
    const NAME: &str = "system.posix_acl_access";
    let mut value = vec![0; 4096];
    match rustix::fs::fgetxattr(old, NAME, value.as_mut_slice()) {
        Ok(length) => {
            value.truncate(length);
            Ok(rustix::fs::fsetxattr(
                new,
                NAME,
                &value,
                rustix::fs::XattrFlags::empty(),
            )?)
        }
        Err(rustix::io::Errno::NODATA | rustix::io::Errno::NOTSUP) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

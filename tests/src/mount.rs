//! A small filesystem for one test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A filesystem of its own, mounted while this lives.
pub struct Mount(PathBuf);

impl Mount {
    fn attempt(command: &mut Command, path: &Path) -> Option<Self> {
        fs::create_dir_all(path).unwrap();
        let mounted = command.arg(path).output();
        mounted
            .is_ok_and(|output| output.status.success())
            .then(|| Self(path.to_owned()))
    }

    /// In memory; `None` where this user may not mount.
    ///
    /// # Panics
    /// When the folder cannot be made.
    #[must_use]
    pub fn memory(path: &Path, size: &str) -> Option<Self> {
        let option = format!("size={size}");
        Self::attempt(
            Command::new("mount").args(["-t", "tmpfs", "-o", &option, "holdfast-test"]),
            path,
        )
    }

    /// An image made by `mkfs`, mounted through a loop device; `None` where that cannot be.
    ///
    /// # Panics
    /// When the image's file cannot be made.
    #[must_use]
    pub fn image(path: &Path, size: u64, mkfs: &[&str], options: &str) -> Option<Self> {
        let image = path.with_extension("image");
        fs::File::create(&image).unwrap().set_len(size).unwrap();
        let (program, arguments) = mkfs.split_first().unwrap();
        let made = Command::new(program).args(arguments).arg(&image).output();
        made.ok().filter(|output| output.status.success())?;
        Self::attempt(Command::new("mount").args(["-o", options]).arg(&image), path)
    }

    /// Mounts it anew with other options.
    ///
    /// # Panics
    /// When it cannot.
    pub fn remount(&self, options: &str) {
        let mut command = Command::new("mount");
        let status = command
            .args(["-o", &format!("remount,{options}")])
            .arg(&self.0)
            .status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l"]).arg(&self.0).output();
    }
}

/// Why there is none.
pub const NO_MOUNT: &str = "this user may not mount a filesystem, or it cannot be made here";

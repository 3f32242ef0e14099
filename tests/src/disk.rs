//! A disk for a test: an image behind a loop device, with a labelled filesystem or none.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An image behind a loop device, gone when it is dropped.
pub struct Disk {
    /// The device.
    pub device: PathBuf,
    /// The label that its filesystem got.
    pub label: String,
    _image: tempfile::NamedTempFile,
}

impl Disk {
    /// One whose label begins so and is nobody else's. `None` where this user or kernel has no loop devices.
    #[must_use]
    pub fn make(name: &str, kind: &str) -> Option<Self> {
        let number = std::process::id() % 10_000;
        Self::labelled(&format!("{name}{number}").chars().take(11).collect::<String>(), kind)
    }

    /// One with exactly this label.
    #[must_use]
    pub fn labelled(label: &str, kind: &str) -> Option<Self> {
        let image = tempfile::NamedTempFile::new().unwrap();
        image.as_file().set_len(64 << 20).unwrap();
        let label_option = if kind == "vfat" { "-n" } else { "-L" };
        let made = quietly(
            Command::new(format!("mkfs.{kind}"))
                .arg(label_option)
                .arg(label)
                .arg(image.path()),
        );
        if !made {
            return None;
        }
        Self::behind(image, label)
    }

    /// One with nothing on it, whose partitions the kernel shows.
    #[must_use]
    pub fn blank() -> Option<Self> {
        let image = tempfile::NamedTempFile::new().unwrap();
        image.as_file().set_len(64 << 20).unwrap();
        Self::behind(image, "")
    }

    fn behind(image: tempfile::NamedTempFile, label: &str) -> Option<Self> {
        let output = Command::new("losetup")
            .args(["--find", "--show", "--partscan"])
            .arg(image.path())
            .output()
            .ok()?;
        let device = String::from_utf8(output.stdout).ok()?.trim().to_owned();
        (output.status.success() && !device.is_empty()).then(|| Self {
            device: device.into(),
            label: label.to_owned(),
            _image: image,
        })
    }

    /// Mounts it.
    pub fn mount(&self, point: &Path) {
        assert!(quietly(Command::new("mount").arg(&self.device).arg(point)));
    }

    /// Mounts it so that nothing can be written.
    pub fn mount_read_only(&self, point: &Path) {
        assert!(quietly(
            Command::new("mount").args(["-o", "ro"]).arg(&self.device).arg(point)
        ));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        while quietly(Command::new("umount").arg(&self.device)) {}
        quietly(Command::new("losetup").arg("-d").arg(&self.device));
    }
}

/// Unmounts what is there.
pub fn unmount(point: &Path) {
    assert!(quietly(Command::new("umount").arg(point)));
}

/// Takes what is mounted there out of sight, as when a disk is pulled out.
pub fn unmount_lazily(point: &Path) {
    assert!(quietly(Command::new("umount").arg("-l").arg(point)));
}

fn quietly(command: &mut Command) -> bool {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

//! A disk for a test: an image behind a loop device, with a labelled filesystem.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub struct Disk {
    pub device: PathBuf,
    pub label: String,
    _image: tempfile::NamedTempFile,
}

impl Disk {
    /// One whose label begins so and is nobody else's.
    pub fn make(name: &str, kind: &str) -> Option<Self> {
        let number = std::process::id() % 10_000;
        Self::labelled(&format!("{name}{number}").chars().take(11).collect::<String>(), kind)
    }

    /// One with exactly this label.
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
        let output = Command::new("losetup")
            .args(["--find", "--show"])
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

    pub fn mount(&self, point: &Path) {
        assert!(quietly(Command::new("mount").arg(&self.device).arg(point)));
    }

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

pub fn unmount(point: &Path) {
    assert!(quietly(Command::new("umount").arg(point)));
}

pub fn unmount_lazily(point: &Path) {
    assert!(quietly(Command::new("umount").arg("-l").arg(point)));
}

fn quietly(command: &mut Command) -> bool {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

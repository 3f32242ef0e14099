//! The disks of this machine: listed, and formatted for backups.

pub use backends::mount::format::{Plan, plan};
pub use backends::mount::usb::{Disk, disks as list, warning};

/// Whether a backup can be kept on a filesystem of this kind, in words: `good`, or what is wrong with it.
#[must_use]
pub fn fitness(kind: Option<&str>) -> &'static str {
    match kind {
        None => "no filesystem: format it",
        Some("ext4" | "ext3" | "xfs" | "btrfs") => "good",
        Some("ntfs" | "ntfs3") => "refused: NTFS keeps no owners and modes",
        Some("vfat" | "msdos") => "not for rsync; holds no file of 4 GiB",
        Some("exfat") => "not for rsync; has no journal",
        Some(_) => "not tried",
    }
}

//! What a trial has to make before it can begin, taken away again where that can be done.

use std::fs;
use std::path::{Path, PathBuf};

use engine_api::{Key, StoreError};

use crate::context::Context;
use crate::open::Connected;
use crate::record::{Place, PlaceKind};
use crate::site::Site;

/// What was made.
#[derive(Default)]
pub(super) struct Traces {
    made: bool,
    /// The folders of this machine that were not there, the deepest first.
    folders: Vec<PathBuf>,
    /// What stays.
    pub(super) left: Vec<String>,
}

/// A bucket is never made for a trial: it costs, and its name is taken from everybody.
pub(super) fn may_make(site: &Site) -> bool {
    !matches!(site.place.kind(), PlaceKind::S3 | PlaceKind::B2)
}

/// Whether a server of restic's protocol has a repository at this place.
pub(super) fn is_used(connected: &Connected) -> Result<bool, StoreError> {
    let Ok(key) = Key::new("config") else { return Ok(true) };
    match connected.destination.blobs.stat(&key) {
        Ok(_) => Ok(true),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

impl Traces {
    /// Notes that the place is about to be made.
    pub(super) fn note(&mut self, site: &Site) {
        self.made = true;
        if let Place::Local(folder) = &site.place {
            let folder = folder.join(&site.subfolder);
            let missing = folder.ancestors().take_while(|folder| !folder.exists());
            self.folders = missing.map(Path::to_owned).collect();
        }
    }

    /// Takes away what can be taken away, and disconnects.
    pub(super) fn remove(&mut self, context: &Context, site: &Site, connected: Connected) {
        if !self.made {
            return;
        }
        let gone = match &site.place {
            Place::Local(_) => self.folders.iter().all(|folder| fs::remove_dir(folder).is_ok()),
            Place::Usb { .. } | Place::Cifs { .. } | Place::Nfs { .. } => is_gone_below_mount(site),
            Place::Sftp { .. } => {
                drop(connected);
                is_gone_on_server(context, site)
            }
            _ => false,
        };
        if !gone {
            self.left.push(format!("the new folder {}", site.location));
        }
    }
}

/// Removes the folder below the mount point, which itself was there.
fn is_gone_below_mount(site: &Site) -> bool {
    let Some(point) = &site.mount_point else { return true };
    site.subfolder.as_os_str().is_empty() || fs::remove_dir(point.join(&site.subfolder)).is_ok()
}

/// Removes the folder of an SSH server, by way of the one above it.
fn is_gone_on_server(context: &Context, site: &Site) -> bool {
    let mut outside = site.clone();
    let Place::Sftp { directory, .. } = &mut outside.place else {
        return false;
    };
    let path = PathBuf::from(directory.trim_end_matches('/'));
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    *directory = above.map_or_else(|| ".".to_owned(), |above| above.to_string_lossy().into_owned());
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    Connected::open(context, &outside, false).is_ok_and(|connected| {
        let files = connected.destination.files.as_ref();
        files.is_some_and(|files| files.remove_folder(&files.root(), name).is_ok())
    })
}

//! An NFS export.

use std::ffi::OsStr;
use std::path::Path;

use engine_api::{Destination, StoreError, StoreErrorKind};

use super::error::Failed;
use super::table::Mounted;
use super::{Source, Spot, program};

/// Which export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The server (property `NFSHost`).
    pub host: String,
    /// The exported folder, with its leading slash (property `NFSShare`).
    pub share: String,
    /// Where it is mounted.
    pub spot: Spot,
}

/// Mounts the export and opens it.
///
/// # Errors
/// When it cannot be mounted or opened.
pub fn open(settings: &Settings, create: bool) -> Result<Destination, StoreError> {
    super::open(&Export(settings), &settings.spot, create)
}

struct Export<'a>(&'a Settings);

impl Export<'_> {
    /// A numeric address of IPv6 stands in brackets.
    fn name(&self) -> String {
        let host = &self.0.host;
        if host.contains(':') && !host.starts_with('[') {
            format!("[{host}]:{}", self.0.share)
        } else {
            format!("{host}:{}", self.0.share)
        }
    }
}

impl Source for Export<'_> {
    fn shown(&self) -> String {
        self.name()
    }

    fn is(&self, mounted: &Mounted) -> bool {
        let slashless = |name: &[u8]| name.strip_suffix(b"/").map_or_else(|| name.to_vec(), <[u8]>::to_vec);
        mounted.kind.starts_with("nfs") && slashless(&mounted.source) == slashless(self.name().as_bytes())
    }

    fn mount(&self, point: &Path) -> Result<(), Failed> {
        let name = self.name();
        // Locks of the server's own service are not needed, and often not to be had; a server that goes away must give an
        // error rather than hang every process that looks at the folder, so the mount is a soft one. Whether the mounting is tried again is decided above.
        let words = [
            "-t",
            "nfs",
            "-o",
            "nolock,soft,timeo=300,retrans=3,retry=0",
            name.as_str(),
        ]
        .map(OsStr::new);
        let said = program::run("mount", "mount", words.into_iter().chain([point.as_os_str()]))?;
        if said.success {
            return Ok(());
        }
        Err(Failed::new("mount", kind_of(&said.complaint), said.complaint))
    }
}

fn kind_of(complaint: &str) -> StoreErrorKind {
    let has = |part: &str| complaint.contains(part);
    if program::knows_not(complaint) {
        StoreErrorKind::Unsupported
    } else if has("access denied") || has("not permitted") || has("Permission denied") {
        StoreErrorKind::PermissionDenied
    } else if has("No such file") {
        StoreErrorKind::NotFound
    } else if has("timed out") {
        StoreErrorKind::Timeout
    } else if has("refused") || has("No route") || has("resolve") || has("unreachable") {
        StoreErrorKind::Connection
    } else {
        StoreErrorKind::Other
    }
}

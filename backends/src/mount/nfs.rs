//! An NFS export.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use engine_api::{Destination, StoreError, StoreErrorKind};

use super::error::Failed;
use super::table::Mounted;
use super::{Source, Spot, program};

/// The kernel's own first wait, in tenths of a second.
const MOST_WAIT: u128 = 600;

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
        // error rather than hang every process that looks at the folder, so the mount is a soft one. Whether the mounting
        // is tried again is decided above.
        let (timeo, retrans) = waits(self.0.spot.patience);
        let options = format!("nolock,soft,timeo={timeo},retrans={retrans},retry=0");
        let words = ["-t", "nfs", "-o", options.as_str(), name.as_str()].map(OsStr::new);
        let said = program::run("mount", "mount", words.into_iter().chain([point.as_os_str()]))?;
        if said.success {
            return Ok(());
        }
        Err(Failed::new("mount", kind_of(&said.complaint), said.complaint))
    }
}

/// The first wait for an answer, in tenths of a second, and how many as long follow: together half as long again as
/// `patience`.
fn waits(patience: Duration) -> (u128, u128) {
    let all = patience.as_millis() * 3 / 200;
    let first = (all / 3).clamp(10, MOST_WAIT);
    (first, all.div_ceil(first).saturating_sub(1).max(2))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_waits_half_as_long_again() {
        let sum = |patience| {
            let (first, more) = waits(Duration::from_secs(patience));
            (first, first * (more + 1))
        };
        assert_eq!(sum(2), (10, 30));
        assert_eq!(sum(60), (300, 900));
        assert_eq!(sum(300), (600, 4800));
        assert_eq!(sum(540), (600, 8400));
    }
}

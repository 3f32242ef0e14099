//! A CIFS (SMB) share.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::Path;

use engine_api::{Destination, StoreError, StoreErrorKind};
use zeroize::Zeroizing;

use crate::Secret;

use super::error::Failed;
use super::table::Mounted;
use super::{Source, Spot, program};

/// Seconds between two signs of life that the kernel asks a silent server for by itself; after the third it is dead.
const OWN_INTERVAL: u64 = 60;

/// No handle of a folder is kept, and no file is closed later than its user did: whatever the kernel still holds when a share
/// is unmounted, it may forget to let go of first, and stop at that. Old kernels know neither, and need neither.
const NOTHING_KEPT: &str = ",nohandlecache,closetimeo=0";

/// Which share, and who asks.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The server (property `SMBHost`).
    pub host: String,
    /// The share, perhaps with folders below it (property `SMBShare`).
    pub share: String,
    /// The user; `user,domain=name` as NethServer's records may have it (property `SMBLogin`).
    pub login: String,
    /// The password (property `SMBPassword`).
    pub password: Secret,
    /// Where it is mounted.
    pub spot: Spot,
}

/// Mounts the share and opens it.
///
/// # Errors
/// When it cannot be mounted or opened.
pub fn open(settings: &Settings, create: bool) -> Result<Destination, StoreError> {
    super::open(&Share(settings), &settings.spot, create)
}

struct Share<'a>(&'a Settings);

impl Share<'_> {
    fn name(&self) -> String {
        format!("//{}/{}", self.0.host, self.0.share.trim_matches('/'))
    }

    /// The login as `mount.cifs` reads it, so that the password is in no process list.
    fn credentials(&self) -> Result<Zeroizing<Vec<u8>>, Failed> {
        let (login, password) = (&self.0.login, self.0.password.reveal());
        // Each would be the beginning of a line of its own.
        if [login.as_str(), password]
            .iter()
            .any(|text| text.contains(['\n', '\r', '\0']))
        {
            let cause = "the login or the password holds a line break";
            return Err(Failed::new("mount", StoreErrorKind::Unauthenticated, cause));
        }
        let mut parts = login.split(',');
        let mut text = Zeroizing::new(Vec::new());
        let mut line = |name: &str, value: &str| {
            for part in [name, "=", value, "\n"] {
                text.extend_from_slice(part.as_bytes());
            }
        };
        line("username", parts.next().unwrap_or_default());
        for part in parts {
            if let Some(domain) = part.trim().strip_prefix("domain=") {
                line("domain", domain);
            }
        }
        line("password", password);
        Ok(text)
    }

    fn try_mount(&self, point: &Path, credentials: &Path, more: &str) -> Result<program::Said, Failed> {
        // What the kernel holds back of a file keeps whoever closes it, even a process that was killed, for as long as the
        // server is silent: pages are sent again without end, and `soft` does not count for them. So it holds nothing back.
        let mut options = OsString::from("nounix,soft,mfsymlinks,cache=none");
        // Old kernels know no other interval than their own.
        let interval = (self.0.spot.patience.as_secs() / 2).max(1);
        if interval < OWN_INTERVAL {
            options.push(format!(",echo_interval={interval}"));
        }
        options.push(",credentials=");
        options.push(credentials);
        options.push(more);
        let name = self.name();
        let words = [
            OsStr::new("-t"),
            OsStr::new("cifs"),
            OsStr::new(&name),
            point.as_os_str(),
        ];
        program::run(
            "mount",
            "mount",
            words.into_iter().chain([OsStr::new("-o"), options.as_os_str()]),
        )
    }
}

impl Source for Share<'_> {
    fn shown(&self) -> String {
        self.name()
    }

    fn is(&self, mounted: &Mounted) -> bool {
        let plain = |name: &[u8]| {
            let name = String::from_utf8_lossy(name).replace('\\', "/");
            name.trim_end_matches('/').to_ascii_lowercase()
        };
        matches!(mounted.kind.as_str(), "cifs" | "smb3") && plain(&mounted.source) == plain(self.name().as_bytes())
    }

    fn closes_late(&self) -> bool {
        true
    }

    fn mount(&self, point: &Path) -> Result<(), Failed> {
        let secret = |cause| Failed::io("write the login for", cause);
        // Readable for its owner only from the first moment on, and gone when this function returns.
        let mut file = tempfile::Builder::new()
            .prefix("holdfast-cifs-")
            .tempfile_in(&self.0.spot.locks)
            .map_err(secret)?;
        file.write_all(&self.credentials()?).map_err(secret)?;
        let mut said = self.try_mount(point, file.path(), NOTHING_KEPT)?;
        if number(&said.complaint) == Some(INVALID) {
            said = self.try_mount(point, file.path(), "")?;
        }
        if said.success {
            return Ok(());
        }
        let kind = kind_of(&said.complaint);
        // Old servers speak the first version only. A refused login must not be tried twice: accounts get locked.
        if kind == StoreErrorKind::Other && self.try_mount(point, file.path(), ",vers=1.0")?.success {
            return Ok(());
        }
        Err(Failed::new("mount", kind, said.complaint))
    }
}

/// The number of an option that the kernel does not know, and of much else.
const INVALID: &str = "22";

/// `mount.cifs` gives the error's number: `mount error(13): Permission denied`.
fn number(complaint: &str) -> Option<&str> {
    let (_, rest) = complaint.split_once("mount error(")?;
    Some(rest.split_once(')')?.0)
}

fn kind_of(complaint: &str) -> StoreErrorKind {
    if program::knows_not(complaint) {
        return StoreErrorKind::Unsupported;
    }
    match number(complaint) {
        Some("13") => StoreErrorKind::Unauthenticated,
        Some("2" | "6") => StoreErrorKind::NotFound,
        Some("110") => StoreErrorKind::Timeout,
        Some("101" | "111" | "112" | "113" | "115") => StoreErrorKind::Connection,
        _ if complaint.contains("could not resolve") => StoreErrorKind::Connection,
        _ => StoreErrorKind::Other,
    }
}

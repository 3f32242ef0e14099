//! The system's log, where administrators have always looked for what events did.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use crate::layout::Layout;

/// Facility `local1`, severity `info`, as the original had it.
const PRIORITY: u8 = 17 * 8 + 6;

/// A way to the system's log; what cannot be sent is dropped, since nothing may depend on it.
#[derive(Debug)]
pub struct SystemLog {
    path: PathBuf,
    socket: Option<UnixDatagram>,
}

impl SystemLog {
    /// The log of the machine that the layout is of.
    #[must_use]
    pub fn of(layout: &Layout) -> Self {
        let socket = UnixDatagram::unbound().ok();
        // A log that takes nothing must not hold an event up.
        let socket = socket.filter(|socket| socket.set_nonblocking(true).is_ok());
        let root = layout.root.as_deref().unwrap_or(Path::new("/"));
        Self {
            path: root.join("dev/log"),
            socket,
        }
    }

    /// Writes a line in the name of NethServer's events.
    pub fn line(&self, text: &str) {
        if let Some(socket) = &self.socket {
            let line = format!("<{PRIORITY}>esmith::event[{}]: {text}", std::process::id());
            let _ = socket.send_to(line.as_bytes(), &self.path);
        }
    }
}

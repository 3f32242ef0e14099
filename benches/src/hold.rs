//! Memory that is held while something is measured.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::error::{At, Error};

/// Held by a program of its own, for the peak memory of this one would count as that of the programs it starts; given
/// back when this is dropped.
pub struct Held(Child);

impl Held {
    /// Takes and writes so many mebibytes.
    pub fn take(mebibytes: u64) -> Result<Self, Error> {
        let mut command = Command::new("dd");
        command.args(["if=/dev/zero", "count=1", "iflag=fullblock"]);
        command.arg(format!("bs={mebibytes}M"));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let child = command.spawn().map_err(|source| Error::Start {
            program: "dd".to_owned(),
            source,
        })?;
        let mut held = Self(child);
        // It has read all when it begins to write, and then waits for somebody to take more.
        if let Some(output) = &mut held.0.stdout {
            output.read_exact(&mut [0]).at("hold memory with", Path::new("dd"))?;
        }
        Ok(held)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

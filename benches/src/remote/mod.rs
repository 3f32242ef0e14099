//! The same work over a network: servers of this machine, behind a line with a delay.
//!
//! The kernel's own delay (netem) is not everywhere, so the delay is a relay's: see [`relay`].

mod relay;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use holdfast_tests::server::{self, Server};
use holdfast_tests::sshd::Sshd;

use crate::error::{At, Error};
use relay::Relay;

/// The keys of the S3 server.
pub const ACCESS: &str = "AKBENCH";
/// The secret half.
pub const SECRET: &str = "bench-secret-key";
/// The bucket.
pub const BUCKET: &str = "bench";

/// A kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Over {
    /// OpenSSH's.
    Sftp,
    /// rclone's S3.
    S3,
    /// restic's own rest-server.
    Rest,
}

/// A running server and the line to it.
pub struct Remote {
    pub over: Over,
    /// Where the programs connect to.
    pub address: SocketAddr,
    /// The private key for SSH.
    pub key: PathBuf,
    /// None where there is neither a delay nor anything to count: its copies would be in every program's time.
    relay: Option<Relay>,
    _server: Kept,
}

/// Ends the server when it is dropped.
#[allow(dead_code, reason = "kept for what happens when it is dropped")]
enum Kept {
    Ssh(Box<Sshd>),
    Other(Box<Server>),
}

impl Remote {
    /// Starts a server that serves `folder`, reached with `delay` from one end to the other and back, and where what is
    /// sent is counted if `count` says so.
    pub fn start(over: Over, folder: &Path, delay: Duration, count: bool) -> Result<Self, Error> {
        let served = folder.join("served");
        std::fs::create_dir_all(&served).at("make", &served)?;
        let missing = || Error::NoSuchPeer(format!("a server for {over:?}"));
        let (kept, server, key) = match over {
            Over::Sftp => {
                let sshd = Sshd::start().ok_or_else(missing)?;
                let (address, key) = (sshd.address(), sshd.client_key());
                (Kept::Ssh(Box::new(sshd)), address, key)
            }
            Over::S3 => {
                let login = format!("{ACCESS},{SECRET}");
                let started = server::rclone("s3", &["--auth-key", &login, "--vfs-cache-mode=off"], &served);
                let started = started.ok_or_else(missing)?;
                let address = started.address;
                (Kept::Other(Box::new(started)), address, PathBuf::new())
            }
            Over::Rest => {
                let started = server::rest_server(&served, &[]).ok_or_else(missing)?;
                let address = started.address;
                (Kept::Other(Box::new(started)), address, PathBuf::new())
            }
        };
        let relay = (count || !delay.is_zero()).then(|| Relay::start(server, delay / 2));
        let relay = relay.transpose().at("listen for", &served)?;
        Ok(Self {
            over,
            address: relay.as_ref().map_or(server, |relay| relay.address),
            key,
            relay,
            _server: kept,
        })
    }

    /// Bytes that have gone to the server up to now, where they are counted.
    pub fn sent(&self) -> Option<u64> {
        self.relay.as_ref().map(Relay::sent)
    }

    /// The folder in which the server keeps what is stored at `name`.
    pub fn stored(&self, folder: &Path, name: &str) -> PathBuf {
        match self.over {
            Over::S3 => folder.join("served").join(BUCKET).join(name),
            Over::Sftp | Over::Rest => folder.join("served").join(name),
        }
    }

    /// The command with which a program gets to the SSH server.
    pub fn ssh(&self) -> String {
        format!(
            "ssh -p {} -i {} -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
            self.address.port(),
            self.key.display()
        )
    }
}

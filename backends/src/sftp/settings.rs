use std::path::PathBuf;
use std::time::Duration;

/// When what goes over the wire is compressed, where the server can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compress {
    /// Never: for what is compressed already.
    Never,
    /// From when on the line has turned out to be slow; until then it would only cost time.
    Slow,
    /// Always.
    Always,
}

/// Where an SFTP destination is and how to get in.
///
/// `host`, `port`, `user` and `directory` are NethServer's `SftpHost`, `SftpPort`, `SftpUser` and `SftpDirectory`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// Name or address of the server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The account.
    pub user: String,
    /// The folder that is the destination; when it does not begin with `/` it lies in the account's home.
    pub directory: String,
    /// Private keys without a passphrase, tried in this order; those that are not there are left out.
    pub keys: Vec<PathBuf>,
    /// The file of trusted host keys, in OpenSSH's `known_hosts` format; made when the first key is pinned.
    pub known_hosts: PathBuf,
    /// Whether a server without a pinned key is trusted, and its key pinned, at the first contact.
    pub accept_new: bool,
    /// What the server's key must be, as `SHA256:` and base64, whatever is pinned.
    pub fingerprint: Option<String>,
    /// When what goes over the wire is compressed.
    pub compress: Compress,
    /// Whether the account's shell may be asked to make all that was written durable at once. Where it may not, or cannot,
    /// each file is synced by itself.
    pub commands: bool,
    /// How long connecting and logging in may take.
    pub connect_timeout: Duration,
    /// How long the server may be silent while it owes an answer.
    pub stall_timeout: Duration,
    /// How often a silent connection is asked whether it still lives; after three questions without an answer it is dead.
    pub keepalive: Duration,
}

impl Settings {
    /// The settings for the folder `directory` of an account, at port 22, with no key, and host keys pinned in
    /// `known_hosts` at the first contact.
    #[must_use]
    pub fn new(
        host: impl Into<String>,
        user: impl Into<String>,
        directory: impl Into<String>,
        known_hosts: impl Into<PathBuf>,
    ) -> Self {
        Self {
            host: host.into(),
            port: 22,
            user: user.into(),
            directory: directory.into(),
            keys: Vec::new(),
            known_hosts: known_hosts.into(),
            accept_new: true,
            fingerprint: None,
            compress: Compress::Never,
            commands: true,
            connect_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_mins(3),
            keepalive: Duration::from_secs(20),
        }
    }

    /// The destination as messages name it.
    #[must_use]
    pub fn location(&self) -> String {
        let Self {
            host,
            port,
            user,
            directory,
            ..
        } = self;
        if *port == 22 {
            return format!("sftp:{user}@{host}:{directory}");
        }
        format!("sftp:{user}@{host}:{directory} (port {port})")
    }
}

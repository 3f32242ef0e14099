//! From an address to a channel with SFTP on it.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use engine_api::StoreErrorKind;
use russh::client::{self, AuthResult, Handle, KeyboardInteractiveAuthResponse};
use russh::keys::{Algorithm, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{Disconnect, Preferred, cipher, compression};
use tokio::io::BufReader;
use tokio::net::TcpStream;

use super::channel::{Channel, Incoming};
use super::host_key::Trust;
use super::key;
use super::prompt::Prompt;
use crate::Secret;
use crate::sftp::Settings;
use crate::sftp::errors::Problem;
use crate::sftp::wire::Packet;

/// How much may come before it is taken: as much as may be asked for at once.
const WINDOW: u32 = 8 << 20;

/// Bytes that are taken from the connection at once.
const BUFFER: usize = 64 << 10;

/// After so many questions without an answer a connection is dead.
const KEEPALIVES: usize = 3;

/// How the account is proven to be ours.
pub(in crate::sftp) enum Login {
    /// With the keys of the settings.
    Keys,
    /// With this password.
    Password(Secret),
}

/// A connection that is logged in; dropping it cuts it.
pub(in crate::sftp) struct Session(Handle<Guard>);

impl Session {
    /// Ends the connection politely.
    pub(super) async fn bye(&self) {
        let _ = self.0.disconnect(Disconnect::ByApplication, "", "").await;
    }

    /// How long a question to the server's SSH takes, which waits for what is on the line and for nothing else.
    pub(in crate::sftp) async fn ask(&self) -> Result<Duration, Problem> {
        let asked = Instant::now();
        self.0.send_ping().await.map_err(lost)?;
        Ok(asked.elapsed())
    }

    /// Opens a channel for whatever is to run.
    pub(super) async fn open(&self) -> Result<russh::Channel<client::Msg>, russh::Error> {
        self.0.channel_open_session().await
    }

    /// Opens a channel and starts SFTP on it.
    pub(in crate::sftp) async fn channel(&self) -> Result<Channel, Problem> {
        let channel = self.open().await.map_err(lost)?;
        channel.request_subsystem(true, "sftp").await.map_err(lost)?;
        let (read, write) = channel.split();
        // The greeting goes after the request at once: where there is no SFTP, nobody reads it.
        write.data_bytes(Packet::init()).await.map_err(lost)?;
        let mut incoming = Incoming::new(read);
        if !incoming.accepted().await? {
            return Err(Problem::hinted(
                StoreErrorKind::Unsupported,
                "the server has no SFTP for this account",
                "enable `Subsystem sftp internal-sftp` in the server's sshd_config",
            ));
        }
        Ok(Channel { write, incoming })
    }
}

/// Checks the server's key.
struct Guard {
    trust: Trust,
    /// What the check found, past the library in between.
    verdict: Arc<Mutex<Option<Problem>>>,
}

impl client::Handler for Guard {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let checked = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => self.trust.check(key),
            // None was offered.
            PublicKeyOrCertificate::Certificate(_) => Err(Problem::Nonsense("a certificate")),
        };
        let mut verdict = self.verdict.lock().unwrap_or_else(PoisonError::into_inner);
        *verdict = checked.err();
        Ok(verdict.is_none())
    }
}

/// Connects, checks the server, logs in, and starts SFTP; with what it runs on, and what comes from it.
pub(in crate::sftp) async fn connect(
    settings: &Settings,
    login: &Login,
    compress: bool,
) -> Result<(Session, Channel), Problem> {
    let limit = settings.connect_timeout;
    tokio::time::timeout(limit, steps(settings, login, compress))
        .await
        .unwrap_or(Err(Problem::Silent(limit)))
}

async fn steps(settings: &Settings, login: &Login, compress: bool) -> Result<(Session, Channel), Problem> {
    let trust = Trust::read(settings)?;
    let keys = match login {
        Login::Keys => key::read_all(&settings.keys)?,
        Login::Password(_) => Vec::new(),
    };
    let config = Arc::new(config(settings, &trust, compress));
    let stream = TcpStream::connect((settings.host.as_str(), settings.port))
        .await
        .map_err(|error| Problem::lost(format!("{}, port {}: {error}", settings.host, settings.port)))?;
    stream
        .set_nodelay(true)
        .map_err(|error| Problem::lost(error.to_string()))?;
    // The library reads the head of each packet on its own, and then the rest.
    let stream = BufReader::with_capacity(BUFFER, Prompt::new(stream));
    let verdict = Arc::new(Mutex::new(None));
    let guard = Guard {
        trust,
        verdict: Arc::clone(&verdict),
    };
    let handle = client::connect_stream(config, stream, guard).await.map_err(|error| {
        let refused = verdict.lock().unwrap_or_else(PoisonError::into_inner).take();
        refused.unwrap_or_else(|| handshake_failed(error))
    })?;
    let mut session = Session(handle);
    match login {
        Login::Keys => log_in_with_keys(&mut session.0, settings, keys).await?,
        Login::Password(password) => log_in_with_password(&mut session.0, settings, password).await?,
    }
    let channel = session.channel().await?;
    Ok((session, channel))
}

fn config(settings: &Settings, trust: &Trust, compress: bool) -> client::Config {
    let mut preferred = Preferred::default();
    let pinned: Vec<Algorithm> = trust.pinned().iter().map(russh::keys::PublicKey::algorithm).collect();
    let is_pinned = |offered: &Algorithm| pinned.iter().any(|pinned| same_type(pinned, offered));
    let (mut first, rest): (Vec<_>, Vec<_>) = preferred.key.iter().cloned().partition(is_pinned);
    first.extend(rest);
    preferred.key = Cow::Owned(first);
    // With the processors' own instructions AES is several times as fast as the others.
    let mut ciphers = vec![cipher::AES_128_GCM, cipher::AES_256_GCM];
    ciphers.extend(preferred.cipher.iter().filter(|name| **name != cipher::AES_256_GCM));
    preferred.cipher = Cow::Owned(ciphers);
    preferred.compression = Cow::Borrowed(if compress {
        // The first only begins after the login, and is the one that OpenSSH allows.
        &[compression::ZLIB_LEGACY, compression::ZLIB, compression::NONE]
    } else {
        &[compression::NONE]
    });
    client::Config {
        window_size: WINDOW,
        maximum_packet_size: 65535,
        preferred,
        keepalive_interval: Some(settings.keepalive),
        keepalive_max: KEEPALIVES,
        ..client::Config::default()
    }
}

/// An RSA key is one key, whatever it is used to sign with.
fn same_type(one: &Algorithm, other: &Algorithm) -> bool {
    match (one, other) {
        (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }) => true,
        _ => one == other,
    }
}

async fn log_in_with_keys(
    handle: &mut Handle<Guard>,
    settings: &Settings,
    keys: Vec<Arc<PrivateKey>>,
) -> Result<(), Problem> {
    if keys.is_empty() {
        return Err(Problem::hinted(
            StoreErrorKind::Unauthenticated,
            "there is no key to log in with",
            "have a key made and installed on the server",
        ));
    }
    for key in keys {
        let hash = rsa_hash(handle, &key).await?;
        let key = PrivateKeyWithHashAlg::new(key, hash);
        let result = handle.authenticate_publickey(&settings.user, key).await.map_err(lost)?;
        if outcome(handle, settings, result)? {
            return Ok(());
        }
    }
    Err(Problem::hinted(
        StoreErrorKind::Unauthenticated,
        format!("the server takes no key of ours for the account {}", settings.user),
        "install the key on the server, and check there that the home folder and .ssh are writable by their owner only",
    ))
}

/// What an RSA key signs with. A server that does not tell is waited for in vain, so that it is not asked for other keys.
async fn rsa_hash(handle: &Handle<Guard>, key: &PrivateKey) -> Result<Option<HashAlg>, Problem> {
    if !matches!(key.algorithm(), Algorithm::Rsa { .. }) {
        return Ok(None);
    }
    let told = handle.best_supported_rsa_hash().await.map_err(lost)?;
    Ok(told.unwrap_or(Some(HashAlg::Sha512)))
}

async fn log_in_with_password(
    handle: &mut Handle<Guard>,
    settings: &Settings,
    password: &Secret,
) -> Result<(), Problem> {
    let result = handle
        .authenticate_password(&settings.user, password.reveal())
        .await
        .map_err(lost)?;
    if outcome(handle, settings, result)? || answer_questions(handle, settings, password).await? {
        return Ok(());
    }
    Err(Problem::hinted(
        StoreErrorKind::Unauthenticated,
        format!(
            "the server does not take the password for the account {}",
            settings.user
        ),
        "check user and password, and that the server's sshd_config allows passwords",
    ))
}

/// Many servers ask for the password this way only.
async fn answer_questions(handle: &mut Handle<Guard>, settings: &Settings, password: &Secret) -> Result<bool, Problem> {
    let mut answer = handle
        .authenticate_keyboard_interactive_start(&settings.user, None)
        .await
        .map_err(lost)?;
    let mut asked = false;
    loop {
        let prompts = match answer {
            KeyboardInteractiveAuthResponse::Success => return Ok(true),
            KeyboardInteractiveAuthResponse::Failure { .. } => return Ok(false),
            KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => prompts,
        };
        // The password answers one question; it is not told a second time.
        let responses = match prompts.len() {
            0 => Vec::new(),
            1 if !asked => vec![password.reveal().to_owned()],
            _ => return Ok(false),
        };
        asked |= !responses.is_empty();
        answer = handle
            .authenticate_keyboard_interactive_respond(responses)
            .await
            .map_err(lost)?;
    }
}

fn outcome(handle: &Handle<Guard>, settings: &Settings, result: AuthResult) -> Result<bool, Problem> {
    match result {
        AuthResult::Success => Ok(true),
        AuthResult::Failure {
            partial_success: true, ..
        } => Err(Problem::known(
            StoreErrorKind::Unauthenticated,
            format!("the server wants a second proof for the account {}", settings.user),
        )),
        AuthResult::Failure { .. } if handle.is_closed() => Err(Problem::lost("the server closed it during the login")),
        AuthResult::Failure { .. } => Ok(false),
    }
}

fn handshake_failed(error: russh::Error) -> Problem {
    match error {
        russh::Error::NoCommonAlgo { .. } => Problem::hinted(
            StoreErrorKind::Unsupported,
            format!("the server's SSH is too old or too strict: {error}"),
            "update the server's SSH",
        ),
        other => lost(other),
    }
}

pub(super) fn lost(error: russh::Error) -> Problem {
    Problem::lost(error.to_string())
}

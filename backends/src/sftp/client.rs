//! The destination's connection, made again when it broke.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use engine_api::StoreErrorKind;
use tokio::runtime::{Builder, Runtime};

use super::errors::Problem;
use super::link::Link;
use super::settings::{Compress, Settings};
use super::ssh::Login;

/// One takes care of the cipher, one of the packets.
const WORKERS: usize = 2;

/// Connections besides the first: a server takes 2 MiB of each before it says that it wants more, and has one process
/// for each.
const MORE: usize = 2;

/// Less is not worth a connection of its own.
const LARGE: u64 = 1 << 20;

/// A connection that was made, or is still to be.
type Slot = Mutex<Option<Arc<Link>>>;

/// Everything that is needed to reach the destination.
pub(super) struct Client {
    settings: Arc<Settings>,
    first: Slot,
    /// For large objects, in turn.
    more: [Slot; MORE],
    turn: AtomicUsize,
    /// The server does not take more than one connection.
    alone: AtomicBool,
    /// The line has turned out to be slow.
    is_slow: AtomicBool,
    /// The server does not take one more connection for the sake of compression.
    stays_plain: AtomicBool,
    /// It does not take more than one channel of a connection.
    one_channel: Arc<AtomicBool>,
    /// `None` only while it is being dropped.
    runtime: Option<Runtime>,
}

impl Client {
    /// Connects with the keys of the settings.
    pub(super) fn connect(settings: Settings) -> Result<Self, Problem> {
        let client = Self::new(settings)?;
        client.link()?;
        Ok(client)
    }

    /// A client that has not connected yet.
    pub(super) fn new(settings: Settings) -> Result<Self, Problem> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .thread_name("sftp")
            .enable_all()
            .build()
            .map_err(|error| Problem::known(StoreErrorKind::Other, format!("no thread for it can be had: {error}")))?;
        Ok(Self {
            first: Slot::default(),
            more: Default::default(),
            turn: AtomicUsize::new(0),
            alone: AtomicBool::new(false),
            is_slow: AtomicBool::new(false),
            settings: Arc::new(settings),
            stays_plain: AtomicBool::new(false),
            one_channel: Arc::default(),
            runtime: Some(runtime),
        })
    }

    /// The connection that runs; a new one when it broke. Who comes while it is made waits for it.
    pub(super) fn link(&self) -> Result<Arc<Link>, Problem> {
        self.running(&self.first, Some(&self.one_channel))
    }

    /// A connection for `bytes`: large objects are spread over several.
    pub(super) fn link_for(&self, bytes: u64) -> Result<Arc<Link>, Problem> {
        if bytes < LARGE || self.alone.load(Ordering::Relaxed) {
            return self.link();
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % (MORE + 1);
        let Some(slot) = turn.checked_sub(1).and_then(|turn| self.more.get(turn)) else {
            return self.link();
        };
        self.running(slot, None).or_else(|_| {
            self.alone.store(true, Ordering::Relaxed);
            self.link()
        })
    }

    fn running(&self, slot: &Slot, one_channel: Option<&Arc<AtomicBool>>) -> Result<Arc<Link>, Problem> {
        let mut current = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(link) = current.as_ref().filter(|link| !link.is_over()) {
            self.is_slow.fetch_or(link.is_slow(), Ordering::Relaxed);
            if link.is_compressed() || !self.compresses() {
                return Ok(Arc::clone(link));
            }
            // What is under way, and files that are open, stay with the old one.
            return Ok(match self.connection(Login::Keys, one_channel.map(Arc::clone)) {
                Ok(compressed) => Arc::clone(current.insert(compressed)),
                Err(_) => {
                    self.stays_plain.store(true, Ordering::Relaxed);
                    Arc::clone(link)
                }
            });
        }
        *current = None;
        let link = self.connection(Login::Keys, one_channel.map(Arc::clone))?;
        *current = Some(Arc::clone(&link));
        Ok(link)
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether a connection that is made now compresses.
    fn compresses(&self) -> bool {
        match self.settings.compress {
            Compress::Never => false,
            Compress::Slow => self.is_slow.load(Ordering::Relaxed) && !self.stays_plain.load(Ordering::Relaxed),
            Compress::Always => true,
        }
    }

    /// A connection of its own.
    pub(super) fn open(&self, login: Login) -> Result<Arc<Link>, Problem> {
        self.connection(login, None)
    }

    fn connection(&self, login: Login, one_channel: Option<Arc<AtomicBool>>) -> Result<Arc<Link>, Problem> {
        let Some(runtime) = &self.runtime else {
            return Err(Problem::lost("it was closed here"));
        };
        Link::open(runtime.handle(), &self.settings, login, self.compresses(), one_channel)
    }

    /// Does what can be done twice, with `bytes` to carry: once more when the connection breaks over it.
    pub(super) fn again<T>(&self, bytes: u64, work: impl Fn(&Arc<Link>) -> Result<T, Problem>) -> Result<T, Problem> {
        match work(&self.link_for(bytes)?) {
            Err(Problem::Lost(_)) => work(&self.link()?),
            other => other,
        }
    }

    /// Ends the connections now.
    pub(super) fn close(&self) {
        let slots = self.more.iter().chain([&self.first]);
        let links: Vec<_> = slots
            .map(|slot| slot.lock().unwrap_or_else(PoisonError::into_inner).take())
            .collect();
        drop(links);
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.close();
        if let Some(runtime) = self.runtime.take() {
            // Waiting for it is not allowed where another runtime drops this.
            runtime.shutdown_background();
        }
    }
}

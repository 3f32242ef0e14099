//! The destination's connection, made again when it broke.

use std::sync::{Arc, Mutex, PoisonError};

use engine_api::StoreErrorKind;
use tokio::runtime::{Builder, Runtime};

use super::errors::Problem;
use super::link::Link;
use super::settings::Settings;
use super::ssh::Login;

/// One takes care of the cipher, one of the packets.
const WORKERS: usize = 2;

/// Everything that is needed to reach the destination.
pub(super) struct Client {
    settings: Arc<Settings>,
    link: Mutex<Option<Arc<Link>>>,
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
            settings: Arc::new(settings),
            link: Mutex::new(None),
            runtime: Some(runtime),
        })
    }

    /// The connection that runs; a new one when it broke. Who comes while it is made waits for it.
    pub(super) fn link(&self) -> Result<Arc<Link>, Problem> {
        let mut current = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(link) = current.as_ref().filter(|link| !link.is_over()) {
            return Ok(Arc::clone(link));
        }
        *current = None;
        let link = self.open(Login::Keys)?;
        *current = Some(Arc::clone(&link));
        Ok(link)
    }

    /// A connection of its own.
    pub(super) fn open(&self, login: Login) -> Result<Arc<Link>, Problem> {
        let Some(runtime) = &self.runtime else {
            return Err(Problem::lost("it was closed here"));
        };
        Link::open(runtime.handle(), &self.settings, login)
    }

    /// Does what can be done twice: once more when the connection breaks over it.
    pub(super) fn again<T>(&self, work: impl Fn(&Arc<Link>) -> Result<T, Problem>) -> Result<T, Problem> {
        match work(&self.link()?) {
            Err(Problem::Lost(_)) => work(&self.link()?),
            other => other,
        }
    }

    /// Ends the connection now.
    pub(super) fn close(&self) {
        let link = self.link.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(link);
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

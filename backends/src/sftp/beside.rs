//! More channels of one connection, for files that are written and for links. Each has a server process of its own, so that many files are
//! made durable side by side, where one process does one after the other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle as Runtime;

use super::answers::Answers;
use super::link::{Link, Share};
use super::settings::Settings;
use super::ssh::Session;

/// As many channels beside the first, once so many files are written at the same time. OpenSSH allows ten in all; what a
/// filesystem writes for one `fsync` serves the others that wait, so that the more wait, the more are done.
const MORE: [(usize, usize); 2] = [(ENOUGH, 4), (7, 32)];

/// So many do without the first.
const ENOUGH: usize = 3;

/// Bytes that may be under way on each: OpenSSH takes no more before it has worked on some.
const BUDGET: usize = 2 << 20;

/// The channels beside the first. They are opened when there are many files, while those wait for nothing; a server that
/// refuses them is not asked again.
pub(super) struct Beside {
    runtime: Runtime,
    /// It ends with the first channel, whoever else uses it.
    session: Weak<Session>,
    connect_timeout: Duration,
    stall_timeout: Duration,
    /// Known for longer than one connection: a server may end that rather than say no.
    refused: Arc<AtomicBool>,
    opened: Arc<Mutex<Opened>>,
}

#[derive(Default)]
struct Opened {
    links: Vec<Arc<Link>>,
    /// For so many the server was asked.
    asked: usize,
    /// Nobody wants them any more.
    closed: bool,
}

impl Beside {
    /// None yet; `refused` tells whether the server has refused them.
    pub(super) fn new(
        runtime: &Runtime,
        session: &Arc<Session>,
        settings: &Settings,
        refused: Arc<AtomicBool>,
    ) -> Self {
        Self {
            runtime: runtime.clone(),
            session: Arc::downgrade(session),
            connect_timeout: settings.connect_timeout,
            stall_timeout: settings.stall_timeout,
            refused,
            opened: Arc::default(),
        }
    }

    /// The channel with the fewest files, which is `first` when there is none better.
    pub(super) fn share(&self, first: &Arc<Link>) -> Share {
        let mut opened = lock(&self.opened);
        opened.links.retain(|link| !link.is_over());
        let written: usize = opened.links.iter().chain([first]).map(|link| link.written()).sum();
        let wanted = MORE
            .iter()
            .filter(|(_, files)| written >= *files)
            .map(|(more, _)| *more);
        let missing = wanted.max().unwrap_or(0).saturating_sub(opened.asked);
        if missing > 0 && !self.refused.load(Ordering::Relaxed) {
            opened.asked += missing;
            self.open(first, missing);
        }
        let fewest = opened.links.iter().min_by_key(|link| link.written());
        match fewest {
            // Everything else goes over the first.
            Some(link) if opened.links.len() >= ENOUGH || link.written() < first.written() => link.share_own(),
            _ => first.share_own(),
        }
    }

    /// Opens the first of them before they are wanted.
    pub(super) fn open_early(&self, first: &Arc<Link>) {
        let mut opened = lock(&self.opened);
        if opened.asked == 0 && !self.refused.load(Ordering::Relaxed) {
            opened.asked = ENOUGH;
            self.open(first, ENOUGH);
        }
    }

    fn open(&self, first: &Arc<Link>, number: usize) {
        let can = (first.extensions().clone(), first.limits());
        for _ in 0..number {
            let Some(session) = self.session.upgrade() else {
                return;
            };
            let (runtime, opened, can) = (self.runtime.clone(), Arc::clone(&self.opened), can.clone());
            let (limit, answers) = (
                self.connect_timeout,
                Answers::new(BUDGET, self.stall_timeout, first.pace(), first.window().another()),
            );
            let refused = Arc::clone(&self.refused);
            self.runtime.spawn(async move {
                match Link::another(&runtime, &session, can, limit, answers).await {
                    Ok(link) => add(&opened, link),
                    // Those that there are do.
                    Err(_) => refused.store(true, Ordering::Relaxed),
                }
            });
        }
    }
}

fn add(opened: &Mutex<Opened>, link: Link) {
    let mut opened = lock(opened);
    if opened.closed {
        link.cut();
    } else {
        opened.links.push(Arc::new(link));
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let links = {
            let mut opened = lock(&self.opened);
            opened.closed = true;
            std::mem::take(&mut opened.links)
        };
        drop(links);
    }
}

fn lock(opened: &Mutex<Opened>) -> MutexGuard<'_, Opened> {
    opened.lock().unwrap_or_else(PoisonError::into_inner)
}

//! What lies between an engine and its storage: retries, a limit of operations at once, limits of bandwidth, timeouts.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backends::http::Options;
use backends::layers::{
    Attempt, Bandwidth, BandwidthFiles, Concurrency, Limits, Listener, Retry, RetryFiles, RetryPolicy, Timeout,
    TimeoutFiles,
};
use backends::mount::Spot;
use engine_api::{Destination, FileStore};

use super::places;
use crate::context::Context;
use crate::record::PlaceKind;
use crate::site::Site;

/// How long a storage that does not answer is waited for when it is opened: a server that restarts its service is met
/// again, and somebody who sits before a terminal learns in half a minute that it is gone.
const OPENING: RetryPolicy = RetryPolicy {
    tries: 5,
    first_wait: Duration::from_secs(1),
    longest_wait: Duration::from_secs(10),
    total: Duration::from_secs(60),
};

/// Opens the place with every layer that it needs.
pub(super) fn open(
    context: &Context,
    site: &Site,
    create: bool,
    retries: &Arc<Retries>,
) -> engine_api::Result<Destination> {
    let mut http = Options {
        connections: site.connections.map_or(0, NonZeroUsize::get),
        up: site.rate.clone(),
        down: site.rate.clone(),
        ..Options::default()
    };
    if let Some(limit) = site.answer_limit {
        http.stall = limit;
    }
    let opener = places::opener(context, site, create, &http)?;
    let mut destination = if is_networked(site.place.kind()) {
        Retry::opening(OPENING, listener(retries), opener)?
    } else {
        opener()?
    };
    // Whatever the kernel mounts can hang in the kernel.
    if site.mount_point.is_some() && !site.place.is_remote() {
        destination = watched(site, destination);
    }
    // What is spoken over HTTP paces the bytes within an object, and knows how many connections it may have.
    if !(site.place.is_remote() && site.place.kind() != PlaceKind::Sftp) {
        destination = limited(site, destination);
    }
    if is_networked(site.place.kind()) {
        destination.blobs = Arc::new(Retry::new(destination.blobs, RetryPolicy::default(), listener(retries)));
        // What the kernel mounts is tried again by the kernel.
        if site.place.is_remote() {
            let over = |files| RetryFiles::over(files, RetryPolicy::default(), listener(retries));
            destination.files = destination.files.map(over);
        }
    }
    Ok(destination)
}

/// With an end to every operation. The files of a disk of this machine are read and written past any layer: for them the
/// kernel's own limits do.
fn watched(site: &Site, mut destination: Destination) -> Destination {
    let mut limits = Limits::default();
    let is_networked = is_networked(site.place.kind());
    if is_networked {
        limits.stall = Spot::PATIENCE;
    }
    limits.stall = site.answer_limit.unwrap_or(limits.stall);
    destination.blobs = Arc::new(Timeout::new(destination.blobs, &site.location, limits));
    let over = |files| Arc::new(TimeoutFiles::new(files, &site.location, limits)) as Arc<dyn FileStore>;
    if is_networked {
        destination.files = destination.files.map(over);
    }
    destination
}

/// Whether the way there can fail and come back.
fn is_networked(kind: PlaceKind) -> bool {
    !matches!(kind, PlaceKind::Local | PlaceKind::Usb)
}

/// With the limits of bandwidth and of operations at once, where there are any.
fn limited(site: &Site, mut destination: Destination) -> Destination {
    if let Some(rate) = &site.rate {
        let rates = || (Arc::clone(rate), Arc::clone(rate));
        let (up, down) = rates();
        destination.blobs = Arc::new(Bandwidth::new(destination.blobs, up, down));
        let (up, down) = rates();
        let paced = |files| Arc::new(BandwidthFiles::new(files, up, down)) as Arc<dyn FileStore>;
        destination.files = destination.files.map(paced);
    }
    if let Some(most) = site.connections {
        destination.blobs = Arc::new(Concurrency::new(destination.blobs, most));
    }
    destination
}

fn listener(retries: &Arc<Retries>) -> Listener {
    let retries = Arc::clone(retries);
    Box::new(move |attempt: Attempt<'_>| {
        retries.note(&attempt);
        ControlFlow::Continue(())
    })
}

/// What had to be tried again.
#[derive(Default)]
pub(crate) struct Retries(Mutex<(u64, Vec<String>)>);

impl Retries {
    /// How many are kept word for word.
    const KEPT: usize = 20;

    fn note(&self, attempt: &Attempt<'_>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.0 += 1;
        if kept.1.len() < Self::KEPT {
            let cause = std::error::Error::source(attempt.error).map_or_else(String::new, |cause| format!(": {cause}"));
            kept.1.push(format!("tried again: {}{cause}", attempt.error));
        }
    }

    /// The lines that tell it.
    pub(crate) fn lines(&self) -> Vec<String> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines = kept.1.clone();
        if kept.0 > Self::KEPT as u64 {
            lines.push(format!("tried again {} times in all", kept.0));
        }
        lines
    }
}

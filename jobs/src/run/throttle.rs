//! A run's traffic held down to what the hour allows.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use backends::layers::Rate;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Watcher;
use crate::record::Timetable;
use crate::site::Site;

/// How often the clock is looked at: a minute that begins, or a clock that was set, counts that soon.
const TICK: Duration = Duration::from_millis(500);

/// Does the work with the site that has the limit; each way has the whole of it together with the other.
///
/// A run that is asked to stop has no limit any more: it would stop when its last object had gone through, hours later.
pub(super) fn throttled<T>(
    timetable: Option<&Timetable>,
    zone: &TimeZone,
    mut site: Site,
    watcher: &dyn Watcher,
    work: impl FnOnce(Site) -> T,
) -> T {
    let Some(timetable) = timetable else {
        return work(site);
    };
    let current = || timetable.at(&Timestamp::now().to_zoned(zone.clone()));
    let rate = Arc::new(Rate::new(current()));
    site.rate = Some(Arc::clone(&rate));
    thread::scope(|scope| {
        // Ends the thread when it goes, also by a panic.
        let (_stop, stopped) = channel::<()>();
        scope.spawn(move || {
            while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                let limit = if watcher.cancelled() { 0 } else { current() };
                if limit != rate.limit() {
                    rate.set(limit);
                }
            }
        });
        work(site)
    })
}

//! Counting what there is while the backup already runs, so that a listener can tell the time left.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Scope;

use engine_api::{Event, Progress, Selection};

/// A count that goes on until it is done or dropped.
pub struct Estimate(Arc<AtomicBool>);

impl Estimate {
    /// Begins to count on a thread of its own.
    pub fn start<'s>(scope: &'s Scope<'s, '_>, selection: &'s Selection, progress: &'s dyn Progress) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&ended);
        scope.spawn(move || {
            let mut last = (0, 0);
            let mut tell = |files, bytes, done| {
                last = (files, bytes);
                progress.event(Event::Scanned { files, bytes, done });
            };
            let given_up = || flag.load(Ordering::Relaxed) || progress.cancelled();
            let counted = fstree::estimate(selection, &given_up, &mut |files, bytes| tell(files, bytes, false));
            if counted.is_ok() && !flag.load(Ordering::Relaxed) {
                let (files, bytes) = last;
                progress.event(Event::Scanned {
                    files,
                    bytes,
                    done: true,
                });
            }
        });
        Self(ended)
    }
}

impl Drop for Estimate {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

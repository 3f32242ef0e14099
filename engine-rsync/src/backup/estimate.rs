//! Counting what there is while the backup already runs, so that a listener can tell the time left.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Scope;

use engine_api::{Event, Progress, Selection};

/// A count that goes on until it is done or dropped.
pub struct Estimate(Arc<AtomicBool>);

impl Estimate {
    pub fn start<'s>(scope: &'s Scope<'s, '_>, selection: &'s Selection, progress: &'s dyn Progress) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&ended);
        scope.spawn(move || {
            let (mut last_files, mut last_bytes) = (0, 0);
            let counted = fstree::estimate(
                selection,
                &|| flag.load(Ordering::Relaxed) || progress.cancelled(),
                &mut |files, bytes| {
                    (last_files, last_bytes) = (files, bytes);
                    progress.event(Event::Scanned {
                        files,
                        bytes,
                        done: false,
                    });
                },
            );
            if counted.is_ok() && !flag.load(Ordering::Relaxed) {
                progress.event(Event::Scanned {
                    files: last_files,
                    bytes: last_bytes,
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

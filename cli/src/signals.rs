//! Interrupt, terminate, hang up: the first ends the operation in order, the second at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGPIPE, SIGTERM};
use signal_hook::{flag, low_level};

/// Which signal asked the process to stop, if one did.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    signal: Arc<AtomicUsize>,
}

impl Interrupt {
    /// Listens from now on.
    pub fn listen() -> Self {
        let interrupt = Self::default();
        let again = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            let number = usize::try_from(signal).unwrap_or_default();
            // Where this fails the system's own handling stays: the process ends at once, and the repository is
            // still good.
            let _ = flag::register_conditional_default(signal, Arc::clone(&again));
            let _ = flag::register(signal, Arc::clone(&again));
            let _ = flag::register_usize(signal, Arc::clone(&interrupt.signal), number);
        }
        interrupt
    }

    /// Whether a signal came.
    pub fn is_set(&self) -> bool {
        self.signal.load(Ordering::Relaxed) != 0
    }

    /// Ends the process as the signal would have, so that whoever started it sees why it ended. Returns when no signal
    /// came.
    pub fn resume(&self) {
        let number = self.signal.load(Ordering::Relaxed);
        if let (true, Ok(signal)) = (number != 0, i32::try_from(number)) {
            let _ = low_level::emulate_default_handler(signal);
        }
    }
}

/// Ends the process as a program ends whose reader has gone.
pub fn end_by_broken_pipe() {
    let _ = low_level::emulate_default_handler(SIGPIPE);
}

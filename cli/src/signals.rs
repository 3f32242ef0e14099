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
        let ignored = ignored();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            // Whoever started us wants it so: nohup, or a shell for what runs in the background.
            if ignored & (1 << (signal - 1)) != 0 {
                continue;
            }
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

/// The signals that this process was started to ignore, the lowest bit being signal 1.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

/// Ends the process as a program ends whose reader has gone.
pub fn end_by_broken_pipe() {
    let _ = low_level::emulate_default_handler(SIGPIPE);
}

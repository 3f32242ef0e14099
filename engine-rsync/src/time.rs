//! Times as a place keeps them.

use engine_api::Timestamp;

/// Whether two times are the same in the place's unit, which is in nanoseconds.
pub fn same_time(stored: Timestamp, saved: Timestamp, unit: u32) -> bool {
    let nanos = |time: Timestamp| i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos);
    (nanos(stored) - nanos(saved)).abs() < i128::from(unit.max(1))
}

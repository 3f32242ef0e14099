//! Memory of large requests, used again: new memory for each costs more of a processor than what is done with it.

use std::sync::{Arc, Mutex, PoisonError};

/// Requests whose memory is kept, of each channel: two megabytes of the largest that OpenSSH takes.
const KEPT: usize = 8;

/// Smaller ones are quickly made.
const WORTH: usize = 64 << 10;

/// More than a request has that a server takes is not kept.
const LARGEST: usize = 512 << 10;

/// What the requests of one channel leave behind for the next.
#[derive(Default)]
pub(crate) struct Buffers(Mutex<Vec<Vec<u8>>>);

impl Buffers {
    /// An empty buffer for a request of `room` bytes.
    pub(crate) fn take(&self, room: usize) -> Vec<u8> {
        let used = if room >= WORTH { self.kept().pop() } else { None };
        let mut buffer = used.unwrap_or_default();
        buffer.reserve_exact(room);
        buffer
    }

    fn give_back(&self, mut buffer: Vec<u8>) {
        if !(WORTH..=LARGEST).contains(&buffer.capacity()) {
            return;
        }
        let mut kept = self.kept();
        if kept.len() < KEPT {
            buffer.clear();
            kept.push(buffer);
        }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request on its way, whose memory comes back when the last byte of it has been sent.
pub(super) struct Lent {
    bytes: Vec<u8>,
    buffers: Arc<Buffers>,
}

impl Lent {
    pub(super) const fn new(bytes: Vec<u8>, buffers: Arc<Buffers>) -> Self {
        Self { bytes, buffers }
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.buffers.give_back(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use bytes::Bytes;

    use super::*;

    fn send(buffers: &Arc<Buffers>, room: usize) -> Bytes {
        let mut buffer = buffers.take(room);
        assert!(buffer.is_empty() && buffer.capacity() >= room);
        buffer.resize(room, 7);
        Bytes::from_owner(Lent::new(buffer, Arc::clone(buffers)))
    }

    #[test]
    fn memory_comes_back_with_the_last_byte() {
        let buffers = Arc::new(Buffers::default());
        let sent = send(&buffers, 256 << 10);
        let place = sent.as_ptr();
        let last = sent.slice(1000..2000);
        drop(sent);
        assert!(buffers.kept().is_empty());
        assert_eq!(last.as_ref(), [7; 1000]);
        drop(last);
        assert_eq!(send(&buffers, 256 << 10).as_ptr(), place);
    }

    #[test]
    fn only_what_is_worth_it_is_kept_and_little_of_it() {
        let buffers = Arc::new(Buffers::default());
        for odd in [100, WORTH - 1, LARGEST + 1] {
            drop(send(&buffers, odd));
        }
        assert!(buffers.kept().is_empty());
        let many: Vec<Bytes> = (0..KEPT + 9).map(|_| send(&buffers, WORTH)).collect();
        drop(many);
        assert_eq!(buffers.kept().len(), KEPT);
        // A small request takes none of them away from the large ones.
        drop(buffers.take(WORTH - 1));
        assert_eq!(buffers.kept().len(), KEPT);
    }
}

//! The part of the new file that is looked at.

/// Bytes of the new file, from the first that is not in the delta yet.
pub(crate) struct Window {
    bytes: Vec<u8>,
    /// How many bytes of the file went before these.
    gone: u64,
    /// Before it, all is in the delta.
    start: usize,
    /// Where a block is looked for; what is between `start` and it has none.
    at: usize,
}

impl Window {
    pub(crate) const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            gone: 0,
            start: 0,
            at: 0,
        }
    }

    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        // Moving what is left costs less than half of the bytes that went before it.
        if self.start >= self.bytes.len() - self.start {
            self.bytes.drain(..self.start);
            self.gone += self.start as u64;
            self.at -= self.start;
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Where in the file the window is.
    pub(crate) const fn position(&self) -> u64 {
        self.gone + self.at as u64
    }

    /// What is not yet known to be in no block.
    pub(crate) fn ahead(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// What is in no block.
    pub(crate) fn literal(&self) -> &[u8] {
        self.bytes.get(self.start..self.at).unwrap_or_default()
    }

    /// The next `len` bytes are in no block.
    pub(crate) fn skip(&mut self, len: usize) {
        self.at = self.bytes.len().min(self.at + len);
    }

    /// The literal is in the delta.
    pub(crate) const fn literal_done(&mut self) {
        self.start = self.at;
    }
}

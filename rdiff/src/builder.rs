use crate::blocks::Summer;
use crate::layout::Layout;

/// Makes the signature of a file whose bytes are pushed one piece after the other.
pub struct SignatureBuilder {
    summer: Summer,
    /// Bytes of blocks that are not summed yet: always fewer than a batch.
    waiting: Vec<u8>,
    ready: Vec<u8>,
}

impl SignatureBuilder {
    /// Begins a signature.
    #[must_use]
    pub fn new(layout: Layout) -> Self {
        Self {
            summer: Summer::new(layout),
            waiting: Vec::new(),
            ready: layout.header().to_vec(),
        }
    }

    /// Takes the next bytes of the file.
    pub fn push(&mut self, mut bytes: &[u8]) {
        let batch = self.summer.batch_len();
        if !self.waiting.is_empty() {
            let missing = batch - self.waiting.len();
            let (head, tail) = bytes.split_at(missing.min(bytes.len()));
            self.waiting.extend_from_slice(head);
            if self.waiting.len() < batch {
                return;
            }
            self.summer.sums(&self.waiting, &mut self.ready);
            self.waiting.clear();
            bytes = tail;
        }
        let (whole, rest) = bytes.split_at(bytes.len() - bytes.len() % batch);
        self.summer.sums(whole, &mut self.ready);
        self.waiting.extend_from_slice(rest);
    }

    /// Takes away what is ready of the signature, so that a very long one need not be held.
    ///
    /// All that was taken, one after the other, and then what [`finish`](Self::finish) gives, is the signature.
    #[must_use]
    pub fn take_ready(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.ready)
    }

    /// In which layout it is made.
    pub(crate) const fn layout(&self) -> Layout {
        self.summer.layout()
    }

    /// The sums of the file's blocks from `block` on that are ready.
    pub(crate) fn sums_from(&self, block: usize) -> &[u8] {
        let at = Layout::HEADER_LEN + block * self.layout().sums_len();
        self.ready.get(at..).unwrap_or_default()
    }

    /// The signature's (remaining) bytes.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.summer.sums(&self.waiting, &mut self.ready);
        self.ready
    }
}

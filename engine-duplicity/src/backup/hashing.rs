//! The hash of a file's content, for a long file beside what else is made of it.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};
use sha2::{Digest, Sha256};

/// Files from here on are worth a thread.
const LONG: u64 = 4 << 20;
/// Pieces that wait for it.
const WAITING: usize = 2;

/// A hash that is being made: on a thread of its own where the file is long, for its SHA-256 takes as much time as its
/// delta and its signature together.
pub enum Hashing {
    Here(Sha256),
    Beside(Sender<Arc<Vec<u8>>>, JoinHandle<Sha256>),
}

impl Hashing {
    /// Of a file of `len` bytes.
    pub fn begin(len: u64) -> Self {
        if len < LONG {
            return Self::Here(Sha256::new());
        }
        let (sender, pieces) = bounded(WAITING);
        let thread = thread::Builder::new().name("hash".to_owned());
        match thread.spawn(move || hash(&pieces)) {
            Ok(thread) => Self::Beside(sender, thread),
            // The system has no more threads.
            Err(_) => Self::Here(Sha256::new()),
        }
    }

    /// Takes the next bytes.
    pub fn push(&mut self, piece: &Arc<Vec<u8>>) {
        match self {
            Self::Here(hash) => hash.update(piece.as_slice()),
            // The thread listens until there are no more; if it panicked, the end tells.
            Self::Beside(sender, _) => drop(sender.send(Arc::clone(piece))),
        }
    }

    /// The hash of all; `None` when its thread broke down.
    pub fn finish(self) -> Option<[u8; 32]> {
        match self {
            Self::Here(hash) => Some(hash.finalize().into()),
            Self::Beside(sender, thread) => {
                drop(sender);
                thread.join().ok().map(|hash| hash.finalize().into())
            }
        }
    }
}

fn hash(pieces: &Receiver<Arc<Vec<u8>>>) -> Sha256 {
    let mut hash = Sha256::new();
    for piece in pieces {
        hash.update(piece.as_slice());
    }
    hash
}

#[cfg(test)]
mod tests {
    use fstree::testing::Dice;

    use super::*;

    #[test]
    fn the_hash_is_the_same_here_and_beside() {
        let content = Dice::new(1).bytes(5 << 20);
        for len in [0, 1, LONG - 1, LONG, LONG + 1] {
            let content = &content[..usize::try_from(len).unwrap()];
            let mut hashing = Hashing::begin(len);
            assert_eq!(matches!(hashing, Hashing::Beside(..)), len >= LONG);
            for piece in content.chunks(100_003) {
                hashing.push(&Arc::new(piece.to_vec()));
            }
            assert_eq!(hashing.finish(), Some(Sha256::digest(content).into()), "{len}");
        }
    }
}

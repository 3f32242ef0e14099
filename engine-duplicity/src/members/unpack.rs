//! Unpacking one member, here or on a thread beside.

use std::thread::Scope;

use crossbeam_channel::{Receiver, Sender, bounded};
use libdeflater::Decompressor;

use super::{MOST, TRAILER};

/// Members that wait for a thread, of all readers together.
const WAITING: usize = 8;

/// A member on its way from the file to its reader. The buffers are used again, and are longer than what they hold, so
/// that they have to be filled with zeros only when they grow.
#[derive(Default)]
pub(super) struct Member {
    packed: Vec<u8>,
    packed_len: usize,
    plain: Vec<u8>,
    plain_len: usize,
}

impl Member {
    /// Room for what is stored, `len` bytes.
    pub(super) fn room(&mut self, len: usize) -> &mut [u8] {
        (self.packed_len, self.plain_len) = (len, 0);
        grow(&mut self.packed, len)
    }

    /// Room for content that comes from elsewhere, `len` bytes.
    pub(super) fn plain_room(&mut self, len: usize) -> &mut [u8] {
        grow(&mut self.plain, len)
    }

    /// How many bytes of that room are content.
    pub(super) const fn set_plain(&mut self, len: usize) {
        self.plain_len = len;
    }

    /// How many bytes at its end are not of this member.
    pub(super) const fn shorten(&mut self, by: usize) {
        self.packed_len = self.packed_len.saturating_sub(by);
    }

    /// The content; nothing of it before its checksum has proved right.
    pub(super) fn content(&self) -> &[u8] {
        self.plain.get(..self.plain_len).unwrap_or_default()
    }

    /// Makes the content; `None` when it is not what the member's end says.
    fn unpack(&mut self, with: &mut Decompressor) -> Option<()> {
        let (packed, trailer) = self.packed.get(..self.packed_len)?.split_last_chunk::<TRAILER>()?;
        let [crc, len] = trailer.as_chunks::<4>().0 else {
            return None;
        };
        let len = usize::try_from(u32::from_le_bytes(*len))
            .ok()
            .filter(|len| *len <= MOST)?;
        let plain = grow(&mut self.plain, len);
        let made = with.deflate_decompress(packed, plain).ok()?;
        if made != len || libdeflater::crc32(plain) != u32::from_le_bytes(*crc) {
            return None;
        }
        self.plain_len = len;
        Some(())
    }
}

/// The first `len` bytes of the buffer, which is made longer where it is too short.
fn grow(buffer: &mut Vec<u8>, len: usize) -> &mut [u8] {
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
    buffer.get_mut(..len).unwrap_or_default()
}

/// A member with its content; `None` when it is broken.
type Unpacked = Option<Member>;

struct Order {
    member: Member,
    reply: Sender<Unpacked>,
}

/// Threads that unpack members for those who read. They end when nobody can give them work any more.
#[derive(Clone)]
pub struct Unpackers {
    orders: Sender<Order>,
    ahead: usize,
}

impl Unpackers {
    /// Starts as many `threads`; every reader asks for `ahead` members before it needs them.
    pub fn start<'s>(scope: &'s Scope<'s, '_>, threads: usize, ahead: usize) -> Self {
        let (sender, receiver) = bounded::<Order>(WAITING);
        for _ in 0..threads {
            let orders = receiver.clone();
            scope.spawn(move || {
                let mut decompressor = Decompressor::new();
                for Order { mut member, reply } in orders {
                    let unpacked = member.unpack(&mut decompressor).map(|()| member);
                    // Who asked may be gone.
                    let _ = reply.send(unpacked);
                }
            });
        }
        Self { orders: sender, ahead }
    }
}

/// Who unpacks for a reader.
pub(super) enum Unpacker {
    /// The reader itself.
    Here(Box<Decompressor>),
    /// Threads beside it.
    Beside(Unpackers),
}

/// A member that was given to an unpacker.
pub(super) enum Coming {
    Here(Unpacked),
    Beside(Receiver<Unpacked>),
}

impl Unpacker {
    /// Members that are unpacked before they are needed, the next one among them.
    pub(super) const fn ahead(&self) -> usize {
        match self {
            Self::Here(_) => 1,
            Self::Beside(unpackers) => unpackers.ahead,
        }
    }

    /// Begins to unpack.
    pub(super) fn begin(&mut self, mut member: Member) -> Coming {
        match self {
            Self::Here(decompressor) => Coming::Here(member.unpack(decompressor).map(|()| member)),
            Self::Beside(unpackers) => {
                let (reply, receiver) = bounded(1);
                // Where nobody takes it nobody answers.
                let _ = unpackers.orders.send(Order { member, reply });
                Coming::Beside(receiver)
            }
        }
    }
}

impl Coming {
    /// Waits for the content.
    pub(super) fn wait(self) -> Unpacked {
        match self {
            Self::Here(unpacked) => unpacked,
            Self::Beside(receiver) => receiver.recv().ok().flatten(),
        }
    }
}

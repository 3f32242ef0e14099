use std::io::{self, Read};

use super::kind;
use crate::sftp::buffers::Buffers;

/// A request that is being put together: its length and number are filled in when it is sent.
pub(crate) struct Packet(Vec<u8>);

/// Length, type and number.
const HEADER: usize = 9;

impl Packet {
    pub(crate) fn new(kind: u8) -> Self {
        Self::begin(kind, Vec::with_capacity(HEADER))
    }

    /// A packet that will grow by `room` bytes, in memory that was used before.
    pub(crate) fn within(buffers: &Buffers, kind: u8, room: usize) -> Self {
        Self::begin(kind, buffers.take(HEADER + room))
    }

    fn begin(kind: u8, mut bytes: Vec<u8>) -> Self {
        bytes.extend_from_slice(&[0, 0, 0, 0, kind, 0, 0, 0, 0]);
        Self(bytes)
    }

    pub(crate) fn extended(name: &str) -> Self {
        Self::new(kind::EXTENDED).string(name.as_bytes())
    }

    #[must_use]
    pub(crate) fn u32(mut self, value: u32) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    #[must_use]
    pub(crate) fn u64(mut self, value: u64) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    #[must_use]
    pub(crate) fn string(self, value: &[u8]) -> Self {
        let mut packet = self.u32(u32::try_from(value.len()).unwrap_or(u32::MAX));
        packet.0.extend_from_slice(value);
        packet
    }

    /// Appends, as a string, what `body` gives at once and up to `most` bytes.
    pub(crate) fn string_from(self, body: &mut dyn Read, most: usize) -> io::Result<(Self, usize)> {
        let mut packet = self.u32(0);
        let start = packet.0.len();
        let read = body.take(most as u64).read_to_end(&mut packet.0)?;
        let length = u32::try_from(read).unwrap_or(u32::MAX).to_be_bytes();
        if let Some(place) = packet.0.get_mut(start - length.len()..start) {
            place.copy_from_slice(&length);
        }
        Ok((packet, read))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The bytes to send, as request `number`.
    pub(crate) fn numbered(mut self, number: u32) -> Vec<u8> {
        if let Some(place) = self.0.get_mut(5..HEADER) {
            place.copy_from_slice(&number.to_be_bytes());
        }
        self.measured()
    }

    /// The bytes to send of the one request that has no number.
    pub(crate) fn init() -> Vec<u8> {
        Self(vec![0, 0, 0, 0, kind::INIT]).u32(super::VERSION).measured()
    }

    fn measured(mut self) -> Vec<u8> {
        let length = u32::try_from(self.0.len() - 4).unwrap_or(u32::MAX).to_be_bytes();
        if let Some(place) = self.0.get_mut(..4) {
            place.copy_from_slice(&length);
        }
        self.0
    }
}

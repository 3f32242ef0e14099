//! The pieces that everything in a manifest is made of.

use super::ManifestError;

/// Appends numbers and byte strings.
pub(super) trait Put {
    fn number(&mut self, value: u64);
    fn signed(&mut self, value: i64);
    fn string(&mut self, bytes: &[u8]);
}

impl Put for Vec<u8> {
    /// Seven bits a byte, the low ones first; the high bit says that more follow.
    fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.push(low_byte(value) | 0x80);
            value >>= 7;
        }
        self.push(low_byte(value));
    }

    /// Small numbers of either sign become small numbers.
    fn signed(&mut self, value: i64) {
        self.number((value.wrapping_shl(1) ^ (value >> 63)).cast_unsigned());
    }

    fn string(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.extend_from_slice(bytes);
    }
}

const fn low_byte(value: u64) -> u8 {
    value.to_le_bytes()[0] & 0x7f
}

/// Takes them off again; what it hands over lies in the input, so that no length is believed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Take<'a>(pub(super) &'a [u8]);

const SHORT: ManifestError = ManifestError::Damaged("it ends too early");

impl<'a> Take<'a> {
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], ManifestError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(SHORT)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], ManifestError> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(SHORT)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn number(&mut self) -> Result<u64, ManifestError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(ManifestError::Damaged("a number in it is too large"))
    }

    pub(super) fn signed(&mut self) -> Result<i64, ManifestError> {
        let value = self.number()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// A number that must fit what it is used for.
    pub(super) fn small<T: TryFrom<u64>>(&mut self) -> Result<T, ManifestError> {
        T::try_from(self.number()?).map_err(|_| ManifestError::Damaged("a number in it is too large"))
    }

    pub(super) fn string(&mut self) -> Result<&'a [u8], ManifestError> {
        let len = self.small()?;
        self.bytes(len)
    }
}

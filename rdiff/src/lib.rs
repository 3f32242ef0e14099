//! Signatures and deltas in the formats of librsync.

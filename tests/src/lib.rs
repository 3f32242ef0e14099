//! What Holdfast's end-to-end suites share: the real restic, storages that fail on purpose, and data to save.

pub mod corpus;
pub mod faults;
pub mod restic;
pub mod skip;

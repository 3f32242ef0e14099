//! What Holdfast's end-to-end suites share: the real restic, the engine, storages that fail on purpose, and data to
//! save and to compare.

pub mod apache;
pub mod b2;
pub mod corpus;
pub mod disk;
pub mod duplicity;
pub mod faults;
pub mod files;
pub mod gate;
pub mod handshake;
pub mod holdfast;
pub mod machine;
pub mod mortal;
pub mod mount;
pub mod proxy;
pub mod restic;
pub mod rsync;
pub mod seal;
pub mod server;
pub mod skip;
pub mod sshd;
pub mod tree;
pub mod turns;
pub mod watch;
pub mod world;

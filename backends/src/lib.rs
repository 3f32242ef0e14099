//! Holdfast's storages: one module for each kind of place that a backup can go to.
//!
//! A module's `open` connects, probes what the place can do, and hands over an
//! [`engine_api::Destination`]. No storage knows which engine will use it.

pub mod b2;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod http;
pub mod layers;
pub mod local;
pub mod mount;
pub mod rest;
pub mod s3;
mod secret;
pub mod sftp;
pub mod webdav;

pub use secret::Secret;

//! The SSH connection: who the server is, who we are, and the channel that SFTP runs on.

pub(super) mod channel;
mod command;
mod connect;
pub(super) mod host_key;
pub(super) mod key;
mod prompt;

pub(super) use command::Shell;
pub(super) use connect::{Login, Session, connect};

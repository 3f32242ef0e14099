//! A folder of a server, over SFTP.
//!
//! The protocol is spoken here, on a channel of an SSH connection: a request is sent as soon as it is made, from
//! whichever thread, and all of them are under way at once, within a bound of bytes. A broken connection ends what is
//! under way with an error that is worth another try; the next request makes a new one. Where many files are written, more
//! channels of the same connection share them, as many as the server allows.
//!
//! The server proves itself with its host key, which is pinned at the first contact and must stay the same.

mod answers;
mod beside;
mod blobs;
mod buffers;
mod client;
mod early;
mod errors;
mod extensions;
mod files;
mod install;
mod link;
mod pace;
mod requests;
mod root;
mod settings;
mod ssh;
mod transfer;
mod whole;
mod window;
mod wire;

use std::sync::Arc;

use engine_api::{BlobStore, Destination, StoreError};

pub use install::{install_key, try_keys};
pub use settings::{Compress, Settings};
pub use ssh::host_key::pinned;
pub use ssh::key::{make_key, public_key};

/// Connects and opens the folder of `settings` as a destination; with `create` it is made, with its parents, when it is
/// not there.
///
/// # Errors
/// [`NotFound`](engine_api::StoreErrorKind::NotFound) when it is not there and is not to be made,
/// [`Untrusted`](engine_api::StoreErrorKind::Untrusted) when the server's key is not the pinned one,
/// [`Unauthenticated`](engine_api::StoreErrorKind::Unauthenticated) when the login was refused; any other kind when it
/// cannot be opened.
pub fn open(settings: Settings, create: bool) -> Result<Destination, StoreError> {
    let root = Arc::new(root::Root::open(settings, create)?);
    let blobs = blobs::Blobs::open(Arc::clone(&root))?;
    Ok(destination(root, Arc::new(blobs)))
}

/// The same for who wants its [`files`](Destination::files): what it can do with objects is not tried out before somebody
/// uses them.
///
/// # Errors
/// As those of [`open`].
pub fn open_files(settings: Settings, create: bool) -> Result<Destination, StoreError> {
    let root = Arc::new(root::Root::open(settings, create)?);
    let blobs = blobs::Later::new(Arc::clone(&root));
    Ok(destination(root, Arc::new(blobs)))
}

fn destination(root: Arc<root::Root>, blobs: Arc<dyn BlobStore>) -> Destination {
    let files = files::Files::new(Arc::clone(&root));
    Destination::new(blobs, Box::new(Goodbye(root))).with_files(Arc::new(files))
}

/// Ends the connection when it is dropped, whoever else still holds a part of the destination.
struct Goodbye(Arc<root::Root>);

impl Drop for Goodbye {
    fn drop(&mut self) {
        self.0.close_kept();
        self.0.client.close();
    }
}

//! A destination reached without touching what lies there: looked at, and given the key that opens it.

use super::{Connected, is_missing};
use crate::catalog;
use crate::context::Context;
use crate::exchange::Exchange;
use crate::name::JobName;
use crate::record::Place;
use crate::secrets::Secret;
use crate::site::{Access, Site, Which};
use crate::text;

/// Connects to a job's destination and lets it go; says what was found, in a line.
///
/// # Errors
/// When it cannot be reached.
pub(crate) fn check(context: &Context, name: &JobName) -> engine_api::Result<String> {
    let site = Site::find(context, &Access::to(Which::Job(name.clone())))?;
    let location = text::clean(&site.location);
    match Connected::open(context, &site, false) {
        Ok(connected) => Ok(match connected.destination.blobs.space() {
            Ok(Some(space)) => format!("{location} is there, with {} free", text::size(space.available)),
            _ => format!("{location} is there"),
        }),
        Err(error) if is_missing(&error) => Ok(format!("{location} can be reached; the folder will be made")),
        Err(error) => Err(error),
    }
}

/// Whether the job goes to an SSH server, which wants a key.
pub(crate) fn wants_key(context: &Context, name: &JobName) -> bool {
    catalog::job(context, name).is_ok_and(|job| matches!(job.place, Place::Sftp { .. }))
}

/// Makes a key for the job unless it has one, and puts its public half on the server with the account's password; says what
/// was done, in lines.
///
/// # Errors
/// When the server cannot be reached, is not the one that it was, or refuses the password or the key.
pub(crate) fn install_key(context: &Context, name: &JobName, password: &Secret) -> engine_api::Result<Vec<String>> {
    let exchange = Exchange {
        password: Some(password.clone()),
        fingerprint: None,
    };
    let done = exchange.run(context, name)?;
    Ok(vec![
        format!(
            "{} takes the key {}",
            text::clean(&done.location),
            text::path(&done.key)
        ),
        format!(
            "The server's own key is kept in {}, and checked from now on",
            text::path(&context.layout.known_hosts(name))
        ),
    ])
}

use std::sync::{Arc, Mutex};

use engine_api::{Capabilities, Cause, Destination, StoreError, StoreErrorKind};

use super::address::Address;
use super::{CONCURRENCY, Settings, WebDav, multistatus};
use crate::http::{Client, Failure, Place, basic};

/// Opens the folder on the server.
///
/// # Errors
/// [`StoreErrorKind::NotFound`] when there is no such folder and none is to be made, [`StoreErrorKind::Unauthenticated`],
/// [`StoreErrorKind::Untrusted`] and their like when the server cannot be used.
pub fn open(settings: &Settings) -> Result<Destination, StoreError> {
    let place = Place {
        operation: "open",
        location: "the WebDAV server",
    };
    let unusable = |cause| place.folder("", Failure::Known(StoreErrorKind::Other, cause));
    let (address, login, password) = Address::of(settings).map_err(unusable)?;
    let concurrency = settings.http.concurrency(CONCURRENCY);
    let store = WebDav {
        client: Client::new(&settings.trust, &settings.http, concurrency).map_err(unusable)?,
        location: address.url(b"").trim_end_matches('/').to_owned(),
        address,
        login: (!login.is_empty()).then(|| basic(&login, &password)),
        capabilities: Capabilities::minimal().with_concurrency(concurrency),
        leftovers: Mutex::default(),
        making: Mutex::default(),
    };
    if let Err(failure) = store.find(settings.create) {
        return Err(store.place("open").folder("", failure));
    }
    Ok(Destination::new(Arc::new(store), Box::new(())))
}

impl WebDav {
    fn find(&self, create: bool) -> Result<(), Failure> {
        match self.is_folder() {
            Err(failure) if failure.kind() == StoreErrorKind::NotFound && create => {
                self.make()?;
                self.is_folder()
            }
            other => other,
        }
    }

    /// Looks at the folder, as everything later does.
    fn is_folder(&self) -> Result<(), Failure> {
        let url = self.address.url(b"");
        let answer = self.look(&url, "0", multistatus::PROPERTIES)?;
        if matches!(answer.status, 200 | 405 | 501) {
            answer.finish()?;
            let cause = Cause::new("the server does not speak WebDAV at this address")
                .with_hint("check the address; Nextcloud's ends in /remote.php/dav/files/USER")
                .lasting();
            return Err(Failure::Known(StoreErrorKind::Other, cause));
        }
        if answer.status == 401 && !offers_basic(answer.header("www-authenticate")) {
            let cause = Cause::new("the server asks for a login of a kind that is not known here")
                .with_hint("let the server take basic authentication, over TLS");
            return Err(Failure::Known(StoreErrorKind::Unauthenticated, cause));
        }
        let resource = multistatus::single(answer.expect(&[207])?)?;
        if !resource.is_folder {
            let cause = Cause::new("there is a file, not a folder").lasting();
            return Err(Failure::Known(StoreErrorKind::Other, cause));
        }
        Ok(())
    }

    /// Makes the folder and what is missing above it: upwards until one can be made, and down again.
    fn make(&self) -> Result<(), Failure> {
        let mut missing = Vec::new();
        for url in self.address.upwards() {
            let answer = self.client.send(self.call("MKCOL", &url))?;
            match answer.status {
                404 | 409 => missing.push(url),
                _ => {
                    answer.expect(&[200, 201, 405])?.finish()?;
                    break;
                }
            }
        }
        for url in missing.iter().rev() {
            let call = self.call("MKCOL", url);
            self.client.send(call)?.expect(&[200, 201, 405])?.finish()?;
        }
        Ok(())
    }
}

fn offers_basic(challenge: Option<&str>) -> bool {
    challenge.is_none_or(|challenge| challenge.to_ascii_lowercase().contains("basic"))
}

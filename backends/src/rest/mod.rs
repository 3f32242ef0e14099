//! A server that speaks restic's REST protocol, versions 1 and 2 (restic's rest-server, `rclone serve restic`).
//!
//! The protocol knows the objects of a restic repository and no others, and keeps packs without folders: `data/ab/abcd…`
//! is `data/abcd…` there. It promises nothing about an object that is there already: restic's own server refuses to
//! replace one, rclone's replaces it. So creating looks first, and replacing removes first where the server insists.

mod layout;
mod listing;

#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::sync::Arc;

use engine_api::{
    BlobStore, Body, Capabilities, Cause, Destination, Key, ObjectMeta, PutMode, Space, StoreError, StoreErrorKind,
};
use zeroize::Zeroizing;

use self::layout::remote_name;
use crate::Secret;
use crate::http::{self, Answer, Call, Client, Failure, Place, Trust, basic};

/// As many as restic itself uses.
const CONCURRENCY: usize = 5;

const VERSION_2: &str = "application/vnd.x.restic.rest.v2";

/// Where the server is and who asks.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// `http` or `https`; the latter when empty.
    pub protocol: String,
    /// The server's name or address.
    pub host: String,
    /// Its port; 0 is the protocol's own.
    pub port: u16,
    /// The repository's path on the server, with or without slashes around it.
    pub directory: String,
    /// The login; empty for none.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// Whom to believe that it is the server.
    pub trust: Trust,
    /// Whether the repository's place is made when it is not there.
    pub create: bool,
    /// How the network is used.
    pub http: http::Options,
}

impl Settings {
    /// The address without a login, ending in a slash.
    fn url(&self) -> String {
        let protocol = if self.protocol.is_empty() {
            "https"
        } else {
            &self.protocol
        };
        let port = if self.port == 0 {
            String::new()
        } else {
            format!(":{}", self.port)
        };
        let directory = self.directory.trim_matches('/');
        let slash = if directory.is_empty() { "" } else { "/" };
        let directory = http::escape::path(directory.as_bytes());
        format!("{protocol}://{}{port}/{directory}{slash}", self.host)
    }
}

/// Opens the repository's place on the server.
///
/// # Errors
/// [`StoreErrorKind::Unauthenticated`], [`StoreErrorKind::Untrusted`] and their like when the server cannot be used.
pub fn open(settings: &Settings) -> Result<Destination, StoreError> {
    let store = Rest::connect(settings)?;
    Ok(Destination::new(Arc::new(store), Box::new(())))
}

struct Rest {
    client: Client,
    /// The address of the repository, ending in a slash.
    url: String,
    login: Option<Zeroizing<String>>,
    capabilities: Capabilities,
}

impl Rest {
    fn connect(settings: &Settings) -> Result<Self, StoreError> {
        let url = settings.url();
        let place = Place {
            operation: "open",
            location: &url,
        };
        let concurrency = settings.http.concurrency(CONCURRENCY);
        let client = Client::new(&settings.trust, &settings.http, concurrency)
            .map_err(|cause| place.folder("", Failure::Known(StoreErrorKind::Other, cause)))?;
        let login = (!settings.user.is_empty()).then(|| basic(&settings.user, &settings.password));
        let mut store = Self {
            client,
            url: url.clone(),
            login,
            capabilities: Capabilities::minimal().with_concurrency(concurrency),
        };
        store
            .probe(settings.create)
            .map_err(|failure| place.folder("", failure))?;
        Ok(store)
    }

    /// Finds out whether the server is there and lets us in; a missing repository is nothing wrong yet.
    fn probe(&mut self, create: bool) -> Result<(), Failure> {
        let answer = self.ask("HEAD", "config")?;
        // restic's own server keeps files; behind rclone's may lie anything.
        self.capabilities = self.capabilities.clone().with_prompt_listings(!is_rclone(&answer));
        let missing = answer.status == 404;
        answer.expect(&[200, 404])?.finish()?;
        if missing && create { self.create() } else { Ok(()) }
    }

    fn create(&self) -> Result<(), Failure> {
        let url = format!("{}?create=true", self.url);
        let call = self.call("POST", &url).body(Body::Bytes(&[]));
        self.client.send(call)?.expect(&[200])?.finish()
    }

    fn call<'a>(&self, method: &'a str, url: &'a str) -> Call<'a> {
        Call::new(method, url)
            .header("accept", VERSION_2)
            .header_if("authorization", self.login.as_ref().map(|login| login.as_str()))
    }

    fn ask(&self, method: &str, name: &str) -> Result<Answer, Failure> {
        self.client.send(self.call(method, &self.address(name)))
    }

    fn address(&self, name: &str) -> String {
        format!("{}{name}", self.url)
    }

    fn place(&self, operation: &'static str) -> Place<'_> {
        Place {
            operation,
            location: &self.url,
        }
    }

    fn size(&self, name: &str) -> Result<u64, Failure> {
        let answer = self.ask("HEAD", name)?.expect(&[200])?;
        let size = answer
            .length()
            .ok_or_else(|| Failure::Nonsense("the server does not say how long it is".to_owned()))?;
        answer.finish()?;
        Ok(size)
    }

    fn exists(&self, name: &str) -> Result<bool, Failure> {
        match self.size(name) {
            Ok(_) => Ok(true),
            Err(failure) if failure.kind() == StoreErrorKind::NotFound => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    fn upload(&self, name: &str, body: Body<'_>) -> Result<(), Failure> {
        let url = self.address(name);
        let call = self
            .call("POST", &url)
            .header("content-type", "application/octet-stream")
            .body(body);
        self.client.send(call)?.expect(&[200, 201, 204])?.finish()
    }

    fn create_object(&self, name: &str, body: Body<'_>) -> Result<(), Failure> {
        let there = || Failure::Known(StoreErrorKind::AlreadyExists, Cause::new("the server has it already"));
        if self.exists(name)? {
            return Err(there());
        }
        match self.upload(name, body) {
            // Somebody else was faster, and the server does not replace.
            Err(Failure::Refused(refusal)) if refusal.status == 403 && self.exists(name)? => Err(there()),
            other => other,
        }
    }

    fn replace_object(&self, name: &str, body: Body<'_>) -> Result<(), Failure> {
        match self.upload(name, body) {
            Err(Failure::Refused(refusal)) if refusal.status == 403 && self.exists(name)? => {
                self.delete(name)?;
                self.upload(name, body)
            }
            other => other,
        }
    }

    fn read(&self, key: &Key) -> Result<Vec<u8>, Failure> {
        self.ask("GET", &readable(key)?)?.expect(&[200])?.bytes()
    }

    fn read_range(&self, key: &Key, offset: u64, buffer: &mut [u8]) -> Result<(), Failure> {
        let name = readable(key)?;
        let url = self.address(&name);
        http::range(
            offset,
            buffer,
            || self.size(&name),
            |offset, length| self.client.send(self.call("GET", &url).range(offset, length)),
        )
    }

    fn delete(&self, name: &str) -> Result<(), Failure> {
        self.ask("DELETE", name)?.expect(&[200, 202, 204])?.finish()
    }

    /// Removes what is there: rclone's server has nothing against removing what is not.
    fn remove_existing(&self, key: &Key) -> Result<(), Failure> {
        let name = readable(key)?;
        self.size(&name)?;
        self.delete(&name)
    }
}

fn is_rclone(answer: &Answer) -> bool {
    let server = answer.header("server");
    server.is_some_and(|server| server.starts_with("rclone/"))
}

/// The name of an object that the protocol can hold; any other is not there.
fn readable(key: &Key) -> Result<String, Failure> {
    remote_name(key).ok_or_else(|| Failure::not_found("the server holds the objects of a repository only"))
}

fn writable(key: &Key) -> Result<String, Failure> {
    remote_name(key).ok_or_else(|| {
        let cause = Cause::new("the server holds the objects of a restic repository only")
            .with_hint("use another kind of storage for this engine");
        Failure::Known(StoreErrorKind::PermissionDenied, cause)
    })
}

impl BlobStore for Rest {
    fn location(&self) -> &str {
        &self.url
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn put(&self, key: &Key, body: Body<'_>, mode: PutMode) -> Result<(), StoreError> {
        let put = writable(key).and_then(|name| match mode {
            PutMode::Create => self.create_object(&name, body),
            PutMode::Replace => self.replace_object(&name, body),
        });
        put.map_err(|failure| self.place("write").object(key, failure))
    }

    fn get(&self, key: &Key) -> Result<Vec<u8>, StoreError> {
        self.read(key)
            .map_err(|failure| self.place("read").object(key, failure))
    }

    fn get_range(&self, key: &Key, offset: u64, buffer: &mut [u8]) -> Result<(), StoreError> {
        self.read_range(key, offset, buffer)
            .map_err(|failure| self.place("read").object(key, failure))
    }

    fn list(&self, folder: &str, each: &mut dyn FnMut(ObjectMeta) -> ControlFlow<()>) -> Result<(), StoreError> {
        listing::list(self, folder.trim_end_matches('/'), each)
            .map_err(|failure| self.place("list").folder(folder, failure))
    }

    fn remove(&self, key: &Key) -> Result<(), StoreError> {
        self.remove_existing(key)
            .map_err(|failure| self.place("remove").object(key, failure))
    }

    fn discard(&self, key: &Key) -> Result<(), StoreError> {
        match readable(key).and_then(|name| self.delete(&name)) {
            Err(failure) if failure.kind() != StoreErrorKind::NotFound => {
                Err(self.place("remove").object(key, failure))
            }
            _ => Ok(()),
        }
    }

    fn stat(&self, key: &Key) -> Result<ObjectMeta, StoreError> {
        let size = readable(key).and_then(|name| self.size(&name));
        let size = size.map_err(|failure| self.place("look at").object(key, failure))?;
        Ok(ObjectMeta { key: key.clone(), size })
    }

    fn space(&self) -> Result<Option<Space>, StoreError> {
        Ok(None)
    }
}

//! Backblaze B2 by its native API, version 2.
//!
//! Names in the bucket are restic's, below the prefix. Putting makes a new version of a file, and removing removes every
//! version, the oldest first, so that none comes to light again; a key that may not delete hides the file instead.

mod api;
mod large;
mod listing;
mod open;
mod removal;
mod upload;

#[cfg(test)]
mod tests;

pub use open::open;

use std::ops::ControlFlow;
use std::sync::Mutex;

use engine_api::{BlobStore, Body, Capabilities, Cause, Key, ObjectMeta, PutMode, Space, StoreError, StoreErrorKind};

use self::api::Session;
use self::upload::Target;
use crate::Secret;
use crate::http::{self, Answer, Call, Client, Failure, Place, Trust, escape};

/// As many as restic itself uses.
const CONCURRENCY: usize = 5;

/// Which bucket, and who asks.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The account's or the application key's id.
    pub account_id: String,
    /// The key.
    pub account_key: Secret,
    /// The bucket.
    pub bucket: String,
    /// The folder in it, with or without slashes around it; empty for the bucket itself.
    pub prefix: String,
    /// The service's address; Backblaze's own when empty.
    pub api: String,
    /// Whom to believe that it is the service.
    pub trust: Trust,
    /// Whether the bucket is made when it is not there.
    pub create: bool,
    /// How the network is used.
    pub http: http::Options,
}

struct B2 {
    client: Client,
    /// The service's address, without a slash at its end.
    service: String,
    account_id: String,
    account_key: Secret,
    session: Mutex<Session>,
    bucket: String,
    bucket_id: String,
    /// Empty, or ending in a slash.
    prefix: String,
    location: String,
    capabilities: Capabilities,
    /// Places to upload to that nobody uses now.
    targets: Mutex<Vec<Target>>,
}

impl B2 {
    fn place(&self, operation: &'static str) -> Place<'_> {
        Place {
            operation,
            location: &self.location,
        }
    }

    /// The full name of `key` in the bucket, for reading: what the service has no names for is not there.
    fn name(&self, key: &Key) -> Result<String, Failure> {
        self.checked_name(key)
            .ok_or_else(|| Failure::not_found("the service has no such names"))
    }

    /// The same for writing.
    fn new_name(&self, key: &Key) -> Result<String, Failure> {
        self.checked_name(key).ok_or_else(|| {
            let cause = Cause::new("the service takes names of UTF-8 without backslashes and control characters only");
            Failure::Known(StoreErrorKind::Other, cause.lasting())
        })
    }

    fn checked_name(&self, key: &Key) -> Option<String> {
        let name = std::str::from_utf8(key.as_bytes()).ok()?;
        let name = format!("{}{name}", self.prefix);
        let plain = !name.contains(|c: char| c.is_ascii_control() || c == '\\') && name.len() <= 1024;
        plain.then_some(name)
    }

    /// Asks for a file by its name; the session is renewed when it has ended.
    fn download(&self, method: &str, name: &str, range: Option<(u64, u64)>) -> Result<Answer, Failure> {
        self.with_session(|session| {
            let bucket = escape::path(self.bucket.as_bytes());
            let url = format!(
                "{}/file/{bucket}/{}",
                session.download_url,
                escape::path(name.as_bytes())
            );
            let call = Call::new(method, &url).header("authorization", session.token.reveal());
            let call = match range {
                Some((offset, length)) => call.range(offset, length),
                None => call,
            };
            self.client.send(call)
        })
    }

    fn size(&self, name: &str) -> Result<u64, Failure> {
        let answer = self.download("HEAD", name, None)?;
        let answer = api::checked(answer, &[200])?;
        let size = answer.length();
        answer.finish()?;
        size.ok_or_else(|| Failure::Nonsense("the service does not say how long it is".to_owned()))
    }

    fn exists(&self, name: &str) -> Result<bool, Failure> {
        match self.size(name) {
            Ok(_) => Ok(true),
            Err(failure) if failure.kind() == StoreErrorKind::NotFound => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    fn read(&self, key: &Key) -> Result<Vec<u8>, Failure> {
        let answer = self.download("GET", &self.name(key)?, None)?;
        api::checked(answer, &[200])?.bytes()
    }

    fn read_range(&self, key: &Key, offset: u64, buffer: &mut [u8]) -> Result<(), Failure> {
        let name = self.name(key)?;
        http::range(
            offset,
            buffer,
            || self.size(&name),
            |offset, length| self.download("GET", &name, Some((offset, length))),
        )
    }

    fn write(&self, key: &Key, body: Body<'_>, mode: PutMode) -> Result<(), Failure> {
        let name = self.new_name(key)?;
        if mode == PutMode::Create && self.exists(&name)? {
            let cause = Cause::new("the bucket has it already");
            return Err(Failure::Known(StoreErrorKind::AlreadyExists, cause));
        }
        if body.len() > large::SINGLE {
            return large::put(self, &name, body);
        }
        upload::put(self, &name, body)
    }
}

impl BlobStore for B2 {
    fn location(&self) -> &str {
        &self.location
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn put(&self, key: &Key, body: Body<'_>, mode: PutMode) -> Result<(), StoreError> {
        self.write(key, body, mode)
            .map_err(|failure| self.place("write").object(key, failure))
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
        self.name(key)
            .and_then(|name| removal::remove(self, &name))
            .map_err(|failure| self.place("remove").object(key, failure))
    }

    fn stat(&self, key: &Key) -> Result<ObjectMeta, StoreError> {
        let size = self.name(key).and_then(|name| self.size(&name));
        let size = size.map_err(|failure| self.place("look at").object(key, failure))?;
        Ok(ObjectMeta { key: key.clone(), size })
    }

    fn space(&self) -> Result<Option<Space>, StoreError> {
        Ok(None)
    }
}

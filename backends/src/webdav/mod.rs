//! A WebDAV server: Apache's mod_dav, Nextcloud, a NAS, rclone.
//!
//! An object goes up under a temporary name and gets its own by `MOVE`, so that a broken upload is never taken for an
//! object. Where the name is taken, servers remove the old object first: for a moment a reader may find none, never half
//! a one. Two creators at once are not told apart by all servers, so nothing is promised about that.

mod address;
mod listing;
mod multistatus;
mod open;
mod upload;

#[cfg(test)]
mod tests;

pub use open::open;

use std::ops::ControlFlow;
use std::sync::Mutex;

use engine_api::{BlobStore, Body, Capabilities, Key, ObjectMeta, PutMode, Space, StoreError};
use zeroize::Zeroizing;

use self::address::Address;
use self::multistatus::Resource;
use crate::Secret;
use crate::http::{self, Answer, Call, Client, Failure, Place, Trust, escape};

/// Small servers stand behind most addresses.
const CONCURRENCY: usize = 5;

/// What an object's name may not begin with: temporary objects have such names.
const TEMPORARY: &str = ".holdfast-tmp-";

/// Where the server is and who asks.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The address of the folder, with its protocol.
    pub url: String,
    /// A folder below it, for several machines on one share; empty for none.
    pub directory: String,
    /// The login; empty for none.
    pub login: String,
    /// Its password.
    pub password: Secret,
    /// Whom to believe that it is the server.
    pub trust: Trust,
    /// Whether the folder is made when it is not there.
    pub create: bool,
    /// How the network is used.
    pub http: http::Options,
}

struct WebDav {
    client: Client,
    address: Address,
    login: Option<Zeroizing<String>>,
    location: String,
    capabilities: Capabilities,
    /// Names of temporary objects whose writer must be dead, for the next put to remove.
    leftovers: Mutex<Vec<Vec<u8>>>,
    /// Held while folders are made: servers stumble over two that make the same one.
    making: Mutex<()>,
}

impl WebDav {
    fn place(&self, operation: &'static str) -> Place<'_> {
        Place {
            operation,
            location: &self.location,
        }
    }

    fn call<'a>(&self, method: &'a str, url: &'a str) -> Call<'a> {
        Call::new(method, url).header_if("authorization", self.login.as_ref().map(|login| login.as_str()))
    }

    fn send(&self, method: &str, name: &[u8]) -> Result<Answer, Failure> {
        self.client.send(self.call(method, &self.address.url(name)))
    }

    /// What the server knows of `name`, or, with depth 1, of all in it as well.
    fn look<'a>(&self, url: &'a str, depth: &str, properties: &'a str) -> Result<Answer, Failure> {
        let call = self
            .call("PROPFIND", url)
            .header("depth", depth)
            .header("content-type", "application/xml; charset=utf-8")
            .body(Body::Bytes(properties.as_bytes()));
        self.client.send(call)
    }

    /// The object `name`; a folder is none.
    fn object(&self, name: &[u8]) -> Result<Resource, Failure> {
        let url = self.address.url(name);
        let answer = self.look(&url, "0", multistatus::PROPERTIES)?;
        if answer.status == 400 && self.is_below_object(name)? {
            return Err(Failure::not_found("it would lie below an object"));
        }
        let resource = multistatus::single(answer.expect(&[207])?)?;
        if resource.is_folder {
            return Err(Failure::not_found("it is a folder"));
        }
        Ok(resource)
    }

    /// Whether what should be the folder of `name` is an object: Apache has no better word for that than 400.
    fn is_below_object(&self, name: &[u8]) -> Result<bool, Failure> {
        let Some(folder) = name
            .iter()
            .rposition(|&byte| byte == b'/')
            .and_then(|end| name.get(..end))
        else {
            return Ok(false);
        };
        let url = self.address.url(folder);
        let answer = self.look(&url, "0", multistatus::PROPERTIES)?;
        if answer.status != 207 {
            return answer.finish().map(|()| false);
        }
        Ok(!multistatus::single(answer)?.is_folder)
    }

    fn size(&self, name: &[u8]) -> Result<u64, Failure> {
        self.object(name)?.size()
    }

    /// An answer to a request for content: what servers say about a folder is said of no object.
    fn content(&self, name: &[u8], answer: Answer) -> Result<Answer, Failure> {
        if matches!(answer.status, 301 | 302 | 307 | 308 | 403 | 405) {
            let refusal = answer.refusal();
            self.size(name)?;
            return Err(refusal.into());
        }
        Ok(answer)
    }

    fn read(&self, key: &Key) -> Result<Vec<u8>, Failure> {
        let name = object_name(key)?;
        let answer = self.content(name, self.send("GET", name)?)?;
        answer.expect(&[200])?.bytes()
    }

    fn read_range(&self, key: &Key, offset: u64, buffer: &mut [u8]) -> Result<(), Failure> {
        let name = object_name(key)?;
        let url = self.address.url(name);
        http::range(
            offset,
            buffer,
            || self.size(name),
            |offset, length| {
                let answer = self.client.send(self.call("GET", &url).range(offset, length))?;
                self.content(name, answer)
            },
        )
    }

    /// Looks first: removing a folder would remove all that is in it.
    fn delete(&self, key: &Key) -> Result<(), Failure> {
        let name = object_name(key)?;
        self.size(name)?;
        self.send("DELETE", name)?.expect(&[200, 202, 204])?.finish()
    }

    fn quota(&self) -> Result<Option<Space>, Failure> {
        let url = self.address.url(b"");
        let answer = self.look(&url, "0", multistatus::QUOTA)?;
        let resource = multistatus::single(answer.expect(&[207])?)?;
        let (Some(available), Some(used)) = (resource.available, resource.used) else {
            return Ok(None);
        };
        Ok(Some(Space {
            total: used.saturating_add(available),
            used,
            available,
        }))
    }
}

/// The name of an object; that of a temporary one is none.
fn object_name(key: &Key) -> Result<&[u8], Failure> {
    if is_reserved(key.as_bytes()) {
        return Err(Failure::not_found("that is the name of a temporary object"));
    }
    Ok(key.as_bytes())
}

fn is_reserved(name: &[u8]) -> bool {
    name.split(|&byte| byte == b'/')
        .any(|part| part.starts_with(TEMPORARY.as_bytes()))
}

impl BlobStore for WebDav {
    fn location(&self) -> &str {
        &self.location
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn put(&self, key: &Key, body: Body<'_>, mode: PutMode) -> Result<(), StoreError> {
        upload::put(self, key, body, mode).map_err(|failure| self.place("write").object(key, failure))
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
        listing::list(self, folder.trim_end_matches('/').as_bytes(), each)
            .map_err(|failure| self.place("list").folder(folder, failure))
    }

    fn remove(&self, key: &Key) -> Result<(), StoreError> {
        self.delete(key)
            .map_err(|failure| self.place("remove").object(key, failure))
    }

    fn stat(&self, key: &Key) -> Result<ObjectMeta, StoreError> {
        let size = object_name(key).and_then(|name| self.size(name));
        let size = size.map_err(|failure| self.place("look at").object(key, failure))?;
        Ok(ObjectMeta { key: key.clone(), size })
    }

    fn space(&self) -> Result<Option<Space>, StoreError> {
        let place = self.place("ask for the free space of");
        self.quota().map_err(|failure| place.folder("", failure))
    }
}

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use super::Manners;
use super::wire::Answer;

/// One version of a file; the newest comes last.
struct Version {
    id: String,
    /// `None` hides the older ones.
    content: Option<(Vec<u8>, String)>,
}

/// A file that is being sent in parts.
struct Large {
    bucket: String,
    name: String,
    parts: BTreeMap<u64, (Vec<u8>, String)>,
}

/// A place for uploads.
pub struct Target {
    /// The bucket, or the file that is sent in parts.
    pub of: String,
    token: String,
    /// Taken by an upload; a second one has to go elsewhere.
    busy: bool,
}

/// All that the server knows.
pub struct Service {
    pub manners: Manners,
    pub address: SocketAddr,
    /// By id: the name.
    pub buckets: BTreeMap<String, String>,
    files: HashMap<String, BTreeMap<String, Vec<Version>>>,
    large: HashMap<String, Large>,
    pub targets: HashMap<String, Target>,
    tokens: HashMap<String, u64>,
    dead_tokens: HashSet<String>,
    numbers: u64,
    uploads: u64,
}

impl Service {
    pub fn new(manners: Manners, address: SocketAddr) -> Self {
        Self {
            manners,
            address,
            buckets: BTreeMap::new(),
            files: HashMap::new(),
            large: HashMap::new(),
            targets: HashMap::new(),
            tokens: HashMap::new(),
            dead_tokens: HashSet::new(),
            numbers: 0,
            uploads: 0,
        }
    }

    pub fn unfinished(&self) -> usize {
        self.large.len()
    }

    pub fn versions(&self) -> usize {
        self.files.values().flat_map(BTreeMap::values).map(Vec::len).sum()
    }

    pub fn id(&mut self, kind: &str) -> String {
        self.numbers += 1;
        format!("{kind}_{:016x}", self.numbers)
    }

    pub fn new_token(&mut self) -> String {
        let token = self.id("token");
        self.tokens.insert(token.clone(), self.manners.session);
        token
    }

    /// Ends every session, and the places for uploads.
    pub fn forget_sessions(&mut self) {
        self.dead_tokens.extend(self.tokens.drain().map(|(token, _)| token));
        self.targets.clear();
    }

    /// Counts a call of a session.
    pub fn check_token(&mut self, token: &str) -> Result<(), Answer> {
        if self.dead_tokens.contains(token) {
            return Err(Answer::no(401, "expired_auth_token", "the session has ended"));
        }
        match self.tokens.get_mut(token) {
            None => Err(Answer::no(401, "bad_auth_token", "no such session")),
            Some(0) => {
                self.tokens.remove(token);
                self.dead_tokens.insert(token.to_owned());
                Err(Answer::no(401, "expired_auth_token", "the session has ended"))
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    pub fn new_target(&mut self, of: &str) -> Value {
        let (id, token) = (self.id("upload"), self.id("uploadtoken"));
        let url = format!("http://{}/upload/{id}", self.address);
        let target = Target {
            of: of.to_owned(),
            token: token.clone(),
            busy: false,
        };
        self.targets.insert(id, target);
        json!({ "uploadUrl": url, "authorizationToken": token })
    }

    /// Takes the place `id` for an upload and says what it is for.
    pub fn enter(&mut self, id: &str, token: &str) -> Result<String, Answer> {
        self.uploads += 1;
        if self.manners.busy > 0 && self.uploads.is_multiple_of(self.manners.busy) {
            self.targets.remove(id);
            return Err(Answer::no(503, "service_unavailable", "no tomes available"));
        }
        let target = self
            .targets
            .get_mut(id)
            .filter(|target| target.token == token)
            .ok_or_else(|| Answer::no(401, "bad_auth_token", "no such place"))?;
        if target.busy {
            return Err(Answer::no(400, "bad_request", "the place takes one upload at a time"));
        }
        target.busy = true;
        Ok(target.of.clone())
    }

    pub fn leave(&mut self, id: &str) {
        if let Some(target) = self.targets.get_mut(id) {
            target.busy = false;
        }
    }

    pub fn add(&mut self, bucket: &str, name: &str, content: Option<(Vec<u8>, String)>) -> Value {
        let version = Version {
            id: self.id("file"),
            content,
        };
        let value = describe(name, &version);
        let files = self.files.entry(bucket.to_owned()).or_default();
        files.entry(name.to_owned()).or_default().push(version);
        value
    }

    pub fn start_large(&mut self, bucket: &str, name: &str) -> Value {
        let id = self.id("large");
        let large = Large {
            bucket: bucket.to_owned(),
            name: name.to_owned(),
            parts: BTreeMap::new(),
        };
        self.large.insert(id.clone(), large);
        json!({ "fileId": id, "fileName": name })
    }

    pub fn add_part(&mut self, file: &str, number: u64, bytes: Vec<u8>, digest: String) -> Result<Value, Answer> {
        let large = self.large.get_mut(file).ok_or_else(no_file)?;
        large.parts.insert(number, (bytes, digest));
        Ok(json!({ "fileId": file, "partNumber": number }))
    }

    pub fn finish_large(&mut self, file: &str, digests: &[String]) -> Result<Value, Answer> {
        let large = self.large.get(file).ok_or_else(no_file)?;
        let sent: Vec<&String> = large.parts.values().map(|(_, digest)| digest).collect();
        if large.parts.keys().copied().ne(1..=digests.len() as u64) || sent != digests.iter().collect::<Vec<_>>() {
            return Err(Answer::no(400, "bad_request", "the parts are not those that were sent"));
        }
        let large = self.large.remove(file).ok_or_else(no_file)?;
        let bytes = large.parts.into_values().flat_map(|(bytes, _)| bytes).collect();
        Ok(self.add(&large.bucket, &large.name, Some((bytes, "none".to_owned()))))
    }

    pub fn cancel_large(&mut self, file: &str) -> Result<Value, Answer> {
        self.large.remove(file).ok_or_else(no_file)?;
        Ok(json!({ "fileId": file }))
    }

    pub fn content(&self, bucket: &str, name: &str) -> Option<&(Vec<u8>, String)> {
        let id = self.buckets.iter().find(|(_, known)| *known == bucket)?.0;
        self.files.get(id)?.get(name)?.last()?.content.as_ref()
    }

    /// A page of the newest versions from `start` on.
    pub fn names(&self, bucket: &str, prefix: &str, start: &str, most: usize) -> Value {
        let most = most.min(self.manners.page);
        let empty = BTreeMap::new();
        let files = self.files.get(bucket).unwrap_or(&empty);
        let mut shown: Vec<(&String, &Version)> = files
            .range(start.to_owned()..)
            .filter(|(name, _)| name.starts_with(prefix))
            .filter_map(|(name, versions)| Some((name, versions.last()?)))
            .filter(|(_, version)| version.content.is_some())
            .take(most + 1)
            .collect();
        let next = (shown.len() > most)
            .then(|| shown.pop().map(|(name, _)| name))
            .flatten();
        let list: Vec<Value> = shown.iter().map(|(name, version)| describe(name, version)).collect();
        json!({ "files": list, "nextFileName": next })
    }

    /// A page of all versions of names that begin with `prefix`, from `start` on, the newest of each first.
    pub fn all_versions(&self, bucket: &str, prefix: &str, start: &str, start_id: &str, most: usize) -> Value {
        let empty = BTreeMap::new();
        let files = self.files.get(bucket).unwrap_or(&empty);
        let all = files
            .range(start.to_owned()..)
            .filter(|(name, _)| name.starts_with(prefix))
            .flat_map(|(name, versions)| versions.iter().rev().map(move |version| (name, version)));
        let most = most.min(self.manners.page);
        let mut shown: Vec<_> = all
            .skip_while(|(name, version)| !start_id.is_empty() && *name == start && version.id != start_id)
            .take(most + 1)
            .collect();
        let next = (shown.len() > most).then(|| shown.pop()).flatten();
        let list: Vec<Value> = shown.iter().map(|(name, version)| describe(name, version)).collect();
        json!({
            "files": list,
            "nextFileName": next.map(|(name, _)| name),
            "nextFileId": next.map(|(_, version)| &version.id),
        })
    }

    pub fn delete(&mut self, name: &str, id: &str) -> Result<Value, Answer> {
        for files in self.files.values_mut() {
            let Some(versions) = files.get_mut(name) else { continue };
            if let Some(at) = versions.iter().position(|version| version.id == id) {
                versions.remove(at);
                if versions.is_empty() {
                    files.remove(name);
                }
                return Ok(json!({ "fileName": name, "fileId": id }));
            }
        }
        Err(Answer::no(400, "file_not_present", "no such version"))
    }
}

fn no_file() -> Answer {
    Answer::no(404, "not_found", "no such file")
}

fn describe(name: &str, version: &Version) -> Value {
    let length = version.content.as_ref().map_or(0, |(bytes, _)| bytes.len());
    let action = if version.content.is_some() { "upload" } else { "hide" };
    json!({ "fileName": name, "fileId": version.id, "action": action, "contentLength": length })
}

pub fn sha1(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha1::digest(bytes))
}

use std::io::Read;
use std::sync::PoisonError;

use data_encoding::HEXLOWER;
use engine_api::Body;
use serde::Deserialize;
use serde_json::json;
use sha1::{Digest, Sha1};

use super::{B2, api};
use crate::Secret;
use crate::http::{Call, Failure, escape};

/// How many places are tried: the service gives a new one when one is busy or gone, and expects to be asked.
const TRIES: u32 = 5;

/// A place to upload to, for one upload at a time.
#[derive(Deserialize)]
#[serde(from = "Given")]
pub(super) struct Target {
    pub(super) url: String,
    pub(super) token: Secret,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Given {
    upload_url: String,
    authorization_token: String,
}

impl From<Given> for Target {
    fn from(given: Given) -> Self {
        Self {
            url: given.upload_url,
            token: Secret::new(given.authorization_token),
        }
    }
}

pub(super) fn put(b2: &B2, name: &str, body: Body<'_>) -> Result<(), Failure> {
    let digest = digest(body)?;
    let escaped = escape::path(name.as_bytes());
    patiently(|| {
        let target = take(b2)?;
        let call = Call::new("POST", &target.url)
            .header("authorization", target.token.reveal())
            .header("x-bz-file-name", escaped.as_str())
            .header("x-bz-content-sha1", digest.as_str())
            .header("content-type", "application/octet-stream")
            .body(body);
        let stored: Stored = api::json(api::checked(b2.client.send(call)?, &[200])?)?;
        stored.expect(name, body.len())?;
        // Only a place where all went well is used again.
        b2.targets.lock().unwrap_or_else(PoisonError::into_inner).push(target);
        Ok(())
    })
}

/// What the service says it has stored.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stored {
    file_name: String,
    content_length: u64,
}

impl Stored {
    /// Fails unless it is `name`, `length` bytes long: the digest covers what is in a file, and not under which name it is
    /// put away.
    pub(super) fn expect(&self, name: &str, length: u64) -> Result<(), Failure> {
        if (self.file_name.as_str(), self.content_length) == (name, length) {
            return Ok(());
        }
        let (found, size) = (&self.file_name, self.content_length);
        Err(Failure::Nonsense(format!(
            "the service says that it stored {found} of {size} bytes in its place"
        )))
    }
}

/// Runs `attempt` until it goes well or the failure is one that a new place does not help.
pub(super) fn patiently<T>(mut attempt: impl FnMut() -> Result<T, Failure>) -> Result<T, Failure> {
    let mut tries = 1;
    loop {
        match attempt() {
            Err(failure) if tries < TRIES && wants_new_place(&failure) => tries += 1,
            other => return other,
        }
    }
}

fn wants_new_place(failure: &Failure) -> bool {
    match failure {
        Failure::Line(_) => failure.passes(),
        Failure::Refused(refusal) => matches!(refusal.status, 401 | 408 | 500 | 503),
        _ => false,
    }
}

fn take(b2: &B2) -> Result<Target, Failure> {
    let kept = b2.targets.lock().unwrap_or_else(PoisonError::into_inner).pop();
    match kept {
        Some(target) => Ok(target),
        None => b2.ask("b2_get_upload_url", &json!({ "bucketId": b2.bucket_id })),
    }
}

/// The digest that the service checks what it got against.
pub(super) fn digest(body: Body<'_>) -> Result<String, Failure> {
    let mut sha1 = Sha1::new();
    let mut reader = body.reader().take(body.len());
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = reader.read(&mut buffer).map_err(Failure::Source)?;
        if read == 0 {
            return Ok(HEXLOWER.encode(&sha1.finalize()));
        }
        sha1.update(buffer.get(..read).unwrap_or_default());
    }
}

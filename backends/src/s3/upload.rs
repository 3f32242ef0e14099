use std::sync::atomic::Ordering;

use engine_api::{Body, Cause, PutMode, StoreErrorKind};

use super::request::Request;
use super::{S3, errors, multipart};
use crate::http::{Answer, Failure};

/// Larger objects go up in parts.
const SINGLE: u64 = 64 << 20;

/// Of an archive class, restic's data packs alone: the rest must be readable at once.
const ARCHIVES: [&str; 2] = ["GLACIER", "DEEP_ARCHIVE"];

/// How the name of the object begins that finds out what the server can do.
pub(super) const PROBE: &str = ".holdfast-probe-";

/// What is removed again within hours is never locked.
const PASSING: [&str; 2] = ["locks/", PROBE];

pub(super) fn put(s3: &S3, name: &[u8], body: Body<'_>, mode: PutMode) -> Result<(), Failure> {
    if !is_listable(name) {
        let cause = Cause::new("the protocol's listings cannot show such a name").lasting();
        return Err(Failure::Known(StoreErrorKind::Other, cause));
    }
    if mode == PutMode::Create && !s3.capabilities.exclusive_create && s3.exists(name)? {
        let cause = Cause::new("the bucket has it already");
        return Err(Failure::Known(StoreErrorKind::AlreadyExists, cause));
    }
    if body.len() > SINGLE {
        return multipart::put(s3, name, body, mode);
    }
    send(s3, mode, || {
        let request = s3.request("PUT", name).body(body);
        with_storage(s3, name, request).with_checksum(s3.is_checked())
    })?
    .finish()
}

/// Whether a listing, which is XML, can name it.
fn is_listable(name: &[u8]) -> bool {
    std::str::from_utf8(name).is_ok_and(|name| !name.contains(|c: char| c.is_control() && c != '\t' && c != '\n'))
}

/// Sends the request that makes the object, with the condition that `mode` asks for where the server knows it, and with
/// the digest that some buckets want.
pub(super) fn send<'a>(s3: &'a S3, mode: PutMode, request: impl Fn() -> Request<'a>) -> Result<Answer, Failure> {
    match send_as_known(s3, mode, &request) {
        Err(Failure::Refused(refusal)) if !s3.is_checked() && errors::wants_checksum(&refusal) => {
            s3.checks.store(true, Ordering::Relaxed);
            send_as_known(s3, mode, &request)
        }
        other => other,
    }
}

fn send_as_known<'a>(s3: &'a S3, mode: PutMode, request: &impl Fn() -> Request<'a>) -> Result<Answer, Failure> {
    if mode == PutMode::Replace || !s3.is_conditional() {
        return request().send();
    }
    match request().plain("if-none-match", "*").send() {
        Err(Failure::Refused(refusal)) if refusal.status == 501 => {
            s3.conditional.store(false, Ordering::Relaxed);
            request().send()
        }
        other => other,
    }
}

/// The headers that say how the object `name` is to be kept.
pub(super) fn with_storage<'a>(s3: &S3, name: &[u8], mut request: Request<'a>) -> Request<'a> {
    let below = name.strip_prefix(s3.endpoint.prefix.as_bytes()).unwrap_or(name);
    let archived = ARCHIVES.contains(&s3.storage_class.as_str());
    if !s3.storage_class.is_empty() && (!archived || below.starts_with(b"data/")) {
        request = request.signed("x-amz-storage-class", s3.storage_class.clone());
    }
    let passing = PASSING.iter().any(|begin| below.starts_with(begin.as_bytes()));
    if let Some(lock) = s3.object_lock.as_ref().filter(|_| !passing) {
        let until = jiff::Timestamp::now() + std::time::Duration::from_secs(u64::from(lock.days) * 86_400);
        request = request.signed("x-amz-object-lock-mode", lock.mode.clone()).signed(
            "x-amz-object-lock-retain-until-date",
            until.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        );
    }
    request
}

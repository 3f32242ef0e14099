use std::fmt::Write;
use std::io::Read;

use engine_api::{Body, PutMode};

use super::{S3, errors, leftovers, upload};
use crate::http::{Failure, xml};

/// One part is in memory at a time.
const PART: u64 = 16 << 20;

/// The protocol's limit.
const PARTS: u64 = 10_000;

/// How often one part is sent before the whole upload fails.
const TRIES: u32 = 3;

/// Puts `body` in parts; nothing is to be seen of it before the last step, nor after a failure.
pub(super) fn put(s3: &S3, name: &[u8], body: Body<'_>, mode: PutMode) -> Result<(), Failure> {
    leftovers::sweep(s3);
    let id = begin(s3, name)?;
    let tags = parts(s3, name, body, &id);
    let done = tags.and_then(|tags| complete(s3, name, &id, &tags, mode));
    if done.is_err() {
        // Its parts would be paid for until somebody found them. Nothing more can be done when this fails, too.
        let _ = s3.request("DELETE", name).query("uploadId", id).send();
    }
    done
}

fn begin(s3: &S3, name: &[u8]) -> Result<String, Failure> {
    let request = s3.request("POST", name).query("uploads", "").body(Body::Bytes(&[]));
    let text = upload::with_storage(s3, name, request).send()?.text();
    let [id] = xml::texts(&text, ["/UploadId"]);
    if id.is_empty() {
        return Err(Failure::Nonsense("the server gave the upload no name".to_owned()));
    }
    Ok(id)
}

/// Sends the parts; returns the server's tag of each.
fn parts(s3: &S3, name: &[u8], body: Body<'_>, id: &str) -> Result<Vec<String>, Failure> {
    let size = PART.max(body.len().div_ceil(PARTS));
    let mut reader = body.reader().take(body.len());
    let mut left = body.len();
    let mut tags = Vec::new();
    let mut buffer = Vec::new();
    while left > 0 {
        buffer.clear();
        let wanted = size.min(left);
        let read = reader
            .by_ref()
            .take(wanted)
            .read_to_end(&mut buffer)
            .map_err(Failure::Source)?;
        if read as u64 != wanted {
            return Err(Failure::Source(std::io::ErrorKind::UnexpectedEof.into()));
        }
        left -= wanted;
        tags.push(part(s3, name, id, tags.len() + 1, &buffer)?);
    }
    Ok(tags)
}

fn part(s3: &S3, name: &[u8], id: &str, number: usize, bytes: &[u8]) -> Result<String, Failure> {
    let mut tries = 1;
    loop {
        let sent = upload::send(s3, PutMode::Replace, || {
            s3.request("PUT", name)
                .query("partNumber", number.to_string())
                .query("uploadId", id)
                .body(Body::Bytes(bytes))
                .with_checksum(s3.is_checked())
        });
        match sent {
            Ok(answer) => {
                let tag = answer.header("etag").map(str::to_owned);
                answer.finish()?;
                return tag.ok_or_else(|| Failure::Nonsense("the server gave the part no tag".to_owned()));
            }
            Err(failure) if tries < TRIES && failure.passes() => tries += 1,
            Err(failure) => return Err(failure),
        }
    }
}

fn complete(s3: &S3, name: &[u8], id: &str, tags: &[String], mode: PutMode) -> Result<(), Failure> {
    let mut document = "<CompleteMultipartUpload>".to_owned();
    for (number, tag) in (1..).zip(tags) {
        let tag = tag.replace('&', "&amp;").replace('<', "&lt;");
        let _ = write!(
            document,
            "<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>"
        );
    }
    document.push_str("</CompleteMultipartUpload>");
    let answer = upload::send(s3, mode, || {
        s3.request("POST", name)
            .query("uploadId", id)
            .body(Body::Bytes(document.as_bytes()))
    })?;
    match errors::late(&answer.text()) {
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}

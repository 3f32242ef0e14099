use std::fmt::Write;
use std::io::Read;

use engine_api::{Body, PutMode};

use super::{S3, errors, upload};
use crate::http::{Failure, xml};

/// One part is in memory at a time.
const PART: u64 = 16 << 20;

/// The protocol's limit.
const PARTS: u64 = 10_000;

/// How often one part is sent before the whole upload fails.
const TRIES: u32 = 3;

/// Puts `body` in parts; nothing is to be seen of it before the last step, nor after a failure.
pub(super) fn put(s3: &S3, name: &[u8], body: Body<'_>, mode: PutMode) -> Result<(), Failure> {
    let id = begin(s3, name)?;
    let parts = parts(s3, name, body, &id);
    let done = parts.and_then(|parts| complete(s3, name, &id, &parts, mode));
    if done.is_err() {
        // Its parts would be paid for until somebody found them. Nothing more can be done when this fails, too.
        let _ = s3.request("DELETE", name).query("uploadId", id).send();
    }
    done
}

fn begin(s3: &S3, name: &[u8]) -> Result<String, Failure> {
    let request = s3.request("POST", name).query("uploads", "").body(Body::Bytes(&[]));
    let request = upload::with_storage(s3, name, request);
    let request = if s3.object_lock.is_some() {
        request.signed("x-amz-checksum-algorithm", "SHA256")
    } else {
        request
    };
    let text = request.send()?.text();
    let [id] = xml::texts(&text, ["/UploadId"]);
    if id.is_empty() {
        return Err(Failure::Nonsense("the server gave the upload no name".to_owned()));
    }
    Ok(id)
}

/// What the server said of each part: its tag, and its checksum where one was asked for.
struct Part {
    tag: String,
    checksum: Option<String>,
}

fn parts(s3: &S3, name: &[u8], body: Body<'_>, id: &str) -> Result<Vec<Part>, Failure> {
    let size = PART.max(body.len().div_ceil(PARTS));
    let mut reader = body.reader().take(body.len());
    let mut left = body.len();
    let mut parts = Vec::new();
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
        parts.push(part(s3, name, id, parts.len() + 1, &buffer)?);
    }
    Ok(parts)
}

fn part(s3: &S3, name: &[u8], id: &str, number: usize, bytes: &[u8]) -> Result<Part, Failure> {
    let mut tries = 1;
    loop {
        let request = s3
            .request("PUT", name)
            .query("partNumber", number.to_string())
            .query("uploadId", id)
            .body(Body::Bytes(bytes))
            .with_checksum(s3.object_lock.is_some());
        match request.send() {
            Ok(answer) => {
                let header = |name| answer.header(name).map(str::to_owned);
                let (tag, checksum) = (header("etag"), header("x-amz-checksum-sha256"));
                answer.finish()?;
                let tag = tag.ok_or_else(|| Failure::Nonsense("the server gave the part no tag".to_owned()))?;
                return Ok(Part { tag, checksum });
            }
            Err(failure) if tries < TRIES && failure.passes() => tries += 1,
            Err(failure) => return Err(failure),
        }
    }
}

fn complete(s3: &S3, name: &[u8], id: &str, parts: &[Part], mode: PutMode) -> Result<(), Failure> {
    let mut document = "<CompleteMultipartUpload>".to_owned();
    for (number, part) in (1..).zip(parts) {
        let tag = part.tag.replace('&', "&amp;").replace('<', "&lt;");
        let _ = write!(document, "<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag>");
        if let Some(checksum) = &part.checksum {
            let _ = write!(document, "<ChecksumSHA256>{checksum}</ChecksumSHA256>");
        }
        document.push_str("</Part>");
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

use std::io::Read;

use engine_api::Body;
use serde::Deserialize;
use serde_json::{Value, json};

use super::upload::{Stored, Target, digest, patiently};
use super::{B2, api};
use crate::http::{Call, Failure};

/// Larger files go up in parts.
pub(super) const SINGLE: u64 = 64 << 20;

/// One part is in memory at a time.
const PART: u64 = 16 << 20;

/// The service's limit.
const PARTS: u64 = 10_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Started {
    file_id: String,
}

/// Puts `body` in parts; nothing is to be seen of it before the last step, nor after a failure.
pub(super) fn put(b2: &B2, name: &str, body: Body<'_>) -> Result<(), Failure> {
    let arguments = json!({
        "bucketId": b2.bucket_id,
        "fileName": name,
        "contentType": "application/octet-stream",
    });
    let Started { file_id } = b2.ask("b2_start_large_file", &arguments)?;
    let done = parts(b2, &file_id, body).and_then(|digests| {
        let arguments = json!({ "fileId": file_id, "partSha1Array": digests });
        b2.ask::<Stored>("b2_finish_large_file", &arguments)
    });
    if done.is_err() {
        // Its parts would be paid for until somebody found them. Nothing more can be done when this fails, too.
        let _ = b2.ask::<Value>("b2_cancel_large_file", &json!({ "fileId": file_id }));
    }
    done?.expect(name, body.len())
}

/// Sends the parts one after the other, and returns their digests.
fn parts(b2: &B2, file_id: &str, body: Body<'_>) -> Result<Vec<String>, Failure> {
    let size = PART.max(b2.session().smallest_part).max(body.len().div_ceil(PARTS));
    let mut reader = body.reader().take(body.len());
    let mut left = body.len();
    let (mut digests, mut buffer, mut target) = (Vec::new(), Vec::new(), None);
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
        let part = Part {
            number: digests.len() + 1,
            bytes: &buffer,
            digest: digest(Body::Bytes(&buffer))?,
        };
        patiently(|| part.send(b2, file_id, &mut target))?;
        digests.push(part.digest);
    }
    Ok(digests)
}

struct Part<'a> {
    number: usize,
    bytes: &'a [u8],
    digest: String,
}

impl Part<'_> {
    /// Sends it to `target`, which is a new one when there is none, and none after a failure.
    fn send(&self, b2: &B2, file_id: &str, target: &mut Option<Target>) -> Result<(), Failure> {
        let place = match target.take() {
            Some(place) => place,
            None => b2.ask("b2_get_upload_part_url", &json!({ "fileId": file_id }))?,
        };
        let call = Call::new("POST", &place.url)
            .header("authorization", place.token.reveal())
            .header("x-bz-part-number", self.number.to_string())
            .header("x-bz-content-sha1", self.digest.as_str())
            .body(Body::Bytes(self.bytes));
        api::checked(b2.client.send(call)?, &[200])?.finish()?;
        *target = Some(place);
        Ok(())
    }
}

use std::io::BufReader;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use super::S3;
use crate::http::Failure;
use crate::http::xml::{Node, walk};

/// No upload of one object takes longer, in seconds: a week.
const OLD: i64 = 7 * 24 * 60 * 60;

/// More than a machine that crashes daily leaves behind in a year; the next upload finds the rest.
const KEPT: usize = 1000;

/// Where large objects of a repository without a prefix lie: whatever else is in the bucket may be anybody's.
const OURS: [&str; 3] = ["data/", "index/", "snapshots/"];

/// Aborts the uploads in parts that a program began below the prefix and did not live to end: their parts are paid for and
/// to be seen nowhere. Once for a store, before its first upload in parts; a server or key that does not let it is let be.
pub(super) fn sweep(s3: &S3) {
    if s3.swept.swap(true, Ordering::Relaxed) {
        return;
    }
    let now = jiff::Timestamp::now().as_second();
    for (name, id) in old(s3, now).unwrap_or_default() {
        let _ = s3.request("DELETE", name.as_bytes()).query("uploadId", id).send();
    }
}

/// Name and upload of those that are old.
fn old(s3: &S3, now: i64) -> Result<Vec<(String, String)>, Failure> {
    let request = s3
        .request("GET", b"")
        .query("uploads", "")
        .query("max-uploads", KEPT.to_string())
        .query("prefix", s3.endpoint.prefix.clone());
    let answer = request.send()?;
    let mut found = Vec::new();
    let mut upload = Upload::default();
    let _flow = walk(BufReader::new(answer.reader()), |node| {
        if let Node::End(path, text) = node {
            match path
                .strip_prefix("/ListMultipartUploadsResult/Upload")
                .unwrap_or("other")
            {
                "/Key" => text.clone_into(&mut upload.name),
                "/UploadId" => text.clone_into(&mut upload.id),
                "/Initiated" => upload.since = text.trim().parse().ok(),
                "" => found.extend(std::mem::take(&mut upload).old(&s3.endpoint.prefix, now)),
                _ => {}
            }
        }
        Ok(if found.len() >= KEPT {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    })?;
    Ok(found)
}

#[derive(Default)]
struct Upload {
    name: String,
    id: String,
    since: Option<jiff::Timestamp>,
}

impl Upload {
    /// One without a time, or of somebody else's, is never old.
    fn old(self, prefix: &str, now: i64) -> Option<(String, String)> {
        let old = self.since.is_some_and(|since| now - since.as_second() > OLD);
        let below = self.name.strip_prefix(prefix)?;
        let ours = !prefix.is_empty() || OURS.iter().any(|folder| below.starts_with(folder));
        (old && ours && !self.id.is_empty()).then_some((self.name, self.id))
    }
}

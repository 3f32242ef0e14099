use std::io::BufReader;
use std::ops::ControlFlow;

use crate::http::xml::{Node, walk};
use crate::http::{Answer, Failure, escape};

/// What is asked of objects and folders.
pub(super) const PROPERTIES: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?><propfind xmlns=\"DAV:\"><prop><resourcetype/><getcontentlength/><getlastmodified/></prop></propfind>";

/// What is asked about room (RFC 4331).
pub(super) const QUOTA: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?><propfind xmlns=\"DAV:\"><prop><quota-available-bytes/><quota-used-bytes/></prop></propfind>";

/// What a server tells of one object or folder.
#[derive(Debug, Default, Clone)]
pub(super) struct Resource {
    /// Its path on the server, not escaped, without a slash at its end.
    pub(super) path: Vec<u8>,
    pub(super) is_folder: bool,
    size: Option<u64>,
    /// When it was changed, as the server writes it.
    pub(super) modified: String,
    pub(super) available: Option<u64>,
    pub(super) used: Option<u64>,
    /// The server's refusal to tell.
    refused: Option<String>,
}

impl Resource {
    pub(super) fn size(&self) -> Result<u64, Failure> {
        self.size
            .ok_or_else(|| Failure::Nonsense("the server does not say how long it is".to_owned()))
    }
}

/// The one resource of an answer to a question of depth 0.
pub(super) fn single(answer: Answer) -> Result<Resource, Failure> {
    let mut found = None;
    let _ = each(answer, |resource| {
        found.get_or_insert(resource);
        Ok(ControlFlow::Continue(()))
    })?;
    found.ok_or_else(|| Failure::Nonsense("the server's answer is about nothing".to_owned()))
}

/// Hands over the resources of an answer while it is read.
pub(super) fn each(
    answer: Answer,
    mut take: impl FnMut(Resource) -> Result<ControlFlow<()>, Failure>,
) -> Result<ControlFlow<()>, Failure> {
    let mut resource = Resource::default();
    let mut complete = false;
    let flow = walk(BufReader::new(answer.reader()), |node| {
        let path = match node {
            Node::Start("/multistatus/response") => {
                resource = Resource::default();
                return Ok(ControlFlow::Continue(()));
            }
            Node::Start(_) => return Ok(ControlFlow::Continue(())),
            Node::End("/multistatus", _) => {
                complete = true;
                return Ok(ControlFlow::Continue(()));
            }
            Node::End("/multistatus/response", _) => {
                let done = std::mem::take(&mut resource);
                if let Some(status) = done.refused {
                    return Err(Failure::Nonsense(format!(
                        "the server does not tell of all that is there: {status}"
                    )));
                }
                return take(done);
            }
            Node::End(path, text) => (
                path.strip_prefix("/multistatus/response").unwrap_or_default(),
                text.trim(),
            ),
        };
        resource.property(path.0, path.1);
        Ok(ControlFlow::Continue(()))
    })?;
    if flow.is_continue() && !complete {
        return Err(Failure::Nonsense("the server's answer is none of WebDAV's".to_owned()));
    }
    Ok(flow)
}

impl Resource {
    fn property(&mut self, path: &str, text: &str) {
        match path {
            "/href" => self.path = path_of(text),
            "/status" if !text.contains(" 2") => self.refused = Some(text.to_owned()),
            "/propstat/prop/resourcetype/collection" => self.is_folder = true,
            "/propstat/prop/getcontentlength" => self.size = text.parse().ok(),
            "/propstat/prop/getlastmodified" => text.clone_into(&mut self.modified),
            // Some servers write a negative number for what has no limit.
            "/propstat/prop/quota-available-bytes" => self.available = text.parse().ok(),
            "/propstat/prop/quota-used-bytes" => self.used = text.parse().ok(),
            _ => {}
        }
    }
}

/// The path that a reference means, which may be a whole address.
fn path_of(reference: &str) -> Vec<u8> {
    let path = match reference.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => reference.trim_start_matches('/'),
    };
    let path = path.trim_end_matches('/');
    if path.is_empty() {
        return Vec::new();
    }
    [b"/", escape::decode(path.as_bytes()).as_slice()].concat()
}

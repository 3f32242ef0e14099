use std::io::BufReader;
use std::ops::ControlFlow;

use engine_api::{Key, ObjectMeta};

use super::S3;
use crate::http::Failure;
use crate::http::xml::{Node, walk};

type Each<'a> = dyn FnMut(ObjectMeta) -> ControlFlow<()> + 'a;

/// Hands over the objects at or below `folder`, which ends in no slash, page by page.
pub(super) fn list(s3: &S3, folder: &str, each: &mut Each<'_>) -> Result<(), Failure> {
    let mut wanted = |object: ObjectMeta| {
        let below = object.key.as_bytes().strip_prefix(folder.as_bytes());
        let inside = folder.is_empty() || below.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"));
        if inside {
            each(object)
        } else {
            ControlFlow::Continue(())
        }
    };
    let mut token = None;
    loop {
        let (flow, next) = page(s3, folder, token.as_deref(), &mut wanted)?;
        if flow.is_break() || next.is_none() {
            return Ok(());
        }
        if next == token {
            return Err(Failure::Nonsense("the server's listing does not go on".to_owned()));
        }
        token = next;
    }
}

/// One page; what it returns begins the next, if there is one.
fn page(
    s3: &S3,
    folder: &str,
    token: Option<&str>,
    each: &mut Each<'_>,
) -> Result<(ControlFlow<()>, Option<String>), Failure> {
    let mut request = s3
        .request("GET", b"")
        .query("list-type", "2")
        .query("prefix", format!("{}{folder}", s3.endpoint.prefix));
    if let Some(token) = token {
        request = request.query("continuation-token", token);
    }
    let answer = request.send()?;
    let mut page = Page::default();
    let flow = walk(BufReader::new(answer.reader()), |node| {
        page.node(node, &s3.endpoint.prefix, each)
    })?;
    if flow.is_continue() && !page.complete {
        return Err(Failure::Nonsense(
            "the server sent something else than a listing".to_owned(),
        ));
    }
    let next = page.truncated.then_some(page.next);
    if next.as_ref().is_some_and(String::is_empty) {
        return Err(Failure::Nonsense("the server's listing ends in the middle".to_owned()));
    }
    Ok((flow, next))
}

#[derive(Default)]
struct Page {
    key: String,
    size: Option<u64>,
    truncated: bool,
    next: String,
    complete: bool,
}

impl Page {
    fn node(&mut self, node: Node<'_>, prefix: &str, each: &mut Each<'_>) -> Result<ControlFlow<()>, Failure> {
        let Node::End(path, text) = node else {
            return Ok(ControlFlow::Continue(()));
        };
        match path.strip_prefix("/ListBucketResult").unwrap_or("other") {
            "" => self.complete = true,
            "/IsTruncated" => self.truncated = text.trim() == "true",
            "/NextContinuationToken" => text.clone_into(&mut self.next),
            "/Contents/Key" => text.clone_into(&mut self.key),
            "/Contents/Size" => self.size = text.trim().parse().ok(),
            "/Contents" => return self.object(prefix, each),
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    }

    fn object(&mut self, prefix: &str, each: &mut Each<'_>) -> Result<ControlFlow<()>, Failure> {
        let size = self.size.take();
        let name = std::mem::take(&mut self.key).into_bytes();
        let key = name.strip_prefix(prefix.as_bytes()).map(Key::new);
        // Markers of folders, which some tools make, are no objects of ours.
        let Some(Ok(key)) = key else {
            return Ok(ControlFlow::Continue(()));
        };
        let size = size.ok_or_else(|| Failure::Nonsense(format!("the listing has no size for {key}")))?;
        Ok(each(ObjectMeta { key, size }))
    }
}

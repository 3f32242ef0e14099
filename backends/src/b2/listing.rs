use std::ops::ControlFlow;

use engine_api::{Key, ObjectMeta};
use serde::Deserialize;
use serde_json::json;

use super::B2;
use crate::http::Failure;

type Each<'a> = dyn FnMut(ObjectMeta) -> ControlFlow<()> + 'a;

/// As many as the service counts as one transaction.
const PAGE: u32 = 1000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    files: Vec<File>,
    next_file_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    file_name: String,
    content_length: Option<u64>,
    action: String,
}

/// Hands over the objects at or below `folder`, which ends in no slash, page by page.
pub(super) fn list(b2: &B2, folder: &str, each: &mut Each<'_>) -> Result<(), Failure> {
    let prefix = format!("{}{folder}", b2.prefix);
    let mut start: Option<String> = None;
    loop {
        let arguments = json!({
            "bucketId": b2.bucket_id,
            "prefix": prefix,
            "startFileName": start,
            "maxFileCount": PAGE,
        });
        let page: Page = b2.ask("b2_list_file_names", &arguments)?;
        for file in page.files {
            if let Some(object) = object(b2, folder, file)
                && each(object?).is_break()
            {
                return Ok(());
            }
        }
        match page.next_file_name {
            None => return Ok(()),
            next if next == start => {
                return Err(Failure::Nonsense("the service's listing does not go on".to_owned()));
            }
            next => start = next,
        }
    }
}

/// The object that `file` is, if it lies at or below `folder`.
fn object(b2: &B2, folder: &str, file: File) -> Option<Result<ObjectMeta, Failure>> {
    if file.action != "upload" {
        return None;
    }
    let name = file.file_name.strip_prefix(&b2.prefix)?;
    let below = name.strip_prefix(folder)?;
    if !(folder.is_empty() || below.is_empty() || below.starts_with('/')) {
        return None;
    }
    let key = Key::new(name).ok()?;
    let size = file.content_length;
    let size = size.ok_or_else(|| Failure::Nonsense(format!("the listing has no size for {key}")));
    Some(size.map(|size| ObjectMeta { key, size }))
}

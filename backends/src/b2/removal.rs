use serde::Deserialize;
use serde_json::{Value, json};

use super::B2;
use crate::http::Failure;

/// More versions than a file ever has here.
const PAGE: u32 = 100;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    files: Vec<Version>,
    next_file_name: Option<String>,
    next_file_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    file_name: String,
    file_id: String,
    action: String,
}

/// Removes every version of the file `name`, the oldest first: so the newest hides the others to the end.
pub(super) fn remove(b2: &B2, name: &str) -> Result<(), Failure> {
    let versions = versions(b2, name)?;
    let visible = versions.first().is_some_and(|version| version.action == "upload");
    if !visible {
        return Err(Failure::not_found("the bucket has no such file"));
    }
    if !b2.session().may("deleteFiles") {
        let arguments = json!({ "bucketId": b2.bucket_id, "fileName": name });
        return b2.ask::<Value>("b2_hide_file", &arguments).map(|_| ());
    }
    for version in versions.iter().rev() {
        let arguments = json!({ "fileName": name, "fileId": version.file_id });
        b2.ask::<Value>("b2_delete_file_version", &arguments)?;
    }
    Ok(())
}

/// The versions of `name`, the newest first, without large files that are still being sent.
fn versions(b2: &B2, name: &str) -> Result<Vec<Version>, Failure> {
    let mut found = Vec::new();
    let (mut next_name, mut next_id) = (Some(name.to_owned()), None);
    while next_name.as_deref() == Some(name) {
        let arguments = json!({
            "bucketId": b2.bucket_id,
            "prefix": name,
            "startFileName": next_name,
            "startFileId": next_id,
            "maxFileCount": PAGE,
        });
        let page: Page = b2.ask("b2_list_file_versions", &arguments)?;
        let own = page.files.into_iter().filter(|version| version.file_name == name);
        found.extend(own.filter(|version| matches!(version.action.as_str(), "upload" | "hide")));
        if page.next_file_id.is_some() && page.next_file_id == next_id {
            return Err(Failure::Nonsense("the service's listing does not go on".to_owned()));
        }
        (next_name, next_id) = (page.next_file_name, page.next_file_id);
    }
    Ok(found)
}

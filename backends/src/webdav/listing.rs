use std::ops::ControlFlow;
use std::sync::PoisonError;
use std::time::Duration;

use engine_api::{Key, ObjectMeta};

use super::multistatus::{PROPERTIES, Resource, each as each_resource};
use super::{TEMPORARY, WebDav};
use crate::http::Failure;

type Each<'a> = dyn FnMut(ObjectMeta) -> ControlFlow<()> + 'a;

/// An upload takes less; what is older was left behind.
const OLD: Duration = Duration::from_hours(24);

/// More than a machine that crashes daily leaves behind in a year; the next listing finds the rest.
const KEPT: usize = 1024;

/// Hands over the objects at or below `folder`, folder by folder.
pub(super) fn list(dav: &WebDav, folder: &[u8], each: &mut Each<'_>) -> Result<(), Failure> {
    let mut folders = vec![folder.to_vec()];
    while let Some(folder) = folders.pop() {
        if one(dav, &folder, &mut folders, each)?.is_break() {
            return Ok(());
        }
    }
    Ok(())
}

/// One folder, whose folders are added to `folders`. A folder that is gone has no objects.
fn one(
    dav: &WebDav,
    folder: &[u8],
    folders: &mut Vec<Vec<u8>>,
    each: &mut Each<'_>,
) -> Result<ControlFlow<()>, Failure> {
    let url = dav.address.url(folder);
    let answer = dav.look(&url, "1", PROPERTIES)?;
    if answer.status == 404 {
        answer.finish()?;
        return Ok(ControlFlow::Continue(()));
    }
    let path = dav.address.path(folder);
    each_resource(answer.expect(&[207])?, |resource| {
        if resource.path == path && resource.is_folder {
            return Ok(ControlFlow::Continue(()));
        }
        let name = name_of(&resource.path, &path, folder)
            .ok_or_else(|| Failure::Nonsense("the server lists what lies elsewhere".to_owned()))?;
        if resource.is_folder {
            folders.push(name);
            return Ok(ControlFlow::Continue(()));
        }
        object(dav, name, &resource, each)
    })
}

/// The name of what lies at `path`, in a listing of `folder`, which lies at `above`.
fn name_of(path: &[u8], above: &[u8], folder: &[u8]) -> Option<Vec<u8>> {
    let below = path.strip_prefix(above)?;
    if below.is_empty() {
        return Some(folder.to_vec());
    }
    let part = below.strip_prefix(b"/").filter(|part| !part.contains(&b'/'))?;
    if folder.is_empty() {
        return Some(part.to_vec());
    }
    Some([folder, b"/", part].concat())
}

fn object(dav: &WebDav, name: Vec<u8>, resource: &Resource, each: &mut Each<'_>) -> Result<ControlFlow<()>, Failure> {
    let last = name.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    if last.starts_with(TEMPORARY.as_bytes()) {
        if is_old(&resource.modified) {
            note(dav, name);
        }
        return Ok(ControlFlow::Continue(()));
    }
    let Ok(key) = Key::new(name) else {
        return Ok(ControlFlow::Continue(()));
    };
    let size = resource.size()?;
    Ok(each(ObjectMeta { key, size }))
}

fn is_old(modified: &str) -> bool {
    let Ok(time) = jiff::fmt::rfc2822::parse(modified) else {
        return false;
    };
    let age = jiff::Timestamp::now().duration_since(time.timestamp());
    Duration::try_from(age).is_ok_and(|age| age > OLD)
}

/// Reading changes nothing, so the next put removes it.
fn note(dav: &WebDav, name: Vec<u8>) {
    let mut names = dav.leftovers.lock().unwrap_or_else(PoisonError::into_inner);
    if names.len() < KEPT {
        names.push(name);
    }
}

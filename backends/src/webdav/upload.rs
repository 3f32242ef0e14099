use std::hash::{BuildHasher, RandomState};
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use engine_api::{Body, Cause, Key, PutMode, StoreErrorKind};

use super::multistatus::{PROPERTIES, single};
use super::{TEMPORARY, WebDav, is_reserved};
use crate::http::{Failure, escape};

pub(super) fn put(dav: &WebDav, key: &Key, body: Body<'_>, mode: PutMode) -> Result<(), Failure> {
    let name = key.as_bytes();
    if is_reserved(name) {
        let cause = Cause::new("such names are for temporary objects").lasting();
        return Err(Failure::Known(StoreErrorKind::Other, cause));
    }
    sweep(dav);
    let folder = name
        .iter()
        .rposition(|&byte| byte == b'/')
        .and_then(|end| name.get(..=end));
    let folder = folder.unwrap_or_default();
    let temporary = [folder, temporary_name().as_bytes()].concat();
    let done = upload(dav, folder, &temporary, body).and_then(|()| give_name(dav, &temporary, name, mode));
    if done.is_err() {
        // Whatever has arrived; when this fails, too, a later put finds it.
        let _ = dav.send("DELETE", &temporary);
    }
    done
}

/// Sends the body; the folder is made when it is not there.
fn upload(dav: &WebDav, folder: &[u8], temporary: &[u8], body: Body<'_>) -> Result<(), Failure> {
    let url = dav.address.url(temporary);
    let send = || {
        let call = dav
            .call("PUT", &url)
            .header("content-type", "application/octet-stream")
            .body(body);
        dav.client.send(call)?.expect(&[200, 201, 204])?.finish()
    };
    match send() {
        Err(Failure::Refused(refusal)) if matches!(refusal.status, 404 | 409) && !folder.is_empty() => {
            make(dav, folder.strip_suffix(b"/").unwrap_or(folder))?;
            send()
        }
        other => other,
    }
}

/// Makes `folder` and what is missing above it.
fn make(dav: &WebDav, folder: &[u8]) -> Result<(), Failure> {
    let _alone = dav.making.lock().unwrap_or_else(PoisonError::into_inner);
    let ends = (0..folder.len()).filter(|&end| folder.get(end) == Some(&b'/'));
    for end in ends.chain([folder.len()]) {
        make_one(dav, folder.get(..end).unwrap_or_default())?;
    }
    Ok(())
}

/// Makes one folder; one that is there is as good, however the server says so.
fn make_one(dav: &WebDav, folder: &[u8]) -> Result<(), Failure> {
    let url = format!("{}/", dav.address.url(folder));
    let answer = dav.client.send(dav.call("MKCOL", &url))?;
    if matches!(answer.status, 200 | 201 | 405) {
        return answer.finish();
    }
    let refusal = answer.refusal();
    let answer = dav.look(&url, "0", PROPERTIES)?;
    if answer.status == 207 && single(answer)?.is_folder {
        return Ok(());
    }
    Err(refusal.into())
}

/// Moves the temporary object to its own name, first as if the name were free, which it mostly is.
fn give_name(dav: &WebDav, temporary: &[u8], name: &[u8], mode: PutMode) -> Result<(), Failure> {
    let (from, to) = (dav.address.url(temporary), dav.address.url(name));
    let rename = |overwrite: &str| {
        let call = dav
            .call("MOVE", &from)
            .header("destination", to.as_str())
            .header("overwrite", overwrite);
        dav.client.send(call)?.expect(&[201, 204])?.finish()
    };
    match rename("F") {
        Err(failure) if failure.kind() == StoreErrorKind::AlreadyExists && mode == PutMode::Replace => rename("T"),
        other => other,
    }
}

/// Removes what dead writers left; what cannot be removed stays, as invisible as before.
fn sweep(dav: &WebDav) {
    let names = std::mem::take(&mut *dav.leftovers.lock().unwrap_or_else(PoisonError::into_inner));
    for name in names {
        let _ = dav.send("DELETE", &name);
    }
}

/// A name that nobody else uses, on whichever machine.
fn temporary_name() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let random = RandomState::new().hash_one(std::process::id());
    let name = format!("{TEMPORARY}{random:016x}-{number:x}");
    debug_assert_eq!(escape::path(name.as_bytes()), name);
    name
}

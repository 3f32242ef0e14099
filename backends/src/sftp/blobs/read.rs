use std::sync::Arc;

use engine_api::StoreErrorKind;

use super::size_of;
use crate::sftp::errors::Problem;
use crate::sftp::link::Link;
use crate::sftp::requests::{Handle, Opening, Requests};
use crate::sftp::transfer;
use crate::sftp::wire::{Attributes, flag};

/// Its size is asked for on the way, by its name; what lies there once it is open is what counts.
pub(super) fn whole(link: &Arc<Link>, path: &[u8]) -> Result<Vec<u8>, Problem> {
    let size = link.stat(path)?;
    let opening = open(link, path)?;
    let size = size.attributes().and_then(|found| size_of(&found));
    let file = opening.handle()?;
    let asked = file.attributes()?;
    let mut bytes = room(size?)?;
    let read = transfer::read(&file, 0, &mut bytes)?;
    let size = size_of(&asked.attributes()?)?;
    if size != bytes.len() as u64 {
        // Another object came to this name meanwhile.
        bytes = room(size)?;
        fill(&file, 0, &mut bytes, size)?;
    } else if read < bytes.len() {
        let (found, wanted) = (read as u64, size);
        return Err(Problem::Truncated { found, wanted });
    }
    Ok(bytes)
}

pub(super) fn range(link: &Arc<Link>, path: &[u8], offset: u64, buffer: &mut [u8]) -> Result<(), Problem> {
    let size = link.stat(path)?;
    let opening = open(link, path)?;
    let size = size.attributes().and_then(|found| size_of(&found));
    let file = opening.handle()?;
    fill(&file, offset, buffer, size?)
}

fn open(link: &Arc<Link>, path: &[u8]) -> Result<Opening, Problem> {
    link.open_file(path, flag::READ, &Attributes::default())
}

fn room(size: u64) -> Result<Vec<u8>, Problem> {
    let length = usize::try_from(size).map_err(|_| too_large())?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(|_| too_large())?;
    bytes.resize(length, 0);
    Ok(bytes)
}

fn fill(file: &Handle, offset: u64, buffer: &mut [u8], size: u64) -> Result<(), Problem> {
    let wanted = offset.saturating_add(buffer.len() as u64);
    if wanted > size {
        return Err(Problem::Truncated { found: size, wanted });
    }
    let read = transfer::read(file, offset, buffer)?;
    if read < buffer.len() {
        let found = offset + read as u64;
        return Err(Problem::Truncated { found, wanted });
    }
    Ok(())
}

fn too_large() -> Problem {
    Problem::known(StoreErrorKind::Other, "it does not fit into this machine's memory")
}

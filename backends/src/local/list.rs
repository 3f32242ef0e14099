use std::ops::ControlFlow;
use std::os::fd::OwnedFd;

use engine_api::{Key, ObjectMeta};
use rustix::fs::{self, AtFlags, Dir, FileType, Stat};
use rustix::io::Errno;

use super::TEMPORARY;
use super::leftovers::Leftovers;
use super::root::{Root, open_folder, size_if_regular};

type Each<'a> = dyn FnMut(ObjectMeta) -> ControlFlow<()> + 'a;

/// Hands over the objects at or below `folder`; memory does not grow with their number.
pub(super) fn list(root: &Root, leftovers: &Leftovers, folder: &str, each: &mut Each<'_>) -> Result<(), Errno> {
    let name = folder.trim_end_matches('/').as_bytes();
    let opened = match open_folder(root, name) {
        Err(Errno::NOENT) => return Ok(()),
        Err(Errno::NOTDIR) => return single(root, name, each),
        other => other?,
    };
    let mut walk = Walk {
        leftovers,
        each,
        above: Vec::new(),
    };
    walk.folder(opened, name).map(|_| ())
}

/// `name` is no folder: it may be an object.
fn single(root: &Root, name: &[u8], each: &mut Each<'_>) -> Result<(), Errno> {
    let Ok(key) = Key::new(name) else {
        return Ok(());
    };
    match super::root::regular_size(root, name) {
        Ok(size) => {
            let _ = each(ObjectMeta { key, size });
            Ok(())
        }
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
        Err(errno) => Err(errno),
    }
}

struct Walk<'a> {
    leftovers: &'a Leftovers,
    each: &'a mut Each<'a>,
    /// The folders above, so that a symbolic link to one of them does not lead round in circles.
    above: Vec<(u64, u64)>,
}

impl Walk<'_> {
    fn folder(&mut self, folder: OwnedFd, name: &[u8]) -> Result<ControlFlow<()>, Errno> {
        let stat = fs::fstat(&folder)?;
        let identity = (stat.st_dev, stat.st_ino);
        if self.above.contains(&identity) {
            return Ok(ControlFlow::Continue(()));
        }
        self.above.push(identity);
        let mut flow = ControlFlow::Continue(());
        for item in Dir::read_from(&folder)? {
            let item = item?;
            let part = item.file_name().to_bytes();
            if part != b"." && part != b".." {
                flow = self.item(&folder, name, part, item.file_type())?;
            }
            if flow.is_break() {
                break;
            }
        }
        self.above.pop();
        Ok(flow)
    }

    fn item(
        &mut self,
        folder: &OwnedFd,
        above: &[u8],
        part: &[u8],
        file_type: FileType,
    ) -> Result<ControlFlow<()>, Errno> {
        let name = join(above, part);
        if part.starts_with(TEMPORARY) {
            self.leftovers.note(&name);
            return Ok(ControlFlow::Continue(()));
        }
        if file_type == FileType::Directory {
            return self.below(folder, part, &name);
        }
        match fs::statat(folder, part, AtFlags::empty()) {
            Ok(stat) if is_folder(&stat) => self.below(folder, part, &name),
            Ok(stat) => Ok(self.object(name, &stat)),
            // It was removed in the meantime, or is a link to nowhere.
            Err(Errno::NOENT | Errno::LOOP) => Ok(ControlFlow::Continue(())),
            Err(errno) => Err(errno),
        }
    }

    fn below(&mut self, folder: &OwnedFd, part: &[u8], name: &[u8]) -> Result<ControlFlow<()>, Errno> {
        match open_folder(folder, part) {
            Ok(opened) => self.folder(opened, name),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(ControlFlow::Continue(())),
            Err(errno) => Err(errno),
        }
    }

    fn object(&mut self, name: Vec<u8>, stat: &Stat) -> ControlFlow<()> {
        match (Key::new(name), size_if_regular(stat)) {
            (Ok(key), Ok(size)) => (self.each)(ObjectMeta { key, size }),
            _ => ControlFlow::Continue(()),
        }
    }
}

fn is_folder(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

fn join(above: &[u8], part: &[u8]) -> Vec<u8> {
    if above.is_empty() {
        return part.to_vec();
    }
    [above, b"/", part].concat()
}

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;

use engine_api::{Key, ObjectMeta, StoreErrorKind};

use super::{Blobs, TEMPORARY, size_of};
use crate::sftp::errors::Problem;
use crate::sftp::link::Link;
use crate::sftp::requests::{Answer, Handle, Name, Opening, Requests};
use crate::sftp::root::{Root, join};
use crate::sftp::wire::{Attributes, FileKind};

type Each<'a> = dyn FnMut(ObjectMeta) -> ControlFlow<()> + 'a;

/// Folders that are read at once.
const FOLDERS: usize = 32;

/// Answers of one folder that are asked for at once.
const AHEAD: usize = 3;

/// Hands over the objects at or below `folder`; memory grows with the number of folders, not of objects.
pub(super) fn list(store: &Blobs, folder: &str, each: &mut Each<'_>) -> Result<(), Problem> {
    let link = store.root.client.link()?;
    let name = folder.trim_end_matches('/').as_bytes();
    let path = store.root.path_of(name);
    let found = link.stat(&path)?;
    let before = store.root.ask(&link)?;
    let opening = link.open_folder(&path)?;
    let after = store.root.ask(&link)?;
    let found = match found.attributes() {
        Err(problem) if problem.is(StoreErrorKind::NotFound) => {
            // Nothing there is one thing, no destination another.
            store.root.check(before)?;
            if after.is_some() {
                return store.root.check(after);
            }
            let problem = store.root.explain(&link, problem);
            return if problem.is(StoreErrorKind::NotFound) {
                Ok(())
            } else {
                Err(problem)
            };
        }
        other => other?,
    };
    let mut walk = Walk {
        store,
        link: &link,
        each,
        waiting: Vec::new(),
        open: VecDeque::new(),
    };
    if matches!(found.kind(), FileKind::Folder | FileKind::Unknown) {
        let name = name.to_vec();
        walk.open.push_back(Folder::Opening { name, opening });
        if walk.run()?.is_break() {
            return Ok(());
        }
    } else {
        let _ = walk.object(name.to_vec(), &found);
    }
    // A destination that went away would look like one with fewer objects: OpenSSH ends a listing that cannot be read on as
    // it ends one that is complete. So this is asked when the last name is there, and not before.
    store.root.check(before)?;
    store.root.check(store.root.ask(&link)?)
}

struct Walk<'a> {
    store: &'a Blobs,
    link: &'a Arc<Link>,
    each: &'a mut Each<'a>,
    /// Folders that are still to be opened.
    waiting: Vec<Vec<u8>>,
    open: VecDeque<Folder>,
}

/// A folder on its way.
enum Folder {
    Opening {
        name: Vec<u8>,
        opening: Opening,
    },
    Open {
        name: Vec<u8>,
        handle: Handle,
        answers: VecDeque<Answer>,
    },
}

impl Walk<'_> {
    /// Always takes the oldest question's answer: that is the one the server gives first.
    fn run(&mut self) -> Result<ControlFlow<()>, Problem> {
        loop {
            while self.open.len() < FOLDERS
                && let Some(name) = self.waiting.pop()
            {
                let opening = self.link.open_folder(&self.store.root.path_of(&name))?;
                self.open.push_back(Folder::Opening { name, opening });
            }
            let Some(folder) = self.open.pop_front() else {
                return Ok(ControlFlow::Continue(()));
            };
            if self.step(folder)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
    }

    fn step(&mut self, folder: Folder) -> Result<ControlFlow<()>, Problem> {
        let (name, handle, mut answers) = match folder {
            Folder::Opening { name, opening } => match opening.handle() {
                // It was removed in the meantime.
                Err(problem) if problem.is(StoreErrorKind::NotFound) => return Ok(ControlFlow::Continue(())),
                other => (name, other?, VecDeque::new()),
            },
            Folder::Open { name, handle, answers } => (name, handle, answers),
        };
        let found = answers.pop_front().map(Answer::names).transpose()?;
        if matches!(found, Some(None)) {
            return Ok(ControlFlow::Continue(()));
        }
        while answers.len() < AHEAD {
            answers.push_back(handle.names()?);
        }
        for one in found.flatten().into_iter().flatten() {
            if self.entry(&name, one)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        self.open.push_back(Folder::Open { name, handle, answers });
        Ok(ControlFlow::Continue(()))
    }

    fn entry(&mut self, above: &[u8], entry: Name) -> Result<ControlFlow<()>, Problem> {
        let part = entry.name.as_slice();
        if part == b"." || part == b".." || part.contains(&b'/') {
            return Ok(ControlFlow::Continue(()));
        }
        let name = if above.is_empty() {
            part.to_vec()
        } else {
            join(above, part)
        };
        if part.starts_with(TEMPORARY) {
            let changed = entry.attributes.times.map(|(_, changed)| changed);
            self.store.leftovers.note(&self.store.root.path_of(&name), changed);
            return Ok(ControlFlow::Continue(()));
        }
        match entry.attributes.kind() {
            FileKind::Folder => self.waiting.push(name),
            FileKind::Symlink | FileKind::Unknown => return self.look(above, name),
            _ => return Ok(self.object(name, &entry.attributes)),
        }
        Ok(ControlFlow::Continue(()))
    }

    /// What a symbolic link leads to; round in circles it is not followed.
    fn look(&mut self, above: &[u8], name: Vec<u8>) -> Result<ControlFlow<()>, Problem> {
        let root: &Root = &self.store.root;
        let path = root.path_of(&name);
        let found = match self.link.stat(&path)?.attributes() {
            // It was removed in the meantime, or leads nowhere.
            Err(problem) if problem.is(StoreErrorKind::NotFound) => return Ok(ControlFlow::Continue(())),
            other => other?,
        };
        if found.kind() != FileKind::Folder {
            return Ok(self.object(name, &found));
        }
        let here = self.link.real_path(&root.path_of(above))?;
        let there = self.link.real_path(&path)?.name()?;
        let rest = here.name()?;
        let leads_back = rest
            .strip_prefix(there.as_slice())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/") || there.ends_with(b"/"));
        if !leads_back {
            self.waiting.push(name);
        }
        Ok(ControlFlow::Continue(()))
    }

    fn object(&mut self, name: Vec<u8>, attributes: &Attributes) -> ControlFlow<()> {
        match (Key::new(name), size_of(attributes)) {
            (Ok(key), Ok(size)) => (self.each)(ObjectMeta { key, size }),
            _ => ControlFlow::Continue(()),
        }
    }
}

//! Folders that are being filled, and what waits until they are.

use std::path::{Path, PathBuf};

use engine_api::{Change, EntryKind, Metadata, Overwrite};
use fstree::Made;

use super::Context;
use super::extra::Extra;
use super::pool::Pool;

/// Folders and links that wait at the most.
const MOST: usize = 4096;

/// The folders above where the restore is, and what is done when all before it is written.
#[derive(Default)]
pub(super) struct Folders {
    open: Vec<Frame>,
    /// Folders that nothing more is put into, with what they get.
    done: Vec<(PathBuf, Metadata)>,
    links: Vec<Link>,
    /// The folder that was last seen to be there, without being part of the restore.
    led: PathBuf,
}

/// A folder that is being filled.
struct Frame {
    path: PathBuf,
    /// What it gets in the end; nothing when it was there and only leads to what is restored.
    metadata: Option<Metadata>,
    extra: Option<Extra>,
}

/// Another name of a file.
pub(super) struct Link {
    /// Its first name.
    pub existing: PathBuf,
    /// The other.
    pub new: PathBuf,
    /// What it is.
    pub kind: EntryKind,
}

impl Folders {
    /// Leaves the folders that `path` is not in, and sees to it that the one it is in exists.
    pub(super) fn go_to(&mut self, context: &Context<'_>, path: &Path) {
        while self
            .open
            .last()
            .is_some_and(|frame| !path.starts_with(&frame.path) || path == frame.path)
        {
            self.leave(context);
        }
        let parent = path.parent().unwrap_or(Path::new("/"));
        if let Some(frame) = self.open.last_mut() {
            if let Some(extra) = &mut frame.extra {
                extra.up_to(context, path);
            }
            if frame.path == parent {
                return;
            }
        }
        if self.led != parent && !context.dry_run {
            lead_to(context, parent);
            parent.clone_into(&mut self.led);
        }
    }

    /// Makes a folder, and stays in it.
    pub(super) fn enter(&mut self, context: &Context<'_>, path: PathBuf, metadata: Metadata, wanted: bool) {
        let made = match make(context, &path) {
            Ok(made) => made,
            Err(error) => {
                context.counters.failed(&path, "create the folder", &error);
                return;
            }
        };
        if wanted {
            let change = if made == Made::Created {
                Change::New
            } else {
                Change::Changed
            };
            context.counters.finished(&path, EntryKind::Dir, change, 0);
        }
        let ours = (made == Made::Created || wanted) && !context.dry_run;
        self.open.push(Frame {
            extra: (wanted && context.delete_extra && made == Made::Existed)
                .then(|| Extra::of(context, &path))
                .flatten(),
            path,
            metadata: ours.then_some(metadata),
        });
    }

    /// Notes another name of a file.
    pub(super) fn link(&mut self, link: Link) {
        self.links.push(link);
    }

    /// From here on nobody knows what is extra.
    pub(super) fn spare_extra(&mut self) {
        self.open.iter_mut().for_each(|frame| frame.extra = None);
    }

    /// Does what waits, if that is much.
    pub(super) fn settle_if_many(&mut self, context: &Context<'_>, pool: &Pool) {
        if self.done.len() + self.links.len() >= MOST {
            self.settle(context, pool);
        }
    }

    /// Leaves all folders and does what waits.
    pub(super) fn finish(&mut self, context: &Context<'_>, pool: &Pool) {
        while !self.open.is_empty() {
            self.leave(context);
        }
        self.settle(context, pool);
    }

    fn leave(&mut self, context: &Context<'_>) {
        let Some(frame) = self.open.pop() else { return };
        if let Some(extra) = frame.extra {
            extra.rest(context);
        }
        self.done.extend(frame.metadata.map(|metadata| (frame.path, metadata)));
    }

    fn settle(&mut self, context: &Context<'_>, pool: &Pool) {
        pool.wait();
        if context.progress.cancelled() {
            return;
        }
        for one in self.links.drain(..) {
            link(context, &one);
        }
        for (path, metadata) in self.done.drain(..) {
            context.counters.problems(context.target.set_metadata(&path, &metadata));
        }
    }
}

fn make(context: &Context<'_>, path: &Path) -> std::io::Result<Made> {
    if context.dry_run {
        let there = context.target.stat(path).unwrap_or_default();
        return Ok(there.map_or(Made::Created, |_| Made::Existed));
    }
    let replace = matches!(context.overwrite, Overwrite::Always | Overwrite::IfChanged);
    context.target.make_dir(path, replace)
}

/// Makes the folders that lead to something restored and are no part of the restore themselves.
fn lead_to(context: &Context<'_>, folder: &Path) {
    let mut path = PathBuf::from("/");
    for name in folder.iter().skip(1) {
        path.push(name);
        match context.target.make_dir(&path, false) {
            Ok(Made::Existed) => {}
            Ok(Made::Created) => {
                // What they were is not known here; nobody was ever hurt by the usual.
                if let Ok((mut metadata, _)) = context.target.metadata(&path) {
                    metadata.mode = 0o755;
                    context.counters.problems(context.target.set_metadata(&path, &metadata));
                }
            }
            Err(error) => return context.counters.failed(&path, "create the folder", &error),
        }
    }
}

fn link(context: &Context<'_>, link: &Link) {
    if context.dry_run {
        return;
    }
    let Link { existing, new, kind } = link;
    let look = |path: &Path| context.target.stat(path).ok().flatten();
    if let (Some(one), Some(other)) = (look(existing), look(new)) {
        let newer = context.overwrite == Overwrite::IfNewer && other.mtime >= one.mtime;
        if one.same_inode(&other) || newer || context.overwrite == Overwrite::Never {
            return context.counters.finished(new, *kind, Change::Unchanged, 0);
        }
    }
    match context.target.hard_link(existing, new) {
        Ok(()) => context.counters.finished(new, *kind, Change::New, 0),
        Err(error) => context.counters.failed(new, "link", &error),
    }
}

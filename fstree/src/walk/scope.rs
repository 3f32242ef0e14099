//! What of a folder belongs to the walk.

use std::ffi::CStr;
use std::io;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};

use super::Step;
use super::listing::{NameTable, Reader};
use super::plan::Node;
use crate::Stat;
use crate::dir::Dir;
use crate::found::open_file;
use crate::pattern::{Matcher, Place, Scanner};

/// What holds for the whole walk.
pub(super) struct Rules {
    pub(super) excludes: Option<Matcher>,
    pub(super) exclude_caches: bool,
    pub(super) one_file_system: bool,
}

/// What holds for one folder.
#[derive(Debug)]
pub(super) struct Scope {
    /// The includes that lie at it or below it.
    plan: Option<Arc<Node>>,
    /// Whether everything in it is wanted, or only what leads to an include.
    whole: bool,
    /// The filesystem that its content must lie on.
    device: Option<u64>,
    /// Where the excludes stand; `None` when none can match below it.
    place: Option<Place>,
}

impl Scope {
    /// Of the root folder.
    pub(super) fn root(plan: Arc<Node>, rules: &Rules, device: u64) -> Self {
        let scanner = rules.excludes.as_ref().map(Matcher::scanner);
        let excluded = scanner
            .as_ref()
            .is_some_and(|scanner| scanner.verdict(&scanner.start()).applies_to(true));
        let whole = plan.whole && !excluded;
        Self {
            whole,
            device: (rules.one_file_system && whole).then_some(device),
            plan: (!excluded).then_some(plan),
            place: scanner.map(|scanner| scanner.start()),
        }
    }

    /// Of the folder `name` in this one, which lies on `device`.
    pub(super) fn child(
        &self,
        name: &CStr,
        device: u64,
        rules: &Rules,
        scanner: Option<&mut Scanner>,
    ) -> (Self, Option<&'static str>) {
        let plan = self.plan.as_ref().and_then(|plan| plan.children.get(name)).cloned();
        let named = plan.as_ref().is_some_and(|plan| plan.whole);
        let mounted = !named && self.device.is_some_and(|expected| expected != device);
        let whole = named || (self.whole && !mounted);
        let place = self.place.as_ref().zip(scanner).and_then(|(place, scanner)| {
            let place = scanner.enter(place, name.to_bytes());
            (!scanner.verdict(&place).dead).then_some(place)
        });
        let expected = if named { Some(device) } else { self.device };
        let scope = Self {
            plan,
            whole,
            device: expected.filter(|_| rules.one_file_system && whole),
            place,
        };
        let notice = (mounted && self.whole).then_some("another filesystem is mounted here; its content is left out");
        (scope, notice)
    }

    /// What to say of an entry that is left out because it is a file mounted from another filesystem.
    pub(super) fn foreign(&self, dir: &Dir, name: &CStr, stat: &Stat) -> Option<Step> {
        let expected = self.device?;
        if stat.is_dir() || stat.device == expected || self.promises(name) {
            return None;
        }
        let path = dir.path_of(name);
        Some(Step::Notice(format!(
            "{}: mounted from another filesystem and left out",
            path.display()
        )))
    }

    /// Whether an include names this very entry or something below it.
    pub(super) fn promises(&self, name: &CStr) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.children.contains_key(name))
    }

    /// Whether an include names the folder or something below it.
    pub(super) fn is_promised(&self) -> bool {
        self.plan.is_some()
    }

    /// The names that are wanted.
    pub(super) fn names(
        &self,
        dir: &Dir,
        fd: &OwnedFd,
        rules: &Rules,
        reader: &mut Reader,
        messages: &mut Vec<Step>,
    ) -> io::Result<NameTable> {
        if self.whole && !(rules.exclude_caches && is_cache(dir, fd, messages)) {
            return self.read_names(dir, fd, reader, messages);
        }
        let mut table = NameTable::default();
        let planned = self
            .plan
            .iter()
            .flat_map(|plan| plan.children.keys())
            .map(|name| name.as_c_str());
        let tag = self.whole.then_some(TAG);
        for name in planned.filter(|name| Some(*name) != tag).chain(tag) {
            self.add(&mut table, name, reader.scanner.as_mut())?;
        }
        table.sort();
        Ok(table)
    }

    fn read_names(
        &self,
        dir: &Dir,
        fd: &OwnedFd,
        reader: &mut Reader,
        messages: &mut Vec<Step>,
    ) -> io::Result<NameTable> {
        let mut table = NameTable::default();
        let mut added = Ok(());
        let mut scanner = reader.scanner.take();
        let read = reader.names(fd, &mut |name| {
            if added.is_ok() {
                added = self.add(&mut table, name, scanner.as_mut());
            }
        });
        reader.scanner = scanner;
        added?;
        match read {
            // What was read before the error is still saved.
            Err(error) if table.len() > 0 => messages.push(Step::Problem(super::problem(dir.path(), "list", &error))),
            other => other?,
        }
        table.sort();
        Ok(table)
    }

    fn add(&self, table: &mut NameTable, name: &CStr, scanner: Option<&mut Scanner>) -> io::Result<()> {
        let verdict = match (&self.place, scanner) {
            (Some(place), Some(scanner)) => scanner.entry(place, name.to_bytes()),
            _ => crate::pattern::Verdict::default(),
        };
        if verdict.any {
            return Ok(());
        }
        table.push(name, verdict.folder)
    }
}

const TAG: &CStr = c"CACHEDIR.TAG";
const SIGNATURE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";

/// Whether the folder is marked as a cache, by the rules of <https://bford.info/cachedir/>.
fn is_cache(dir: &Dir, fd: &OwnedFd, messages: &mut Vec<Step>) -> bool {
    match read_tag(fd) {
        Ok(true) => {
            let text = "a cache by its CACHEDIR.TAG; its content is left out";
            messages.push(Step::Notice(format!("{}: {text}", dir.path().display())));
            true
        }
        Ok(false) => {
            let text = "its CACHEDIR.TAG has not the signature of one, so it is saved whole";
            messages.push(Step::Notice(format!("{}: {text}", dir.path().display())));
            false
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => {
            let text = "its CACHEDIR.TAG cannot be read, so it is saved whole";
            messages.push(Step::Notice(format!("{}: {text} ({error})", dir.path().display())));
            false
        }
    }
}

/// Whether a folder is marked as a cache, by the rules of <https://bford.info/cachedir/>.
///
/// # Errors
/// When the folder or its mark cannot be read.
pub fn is_cache_folder(folder: &Path) -> io::Result<bool> {
    let fd = rustix::fs::open(
        folder,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    match read_tag(&fd) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        answer => answer,
    }
}

fn read_tag(fd: &OwnedFd) -> io::Result<bool> {
    let tag = open_file(fd, TAG)?;
    if !Stat::from(rustix::fs::fstat(&tag)?).is_file() {
        return Ok(false);
    }
    let mut start = Vec::with_capacity(SIGNATURE.len());
    std::fs::File::from(tag)
        .take(SIGNATURE.len() as u64)
        .read_to_end(&mut start)?;
    Ok(start == SIGNATURE)
}

//! What several tests need.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use engine_api::{EntryKind, Metadata, Problem, Selection};
use fstree::{Found, Names, Step, Target, TargetOptions, Walk, WalkOptions};

/// A folder for one test, that goes away with all in it, however deep it is and whatever its modes are.
pub struct Scratch(tempfile::TempDir);

impl Scratch {
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let above = Target::open(self.path().parent().unwrap(), TargetOptions::default()).unwrap();
        let removed = above.remove(self.path().file_name().unwrap().as_ref());
        assert!(removed.is_ok() || std::thread::panicking(), "{removed:?}");
    }
}

pub fn folder() -> Scratch {
    Scratch(tempfile::Builder::new().prefix("fstree-").tempdir().unwrap())
}

/// A selection of one folder.
pub fn all_of(path: &Path) -> Selection {
    select(path, &[""], &[])
}

/// A selection of paths below a folder.
pub fn select(root: &Path, includes: &[&str], excludes: &[&str]) -> Selection {
    let at_root = |rest: &&str| {
        let root = fstree::pattern::literal(root.as_os_str().as_bytes());
        if rest.is_empty() {
            root
        } else {
            [root.as_slice(), b"/", rest.as_bytes()].concat()
        }
    };
    Selection {
        includes: includes.iter().map(at_root).collect(),
        excludes: excludes.iter().map(|pattern| pattern.as_bytes().to_vec()).collect(),
        ..Selection::default()
    }
}

/// What a walk delivered.
#[derive(Debug, Default, PartialEq)]
pub struct Delivered {
    /// Paths below the root in order, folders with a slash at the end.
    pub entries: Vec<String>,
    pub problems: Vec<Problem>,
    pub notices: Vec<String>,
}

/// Walks, checks that entering and leaving fit the paths, and leaves out what is not below `root`.
pub fn walk(root: &Path, selection: &Selection, threads: usize) -> Delivered {
    let mut delivered = Delivered::default();
    let mut inside: Vec<PathBuf> = vec![PathBuf::from("/")];
    let mut note = |found: &Found, inside: &[PathBuf], slash: &str| {
        assert_eq!(
            found.path().parent(),
            inside.last().map(PathBuf::as_path),
            "delivered in its folder"
        );
        assert_eq!(found.path().file_name(), Some(found.name()));
        if let Ok(path) = found.path().strip_prefix(root)
            && !path.as_os_str().is_empty()
        {
            delivered.entries.push(format!("{}{slash}", path.to_string_lossy()));
        }
    };
    for step in Walk::new(selection, WalkOptions { threads }).unwrap() {
        match step {
            Step::Enter(found) => {
                note(&found, &inside, "/");
                inside.push(found.path().to_owned());
            }
            Step::Item(found) => note(&found, &inside, ""),
            Step::Leave => drop(inside.pop()),
            Step::Problem(problem) => delivered.problems.push(problem),
            Step::Notice(text) => delivered.notices.push(text),
        }
    }
    assert_eq!(inside, [PathBuf::from("/")], "every folder was left");
    delivered
}

/// Restores what a walk over `source` delivers below `target`, as an engine would; says what went wrong.
pub fn restore(source: &Path, target: &Path, options: TargetOptions) -> Vec<Problem> {
    let target = Target::open(target, options).unwrap();
    let names = Names::new();
    let (mut problems, mut folders) = (Vec::new(), Vec::new());
    let mut links: HashMap<(u64, u64), PathBuf> = HashMap::new();
    for step in Walk::new(&all_of(source), WalkOptions::default()).unwrap() {
        let (Step::Enter(found) | Step::Item(found)) = step else {
            continue;
        };
        let Ok(rel) = found.path().strip_prefix(source) else {
            continue;
        };
        if rel.as_os_str().is_empty() || found.stat().kind == EntryKind::Socket {
            continue;
        }
        let (metadata, unread) = found.metadata(&names);
        problems.extend(unread);
        let inode = (metadata.device, metadata.inode);
        match links.get(&inode) {
            Some(first) if metadata.links > 1 => {
                target.hard_link(first, rel).unwrap();
                continue;
            }
            _ => drop(links.insert(inode, rel.to_owned())),
        }
        problems.extend(restore_one(&found, rel, &target, &metadata));
        if metadata.kind == EntryKind::Dir {
            folders.push((rel.to_owned(), metadata));
        }
    }
    for (rel, metadata) in folders.iter().rev() {
        problems.extend(target.set_metadata(rel, metadata));
    }
    problems
}

fn restore_one(found: &Found, rel: &Path, target: &Target, metadata: &Metadata) -> Vec<Problem> {
    match metadata.kind {
        EntryKind::Dir => {
            target.make_dir(rel, true).unwrap();
            return Vec::new();
        }
        EntryKind::File => {
            let (mut content, stat) = found.open().unwrap();
            let file = target.create_file(rel, stat.size).unwrap();
            let mut buffer = vec![0; 100_000];
            let mut offset = 0;
            while let len @ 1.. = content.read(&mut buffer).unwrap() {
                file.write_at(&buffer[..len], offset).unwrap();
                offset += len as u64;
            }
            return file.finish(metadata);
        }
        EntryKind::Symlink => target.symlink(rel, metadata.link_target.as_deref().unwrap()).unwrap(),
        EntryKind::Fifo => target.fifo(rel).unwrap(),
        EntryKind::CharDevice | EntryKind::BlockDevice => target.device(rel, metadata).unwrap(),
        EntryKind::Socket => return Vec::new(),
    }
    target.set_metadata(rel, metadata)
}

/// Makes files with their folders; a name that ends in a slash is a folder.
pub fn grow(root: &Path, names: &[&str]) {
    for name in names {
        let path = root.join(name);
        if name.ends_with('/') {
            fs::create_dir_all(path).unwrap();
        } else {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
    }
}

/// Whether this user is root, and so may do everything.
pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Runs one test of this program again, as a user who may do nothing.
pub fn as_nobody(test: &str) {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("suite");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    for path in [dir.path(), &program] {
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let output = std::process::Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&program)
        .args([test, "--exact", "--nocapture"])
        .current_dir("/")
        .env("TMPDIR", "/tmp")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

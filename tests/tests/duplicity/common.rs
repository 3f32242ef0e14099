//! What the groups share.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use engine_duplicity::Prefixes;
use holdfast_tests::corpus::Random;
use holdfast_tests::duplicity::history::History;
use holdfast_tests::duplicity::real::Duplicity;
use holdfast_tests::duplicity::tar;
use holdfast_tests::duplicity::tree_g::set_time;

/// The oldest and the newest real program; the test is skipped when there is none.
macro_rules! each {
    () => {
        holdfast_tests::need!(
            holdfast_tests::duplicity::programs::both(),
            "duplicity is not installed"
        )
    };
}
pub(crate) use each;

/// The stored files whose name holds `part`, sorted by name.
pub fn set_files(target: &Path, part: &str) -> Vec<PathBuf> {
    let items = fs::read_dir(target).unwrap().map(|item| item.unwrap().path());
    let mut paths: Vec<_> = items.filter(|path| path.to_string_lossy().contains(part)).collect();
    paths.sort();
    paths
}

/// The volumes of the sets of a kind, `full` or `inc`, in order.
pub fn volumes(target: &Path, kind: &str) -> Vec<PathBuf> {
    let mut paths = set_files(target, ".difftar");
    paths.retain(|path| path.to_string_lossy().contains(&format!("duplicity-{kind}.")));
    paths.sort_by_key(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let (set, rest) = name.split_once(".vol").unwrap();
        let number: u32 = rest.split('.').next().unwrap().parse().unwrap();
        (set.to_owned(), number)
    });
    paths
}

/// The manifest of the first set of a kind.
pub fn manifest(target: &Path, kind: &str) -> PathBuf {
    let mut paths = set_files(target, ".manifest");
    paths.retain(|path| path.to_string_lossy().contains(&format!("duplicity-{kind}.")));
    paths.remove(0)
}

/// Names of the volumes that hold anything of `path` or below it, the one before included when it begins in the middle.
pub fn volumes_of(target: &Path, path: &Path) -> Vec<String> {
    let all = volumes(target, "full").into_iter().chain(volumes(target, "inc"));
    let wanted = path.as_os_str().as_bytes();
    let holds = |volume: &PathBuf| {
        let entries = tar::entries(&tar::unwrapped(volume));
        let paths: Vec<Vec<u8>> = entries.iter().map(|entry| path_in(&entry.name)).collect();
        let is_below = |other: &Vec<u8>| {
            let other = other.as_slice();
            other == wanted
                || other
                    .strip_prefix(wanted)
                    .is_some_and(|rest| rest.first() == Some(&b'/'))
        };
        // Its range covers the path: that is all that a manifest tells.
        let key = |path: &[u8]| {
            path.iter()
                .map(|&byte| if byte == b'/' { 0 } else { byte })
                .collect::<Vec<u8>>()
        };
        let covers = paths.first().is_some_and(|first| key(first) <= key(wanted))
            && paths.last().is_some_and(|last| key(wanted) <= key(last));
        covers || paths.iter().any(is_below)
    };
    all.filter(holds)
        .map(|volume| volume.file_name().unwrap().to_string_lossy().into_owned())
        .collect()
}

/// The path of an entry of a volume, relative to the source.
pub fn path_in(name: &[u8]) -> Vec<u8> {
    let slash = name.iter().position(|&byte| byte == b'/').unwrap_or(name.len());
    let (kind, rest) = name.split_at(slash);
    let rest = rest.strip_prefix(b"/").unwrap_or(rest);
    let rest = rest.strip_suffix(b"/").unwrap_or(rest);
    if kind.starts_with(b"multivol_") {
        let end = rest.iter().rposition(|&byte| byte == b'/').unwrap();
        return rest[..end].to_vec();
    }
    if rest == b"." { Vec::new() } else { rest.to_vec() }
}

/// Flips one bit of a file.
pub fn flip(path: &Path, offset: u64) {
    let file = fs::File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], offset).unwrap();
}

/// Writes a file anew, with a time of its own.
pub fn replace(path: &Path, bytes: &[u8], time: i64) {
    fs::write(path, bytes).unwrap();
    set_time(path, time, 0);
}

/// The prefixes `P-`, `A-`, `M-` and `S-`.
pub fn prefixes() -> Prefixes {
    Prefixes {
        all: "P-".to_owned(),
        archive: "A-".to_owned(),
        manifest: "M-".to_owned(),
        signature: "S-".to_owned(),
        ..Prefixes::default()
    }
}

/// Writes all tar streams of a gzipped repository anew as Python before 3.8 wrote them, and their hashes.
pub fn to_gnu_tar(target: &Path) {
    const SCRIPT: &str = "
import gzip, io, sys, tarfile
names = dict(encoding='utf-8', errors='surrogateescape')
for path in sys.argv[1:]:
    data = gzip.open(path).read()
    out = io.BytesIO()
    new = tarfile.open(fileobj=out, mode='w', format=tarfile.GNU_FORMAT, **names)
    if data.strip(b'\\0'):
        for entry in (old := tarfile.open(fileobj=io.BytesIO(data), **names)):
            entry.pax_headers = {}
            new.addfile(entry, old.extractfile(entry) if entry.isreg() else None)
    new.close()
    gzip.open(path, 'wb').write(out.getvalue())
";
    let mut paths = set_files(target, ".difftar.gz");
    paths.extend(set_files(target, ".sigtar.gz"));
    let hashes: Vec<(PathBuf, String)> = paths.iter().map(|path| (path.clone(), tar::sha1(path))).collect();
    let output = Command::new("python3")
        .args(["-c", SCRIPT])
        .args(&paths)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for path in set_files(target, ".manifest") {
        let mut text = fs::read(&path).unwrap();
        for (file, hash) in &hashes {
            let at = text.windows(hash.len()).position(|window| window == hash.as_bytes());
            if let Some(at) = at {
                text[at..at + hash.len()].copy_from_slice(tar::sha1(file).as_bytes());
            }
        }
        fs::write(path, text).unwrap();
    }
}

/// A tree of about five volumes.
pub fn five_volumes(history: &History) {
    let mut random = Random::new(3);
    for name in ["a", "c", "e"] {
        fs::write(history.source.join(name), random.noise(1_400_000)).unwrap();
    }
    for name in ["b", "d", "f"] {
        fs::create_dir(history.source.join(name)).unwrap();
        fs::write(history.source.join(name).join("small"), name).unwrap();
    }
    for (time, name) in (1_600_000_000..).zip(["a", "b/small", "c", "d/small", "e", "f/small"]) {
        set_time(&history.source.join(name), time, 0);
    }
}

/// All files of it change.
pub fn change_five_volumes(history: &History, seed: u64) {
    let mut random = Random::new(seed);
    let time = 1_600_000_000 + i64::try_from(seed).unwrap() * 100;
    for name in ["a", "b/small", "c", "d/small", "e"] {
        let length = if name.len() == 1 { 1_300_000 } else { 100 };
        replace(&history.source.join(name), &random.noise(length), time);
    }
    fs::write(history.source.join(format!("new-{seed}")), "new").unwrap();
}

/// Arguments for the engine in a process of its own.
pub fn drive(history: &History, archive: &Path, mebibytes: u64, operation: &str, argument: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_duplicity-drive"));
    command.args([&history.target, &history.source]).arg(archive);
    command.args([&mebibytes.to_string(), operation, argument]);
    command
}

/// Nothing is missing, left over or out of place.
pub fn assert_content(real: &Duplicity) {
    let status = real.status();
    assert!(status.contains("No orphaned or incomplete"), "{status}");
    assert!(status.contains("Found primary backup chain"), "{status}");
    let cleanup = real.on_target("cleanup", &[] as &[&str]);
    assert!(cleanup.contains("No extraneous files found"), "{cleanup}");
}

/// The number behind a word of duplicity's statistics.
pub fn counted(printed: &str, word: &str) -> u64 {
    let line = printed.lines().find(|line| line.starts_with(&format!("{word} ")));
    let line = line.unwrap_or_else(|| panic!("no {word} in\n{printed}"));
    line.split(' ').nth(1).unwrap().parse().unwrap()
}

/// What its statistics count of changes.
pub const COUNTED: [&str; 6] = [
    "NewFiles",
    "DeletedFiles",
    "ChangedFiles",
    "ChangedFileSize",
    "DeltaEntries",
    "RawDeltaSize",
];

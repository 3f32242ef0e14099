//! Servers of shares and exports that are silent for a while or for good in the middle of a run. These tests run inside
//! the guest, whose servers are its own.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use backends::mount::{self, Spot, cifs};
use engine_api::SnapshotRef;
use holdfast_tests::corpus::{self, Random};
use holdfast_tests::machine::{Machine, next_second};
use holdfast_tests::tree::{Compare, assert_same, picture};
use holdfast_tests::world::program;
use jobs::JobName;
use jobs::catalog::{self, Change};

use crate::guest::{Place, cheapen_below, empty, export, inside, share};

/// How long a server may not answer while it hangs for good, in seconds: longer than anything takes in a guest that is slow.
/// Other runs have the usual time.
const PATIENCE: u32 = 6;
/// Within which a run that has no server any more has to end, even in a guest that is slow.
const END: Duration = Duration::from_secs(100);
/// How long it is watched that a share is kept of which the kernel has something to close. Everybody else has let go of it by then.
const CLOSED_AGAIN: Duration = Duration::from_secs(10);
/// How long a server is silent that comes back.
const SHORT: Duration = Duration::from_secs(4);

/// What serves, and how it falls silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outage {
    /// Samba's processes are stopped; the kernel goes on to take what is sent to them.
    Samba,
    /// The disk of the NFS server hangs: soon all of its threads wait for it.
    Nfs,
}

fn run_program(name: &str, words: &[&str]) {
    let output = Command::new(name).args(words).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{name} {words:?}: {said}");
}

/// All of Samba's processes; those of a connection have its name beside their own.
fn signal_samba(signal: &str) {
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
        if name.starts_with("smbd") {
            let number = process.file_name().into_string().unwrap();
            // One of a connection may just have ended.
            let _ = Command::new("kill").args([signal, &number]).output();
        }
    }
}

impl Outage {
    fn begin(self) {
        match self {
            Self::Samba => signal_samba("-STOP"),
            Self::Nfs => run_program("fsfreeze", &["-f", "/srv/slow"]),
        }
    }

    fn end(self) {
        match self {
            Self::Samba => signal_samba("-CONT"),
            Self::Nfs => run_program("fsfreeze", &["-u", "/srv/slow"]),
        }
    }

    /// How a record names the place, how messages name it, and the server's own folder.
    fn place(self) -> (Vec<(&'static str, String)>, &'static str, &'static Path) {
        match self {
            Self::Samba => (share(), "//127.0.0.1/share", Path::new("/srv/share")),
            Self::Nfs => (export("/slow"), "127.0.0.1:/slow", Path::new("/srv/slow")),
        }
    }
}

fn files(folder: &Path, found: &mut BTreeMap<PathBuf, u64>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(metadata) = fs::symlink_metadata(entry.path()) else {
            continue;
        };
        if metadata.is_dir() {
            files(&entry.path(), found);
        } else if metadata.is_file() {
            found.insert(entry.path(), metadata.len());
        }
    }
}

fn size(folder: &Path) -> u64 {
    let mut found = BTreeMap::new();
    files(folder, &mut found);
    found.values().sum()
}

/// A job on a share or an export, and the server's own folder.
struct Ground {
    machine: Machine,
    outage: Outage,
    /// How messages name the server.
    location: &'static str,
    name: JobName,
    tree: PathBuf,
    real: &'static Path,
    random: Random,
}

impl Ground {
    /// With one backup, whose content is the second.
    fn new(outage: Outage, engine: &str, seed: u64) -> (Self, BTreeMap<PathBuf, Vec<u8>>) {
        let mut machine = Machine::new();
        // The program goes by the guest's own name.
        machine.context.host = "guest".to_owned();
        let tree = machine.path("tree");
        corpus::plain_tree(&tree, seed, 12, 20_000);
        let (properties, location, real) = outage.place();
        empty(real);
        let name = machine.job("b1", engine, &properties, &tree);
        let ground = Self {
            machine,
            outage,
            location,
            name,
            tree,
            real,
            random: Random::new(seed),
        };
        ground.good_run();
        if engine == "restic" {
            cheapen_below(real);
        }
        let content = ground.content();
        (ground, content)
    }

    fn change(&self, change: &Change) {
        catalog::edit(&self.machine.context, &self.name, change).unwrap();
    }

    /// Begins a run as cron does; what it says goes to a file.
    fn begin(&self) -> (Child, PathBuf) {
        next_second();
        let said = self.machine.path("said");
        let file = File::create(&said).unwrap();
        let mut command = Command::new(program());
        command.args(["backup-data", "-b", self.name.as_str()]);
        command.env("HOLDFAST_ROOT", self.machine.path("root"));
        command.stdout(file.try_clone().unwrap()).stderr(file);
        (command.spawn().unwrap(), said)
    }

    /// A run to its end, and whether it says that all is well.
    fn run(&self) -> (bool, String) {
        let (mut child, said) = self.begin();
        let status = child.wait().unwrap();
        let text = fs::read_to_string(said).unwrap();
        (text.contains("Backup status: SUCCESS") && status.success(), text)
    }

    fn good_run(&self) {
        let (good, text) = self.run();
        assert!(good, "{text}");
    }

    /// Waits until the run has written something to the server, and has the server fall silent.
    fn strike(&self, before: u64, child: &mut Child, said: &Path) -> Instant {
        while size(self.real) <= before {
            let ended = child.try_wait().unwrap();
            let text = || fs::read_to_string(said).unwrap();
            assert!(ended.is_none(), "the run was over before the outage\n{}", text());
            std::thread::sleep(Duration::from_millis(2));
        }
        let begin = Instant::now();
        self.outage.begin();
        begin
    }

    /// Begins a run with something new to save, in which the server falls silent as soon as it has got something.
    fn struck_run(&mut self) -> (Child, PathBuf, Instant) {
        fs::write(self.tree.join("new"), self.random.noise(150_000)).unwrap();
        let before = size(self.real);
        let (mut child, said) = self.begin();
        let begin = self.strike(before, &mut child, &said);
        (child, said, begin)
    }

    fn is_mounted(&self) -> bool {
        let point = self.machine.context.layout.mounts.join(format!("backup-{}", self.name));
        mount::is_mounted(&point).unwrap()
    }

    /// Whether nobody holds a lock any more: a process that the kernel keeps is in no other run's way.
    fn is_free(&self) -> bool {
        let locks = fs::read_dir(&self.machine.context.layout.locks).unwrap();
        let mut files = locks.map(|lock| File::open(lock.unwrap().path()).unwrap());
        files.all(|file| file.try_lock().is_ok())
    }

    /// What the repository holds by now, save what runs remove and write again.
    fn content(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        files(self.real, &mut found);
        let lasting = |path: &PathBuf| {
            // On a share a link is a file.
            let is_latest = path.file_name().is_some_and(|name| name == "latest");
            let path = path.to_string_lossy();
            !(is_latest || path.contains("/locks/") || path.contains("/.holdfast"))
        };
        let paths = found.into_keys().filter(lasting);
        paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    }

    fn assert_unharmed(&self, before: &BTreeMap<PathBuf, Vec<u8>>) {
        for (path, content) in before {
            let now = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert!(now == *content, "{} has changed", path.display());
        }
    }

    fn assert_newest_is_the_tree(&self) {
        let restored = self.machine.restored(&self.name, SnapshotRef::Latest, &self.tree);
        assert_same(&picture(&self.tree), &restored, Compare::default());
    }
}

/// A server that comes back in time makes a run slow, and nothing else.
fn comes_back(outage: Outage, engine: &str, seed: u64) {
    let (mut ground, before) = Ground::new(outage, engine, seed);
    let (mut child, said, begin) = ground.struck_run();
    std::thread::sleep(SHORT);
    let ended = child.try_wait().unwrap();
    outage.end();
    assert!(ended.is_none(), "the run was over before the server was back");
    let status = child.wait().unwrap();
    let text = fs::read_to_string(said).unwrap();
    assert!(status.success() && text.contains("Backup status: SUCCESS"), "{text}");
    println!(
        "{engine}, {outage:?}: {} s from the outage to the end",
        begin.elapsed().as_secs()
    );
    ground.assert_unharmed(&before);
    ground.assert_newest_is_the_tree();
    assert!(!ground.is_mounted());
}

/// Waits until `is_so`, no longer than a run that has no server any more may take.
fn wait_for(begin: Instant, said: &Path, mut is_so: impl FnMut(&str) -> bool) -> String {
    loop {
        let text = fs::read_to_string(said).unwrap();
        if is_so(&text) {
            return text;
        }
        assert!(
            begin.elapsed() < END,
            "it takes longer than {END:?}\n{text}\n{}",
            where_it_waits()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Fails when the kernel has stopped at a fault of its own: what comes after that proves nothing.
fn assert_kernel_is_well() {
    let output = Command::new("dmesg").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    let fault = said
        .lines()
        .find(|line| line.contains("BUG") || line.contains("Busy inodes"));
    assert_eq!(fault, None, "{said}");
}

/// Where the programs under test wait in the kernel.
fn where_it_waits() -> String {
    let mut told = String::new();
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let read = |name: &str| fs::read_to_string(process.path().join(name)).unwrap_or_default();
        if !["holdfast", "mount", "mount.cifs", "umount", "sh"].contains(&read("comm").trim()) {
            continue;
        }
        told += &format!("{}\n", read("cmdline").replace('\0', " "));
        for thread in fs::read_dir(process.path().join("task"))
            .into_iter()
            .flatten()
            .flatten()
        {
            told += &fs::read_to_string(thread.path().join("stack")).unwrap_or_default();
            told += "\n";
        }
    }
    told
}

/// The process that keeps a share for the kernel.
fn keeper() -> Option<PathBuf> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let mut processes = processes.map(|process| process.path());
    processes.find(|process| {
        let line = fs::read(process.join("cmdline")).unwrap_or_default();
        line.split(|&byte| byte == 0)
            .any(|word| word == b"holdfast-keeps-a-share")
    })
}

/// A control group that ends with what began in it, as systemd gives a service, and this process in it.
struct Unit(&'static Path);

impl Unit {
    fn enter() -> Self {
        let unit = Self(Path::new("/sys/fs/cgroup/unit"));
        run_program("mount", &["-t", "cgroup2", "none", "/sys/fs/cgroup"]);
        fs::create_dir(unit.0).unwrap();
        fs::write(unit.0.join("cgroup.procs"), std::process::id().to_string()).unwrap();
        unit
    }

    /// Only this process is left in it.
    fn leave(self) {
        let left = fs::read_to_string(self.0.join("cgroup.procs")).unwrap();
        assert_eq!(left.trim(), std::process::id().to_string());
        let above = self.0.parent().unwrap();
        fs::write(above.join("cgroup.procs"), left).unwrap();
        fs::remove_dir(self.0).unwrap();
        run_program("umount", &["/sys/fs/cgroup"]);
    }
}

/// The original hung with the server, and so did everybody who looked at the folder.
fn stays_away(outage: Outage, engine: &str, seed: u64) {
    let (mut ground, before) = Ground::new(outage, engine, seed);
    ground.change(&Change {
        set: vec![("AnswerTimeout".to_owned(), format!("{PATIENCE}s").into())],
        ..Change::default()
    });
    let (mut child, said, begin) = ground.struck_run();
    // The hint is the last that is said.
    let all_is_told = |text: &str| text.contains("hint: ") && text.contains("Backup status: FAIL");
    let is_over = |text: &str| all_is_told(text) && !ground.is_mounted() && ground.is_free();
    let text = wait_for(begin, &said, is_over);
    let told = begin.elapsed();
    let words = format!("{} gave no answer in {PATIENCE} s", ground.location);
    assert!(text.contains(&words), "{text}");
    // The kernel itself may keep whoever waits for a share until the server is back.
    if outage == Outage::Nfs {
        wait_for(begin, &said, |_| child.try_wait().unwrap().is_some());
    }
    let ended = begin.elapsed();
    outage.end();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(1), "{text}");
    assert_kernel_is_well();
    println!(
        "{engine}, {outage:?}: told after {} s, ended after {} s",
        told.as_secs(),
        ended.as_secs()
    );
    ground.assert_unharmed(&before);
    ground.change(&Change {
        unset: vec!["AnswerTimeout".to_owned()],
        ..Change::default()
    });
    ground.good_run();
    ground.assert_unharmed(&before);
    ground.assert_newest_is_the_tree();
    assert!(!ground.is_mounted());
}

#[test]
fn a_share_whose_server_is_silent_for_a_moment_makes_a_run_slow() {
    if inside() {
        comes_back(Outage::Samba, "duplicity", 301);
    }
}

#[test]
fn an_export_whose_disk_hangs_for_a_moment_makes_a_run_slow() {
    if inside() {
        comes_back(Outage::Nfs, "rsync", 302);
    }
}

#[test]
fn a_share_whose_server_hangs_ends_the_run() {
    if inside() {
        stays_away(Outage::Samba, "rsync", 311);
    }
}

/// The kernel closes files again whose server is silent, and does not keep the share for it: unmounted meanwhile, it stopped at
/// `kernel BUG at fs/super.c`.
#[test]
fn a_share_is_kept_until_its_files_are_closed() {
    if !inside() {
        return;
    }
    empty(Path::new("/srv/share"));
    let place = Place::new();
    let mut settings = place.share("share", "pass word,1");
    settings.spot.patience = Duration::from_secs(2);
    let destination = cifs::open(&settings, true).unwrap();
    let files: Vec<File> = (0..4)
        .map(|number| File::create(place.point().join(format!("file{number}"))).unwrap())
        .collect();
    for mut file in &files {
        file.write_all(b"x").unwrap();
    }
    let unit = Unit::enter();
    Outage::Samba.begin();
    let closing: Vec<_> = files
        .into_iter()
        .map(|file| std::thread::spawn(move || drop(file)))
        .collect();
    std::thread::sleep(Duration::from_millis(100));
    destination.close();
    assert!(!place.is_mounted());
    for thread in closing {
        thread.join().unwrap();
    }
    let begin = Instant::now();
    while begin.elapsed() < CLOSED_AGAIN {
        assert!(keeper().is_some());
        std::thread::sleep(Duration::from_millis(200));
    }
    unit.leave();
    Outage::Samba.end();
    while keeper().is_some() {
        assert!(begin.elapsed() < END);
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_kernel_is_well();
    settings.spot.patience = Spot::PATIENCE;
    cifs::open(&settings, false).unwrap().close();
    assert!(!place.is_mounted());
    assert_eq!(keeper(), None, "what was well needs nobody who keeps it");
    assert_kernel_is_well();
}

#[test]
fn an_export_whose_disk_hangs_ends_the_run() {
    if inside() {
        stays_away(Outage::Nfs, "restic", 312);
    }
}

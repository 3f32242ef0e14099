//! The engines over SFTP, and the programs they are compatible with.

use std::ops::ControlFlow;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use backends::layers::{Listener, Retry, RetryFiles, RetryPolicy};
use backends::sftp::Compress;
use engine_api::{BackupReport, Engine, Silent, SnapshotRef, Timestamp};
use engine_rsync::{Marker, RsyncEngine};
use holdfast_tests::holdfast::{Repository, backup_of, restore_to, settings};
use holdfast_tests::proxy::{Fault, Proxy};
use holdfast_tests::restic::{self, PASSWORD, Restic};
use holdfast_tests::seal::cheapen;
use holdfast_tests::sshd::{Options, Sshd};
use holdfast_tests::tree::{Compare, assert_same, below, picture};
use holdfast_tests::{corpus, need};

use crate::common::{Meter, NO_SERVER, open};

#[test]
fn restic_reads_what_holdfast_wrote_over_sftp_and_goes_on_with_it() {
    let server = need!(Sshd::start(), NO_SERVER);
    let program = need!(restic::newest(), "restic is not installed");
    let (tree, place) = (server.folder().join("tree"), server.folder().join("repository"));
    corpus::plain_tree(&tree, 1, 150, 60_000);
    let saved = picture(&tree);
    let destination = open(&server, &place);
    engine_restic::ResticEngine::init(Arc::clone(&destination.blobs), settings(PASSWORD)).unwrap();
    cheapen(&place, PASSWORD);
    let repository = Repository::on(Arc::clone(&destination.blobs)).unwrap();
    let first = repository.backup(&[&tree]).snapshot.unwrap();
    repository.check();
    // By its path, and by its own SFTP to the same server.
    let by_path = Restic::new(&program, &place);
    by_path.check();
    assert_eq!(by_path.snapshots(), std::slice::from_ref(&first.0));
    let known = server.settings(&place).known_hosts;
    let command = format!(
        "ssh -p {} -i {} -o UserKnownHostsFile={} root@127.0.0.1 -s sftp",
        server.address().port(),
        server.client_key().display(),
        known.display()
    );
    let address = PathBuf::from(format!("sftp:root@127.0.0.1:{}", place.display()));
    let by_sftp = Restic::new(&program, &address);
    let option = format!("sftp.command={command}");
    corpus::edit_plain_tree(&tree, 2, 4);
    by_sftp.run(&["-o".as_ref(), option.as_ref(), "backup".as_ref(), tree.as_os_str()]);
    assert_eq!(repository.snapshots().len(), 2);
    repository.keep_last(1).unwrap();
    repository.prune().unwrap();
    repository.check();
    by_path.check();
    let target = server.folder().join("restored");
    repository.restore(SnapshotRef::Latest, &target);
    assert_same(&picture(&tree), &picture(&below(&target, &tree)), Compare::default());
    assert_ne!(saved.len(), 0);
}

/// The engine of plain trees on a server.
struct Plain {
    server: Sshd,
    tree: PathBuf,
    place: PathBuf,
    day: i64,
}

impl Plain {
    fn start() -> Option<Self> {
        Sshd::start().map(Self::on)
    }

    fn on(server: Sshd) -> Self {
        let (tree, place) = (server.folder().join("tree"), server.folder().join("place"));
        std::fs::create_dir(&tree).unwrap();
        Self {
            server,
            tree,
            place,
            day: 0,
        }
    }

    fn engine(&self, settings: backends::sftp::Settings) -> RsyncEngine {
        let files = backends::sftp::open(settings, true).unwrap().files.unwrap();
        RsyncEngine::open(files, engine_settings())
    }

    fn backup_through(&mut self, settings: backends::sftp::Settings) -> (BackupReport, PathBuf) {
        self.day += 1;
        let mut request = backup_of(&[&self.tree]);
        request.time = Some(Timestamp {
            seconds: 1_704_067_200 + self.day * 86_400,
            nanos: 0,
        });
        let report = self.engine(settings).backup(&request, &Silent);
        let report = report.unwrap_or_else(|error| panic!("{}\n{}", error.chain(), self.server.log()));
        assert!(report.problems.is_empty(), "{:?}", report.problems);
        let stored = below(&self.place.join(&report.snapshot.as_ref().unwrap().0), &self.tree);
        (report, stored)
    }

    fn backup(&mut self) -> (BackupReport, PathBuf) {
        self.backup_through(self.server.settings(&self.place))
    }

    /// rsync itself finds nothing that it would copy, change or remove.
    fn assert_same_to_rsync(&self, stored: &Path) {
        let output = Command::new("rsync")
            .args(["-aHAXn", "--delete", "--itemize-changes"])
            .arg(format!("{}/", self.tree.display()))
            .arg(format!("{}/", stored.display()))
            .output()
            .unwrap();
        let found = [output.stdout, output.stderr].concat();
        assert_eq!(String::from_utf8_lossy(&found), "");
    }
}

const NO_RSYNC: &str = "there is no sshd here, or only root may run it, or rsync is not installed";

fn plain() -> Option<Plain> {
    Command::new("rsync").arg("--version").output().ok()?;
    Plain::start()
}

#[test]
fn rsync_finds_no_difference_in_what_holdfast_wrote_over_sftp() {
    let mut plain = need!(plain(), NO_RSYNC);
    let tree = plain.tree.clone();
    corpus::plain_tree(&tree, 3, 200, 100_000);
    std::fs::write(tree.join("odd \u{ff} name\n"), b"x").unwrap();
    std::fs::write(tree.join("empty"), b"").unwrap();
    std::fs::hard_link(tree.join("empty"), tree.join("second name")).unwrap();
    std::fs::set_permissions(tree.join("empty"), std::fs::Permissions::from_mode(0o6751)).unwrap();
    symlink("nowhere/at all", tree.join("link")).unwrap();
    std::fs::create_dir(tree.join("folder")).unwrap();
    std::fs::set_permissions(tree.join("folder"), std::fs::Permissions::from_mode(0o1777)).unwrap();
    std::os::unix::fs::lchown(tree.join("link"), Some(1234), Some(2345)).unwrap();
    let saved = picture(&tree);
    let (_, first) = plain.backup();
    plain.assert_same_to_rsync(&first);
    let (_, second) = plain.backup();
    plain.assert_same_to_rsync(&second);
    let inode = |folder: &Path, name: &str| std::fs::symlink_metadata(folder.join(name)).unwrap().ino();
    assert_eq!(
        inode(&first, "empty"),
        inode(&second, "empty"),
        "what is unchanged is linked"
    );
    assert_eq!(inode(&second, "second name"), inode(&second, "empty"));
    corpus::edit_plain_tree(&tree, 4, 5);
    let (_, third) = plain.backup();
    plain.assert_same_to_rsync(&third);
    let target = plain.server.folder().join("restored");
    let engine = plain.engine(plain.server.settings(&plain.place));
    let oldest = engine
        .snapshots(&engine_api::SnapshotFilter::default(), &Silent)
        .unwrap();
    let oldest = SnapshotRef::Id(oldest.first().unwrap().id.0.clone());
    let report = engine.restore(&restore_to(oldest, &target), &Silent);
    let report = report.unwrap_or_else(|error| panic!("{}", error.chain()));
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    assert_same(&saved, &picture(&below(&target, &tree)), Compare::default());
}

#[test]
fn a_large_file_with_few_changes_sends_few_bytes() {
    const LENGTH: u64 = 256 << 20;
    const PAGE: u64 = 4096;
    let mut plain = need!(plain(), NO_RSYNC);
    let path = plain.tree.join("large");
    let mut random = corpus::Random::new(5);
    let mut content = random.noise(usize::try_from(LENGTH).unwrap());
    std::fs::write(&path, &content).unwrap();
    plain.backup();
    // One page in a hundred, anywhere, as a database changes.
    for _ in 0..LENGTH / 100 / PAGE {
        let at = usize::try_from(random.below(LENGTH / PAGE) * PAGE).unwrap();
        content[at..at + 4096].copy_from_slice(&random.noise(4096));
    }
    std::fs::write(&path, &content).unwrap();
    let sent = Arc::new(AtomicU64::new(0));
    let meter = Meter::start(plain.server.address(), Arc::clone(&sent));
    let mut settings = plain.server.settings(&plain.place);
    settings.port = meter.port();
    let (_, stored) = plain.backup_through(settings);
    assert!(std::fs::read(stored.join("large")).unwrap() == content);
    let sent = sent.load(Ordering::SeqCst);
    assert!(sent < LENGTH / 20, "{sent} of {LENGTH} bytes were sent");
}

/// The script meant to compress what goes over SSH, and never did.
#[test]
fn d30_plain_files_are_compressed_on_their_way() {
    const LENGTH: u64 = 3_000_000;
    let sent_with = |compress| {
        let mut plain = Plain::start()?;
        let text = corpus::Random::new(30).text(usize::try_from(LENGTH).unwrap());
        std::fs::write(plain.tree.join("large"), &text).unwrap();
        let sent = Arc::new(AtomicU64::new(0));
        let meter = Meter::start(plain.server.address(), Arc::clone(&sent));
        let mut settings = plain.server.settings(&plain.place);
        settings.port = meter.port();
        settings.compress = compress;
        let (_, stored) = plain.backup_through(settings);
        assert!(std::fs::read(stored.join("large")).unwrap() == text);
        Some(sent.load(Ordering::SeqCst))
    };
    let compressed = need!(sent_with(Compress::Always), NO_SERVER);
    let plain = need!(sent_with(Compress::Slow), NO_SERVER);
    assert!(plain > LENGTH, "{plain}");
    assert!(compressed < LENGTH / 2, "{compressed} of {LENGTH} bytes were sent");
}

/// A line is watched for two seconds, and files that come then are compressed if it is slow; those that are under way stay as
/// they are, up to the 24 MiB that are read ahead, and whole.
#[test]
fn d30_a_slow_line_is_compressed_when_it_has_shown() {
    const FILES: u64 = 96;
    const LENGTH: usize = 1 << 20;
    let mut plain = need!(Plain::start(), NO_SERVER);
    let mut text = corpus::Random::new(32).text(LENGTH);
    for number in 0..FILES {
        text[0] = u8::try_from(number).unwrap();
        std::fs::write(plain.tree.join(number.to_string()), &text).unwrap();
    }
    let sent = Arc::new(AtomicU64::new(0));
    let meter = Meter::slow(plain.server.address(), Arc::clone(&sent), 8_000_000);
    let mut settings = plain.server.settings(&plain.place);
    settings.port = meter.port();
    settings.compress = Compress::Slow;
    let (_, stored) = plain.backup_through(settings);
    for number in 0..FILES {
        let content = |folder: &Path| std::fs::read(folder.join(number.to_string())).unwrap();
        assert!(content(&stored) == content(&plain.tree), "{number}");
    }
    let (sent, all) = (sent.load(Ordering::SeqCst), FILES * LENGTH as u64);
    assert!(sent < all * 5 / 6, "{sent} of {all} bytes were sent");
}

/// A disk of the server that is slow looks just so from here, and nothing is won by compressing for it.
#[test]
fn d30_a_slow_disk_is_no_slow_line() {
    const FILES: u64 = 64;
    const LENGTH: usize = 1 << 20;
    let plain = need!(Plain::start(), NO_SERVER);
    let text = corpus::Random::new(33).text(LENGTH);
    for number in 0..FILES {
        std::fs::write(plain.tree.join(number.to_string()), &text).unwrap();
    }
    let sent = Arc::new(AtomicU64::new(0));
    let meter = Meter::start(plain.server.address(), Arc::clone(&sent));
    let mut settings = plain.server.settings(&plain.place);
    settings.port = meter.port();
    settings.compress = Compress::Slow;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let server = &plain.server;
        scope.spawn(|| {
            // They do nothing most of the time, as those that wait for a disk.
            while !over.load(Ordering::SeqCst) {
                server.stall(Duration::from_millis(400));
                std::thread::sleep(Duration::from_millis(15));
            }
        });
        let report = plain.engine(settings).backup(&backup_of(&[&plain.tree]), &Silent);
        over.store(true, Ordering::SeqCst);
        report.unwrap_or_else(|error| panic!("{}\n{}", error.chain(), server.log()));
    });
    let (sent, all) = (sent.load(Ordering::SeqCst), FILES * LENGTH as u64);
    assert!(sent > all, "{sent} of {all} bytes were sent");
}

/// Plain files are worth it, and what is compressed and encrypted already is not; a record can say otherwise.
#[test]
fn d30_a_record_says_what_is_compressed() {
    let compress = |engine: &str, property: Option<&str>| {
        let mut record = jobs::esmith::Record::of_kind(engine)
            .with("VFSType", "sftp")
            .with("SftpHost", "server")
            .with("SftpUser", "ann")
            .with("SftpDirectory", "backup");
        if let Some(value) = property {
            record = record.with("SftpCompression", value);
        }
        let job = jobs::Job::read(&jobs::JobName::new("b1").unwrap(), &record).unwrap();
        match job.place {
            jobs::Place::Sftp { compress, .. } => compress,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(compress("rsync", None), Compress::Slow);
    assert_eq!(compress("rsync", Some("disabled")), Compress::Never);
    assert_eq!(compress("restic", None), Compress::Never);
    assert_eq!(compress("restic", Some("auto")), Compress::Slow);
    assert_eq!(compress("restic", Some("enabled")), Compress::Always);
}

/// Both sides begin their streams of compressed bytes anew with every exchange of keys, in the middle of files; what cannot be
/// compressed and what nearly vanishes goes over the same.
#[test]
fn d30_what_is_compressed_stays_whole_over_new_keys() {
    const LENGTH: usize = 6_000_000;
    let server = Sshd::with(&Options {
        lines: vec!["RekeyLimit 1M".to_owned(), "LogLevel DEBUG1".to_owned()],
        ..Options::default()
    });
    let mut plain = need!(server.map(Plain::on), NO_SERVER);
    let mut random = corpus::Random::new(31);
    std::fs::write(plain.tree.join("text"), random.text(LENGTH)).unwrap();
    std::fs::write(plain.tree.join("noise"), random.noise(LENGTH)).unwrap();
    std::fs::write(plain.tree.join("zeros"), vec![0; LENGTH]).unwrap();
    corpus::plain_tree(&plain.tree.join("small"), 31, 200, 20_000);
    let saved = picture(&plain.tree);
    let mut settings = plain.server.settings(&plain.place);
    settings.compress = Compress::Always;
    let (_, stored) = plain.backup_through(settings.clone());
    for name in ["text", "noise", "zeros"] {
        let same = std::fs::read(stored.join(name)).unwrap() == std::fs::read(plain.tree.join(name)).unwrap();
        assert!(same, "{name}");
    }
    let target = plain.server.folder().join("restored");
    let report = plain
        .engine(settings)
        .restore(&restore_to(SnapshotRef::Latest, &target), &Silent);
    let report = report.unwrap_or_else(|error| panic!("{}", error.chain()));
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    assert_same(&saved, &picture(&below(&target, &plain.tree)), Compare::default());
    let log = plain.server.log();
    assert!(log.contains("compression: zlib@openssh.com"), "nothing was compressed");
    let exchanges = log.matches("set_newkeys: rekeying").count();
    assert!(exchanges >= 6, "keys were exchanged only {exchanges} times");
}

/// A server that says no more of something than that it failed is asked again for minutes: nothing that a removal does every
/// time may look like that.
#[test]
fn a_snapshot_is_removed_at_the_first_try() {
    let mut plain = need!(Plain::start(), NO_SERVER);
    corpus::plain_tree(&plain.tree, 12, 30, 5_000);
    let (first, _) = plain.backup();
    plain.backup();
    let settings = plain.server.settings(&plain.place);
    let tried_again = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&tried_again);
    let listener: Listener = Box::new(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        ControlFlow::Continue(())
    });
    let files = backends::sftp::open(settings, false).unwrap().files.unwrap();
    let engine = RsyncEngine::open(RetryFiles::over(files, PATIENCE, listener), engine_settings());
    let first = first.snapshot.unwrap();
    let request = engine_api::ForgetRequest {
        filter: engine_api::SnapshotFilter::default(),
        group_by: engine_api::retention::GroupBy::default(),
        keep: engine_api::retention::Keep::default(),
        ids: vec![first.0.clone()],
        dry_run: false,
    };
    let report = engine
        .forget(&request, &Silent)
        .unwrap_or_else(|error| panic!("{}", error.chain()));
    assert_eq!(report.removed.len(), 1);
    assert!(!plain.place.join(&first.0).exists());
    assert_eq!(tried_again.load(Ordering::SeqCst), 0);
}

/// The connection breaks again and again, in the middle of files and between them: the backup goes on where it stopped,
/// and what comes of it is whole.
#[test]
fn rsync_goes_on_over_a_connection_that_breaks() {
    let plain = need!(plain(), NO_RSYNC);
    let tree = plain.tree.clone();
    corpus::plain_tree(&tree, 9, 150, 60_000);
    let mut cuts = 0;
    for round in 0..4_u64 {
        corpus::edit_plain_tree(&tree, 10 + round, 4);
        let plan = move |number: u64| match number {
            // A later run sends little but links.
            0 => Fault::CutUp(20_000 + round * 4_000),
            1 => Fault::CutDown(15_000 + round * 2_000),
            2 => Fault::CutUp(30_000 + round * 2_000),
            _ => Fault::None,
        };
        let proxy = Proxy::start(plain.server.address(), Arc::new(plan));
        let mut settings = plain.server.settings(&plain.place);
        settings.port = proxy.address.port();
        let opened = Retry::opening(PATIENCE, quiet(), || backends::sftp::open(settings.clone(), true));
        let files = RetryFiles::over(opened.unwrap().files.unwrap(), PATIENCE, quiet());
        let mut request = backup_of(&[&tree]);
        request.time = Some(Timestamp {
            seconds: 1_704_067_200 + i64::try_from(round).unwrap() * 86_400,
            nanos: 0,
        });
        let engine = RsyncEngine::open(files, engine_settings());
        let report = engine
            .backup(&request, &Silent)
            .unwrap_or_else(|error| panic!("{}", error.chain()));
        assert!(report.problems.is_empty(), "{:?}", report.problems);
        plain.assert_same_to_rsync(&below(&plain.place.join(&report.snapshot.unwrap().0), &tree));
        cuts += proxy.faults();
    }
    assert!(cuts >= 4, "only {cuts} cuts were felt");
    let engine = plain.engine(plain.server.settings(&plain.place));
    let request = engine_api::CheckRequest {
        read: engine_api::ReadData::All,
    };
    let report = engine.check(&request, &Silent).unwrap();
    assert_eq!(report.errors, 0, "{:?}", report.findings);
}

/// Retries as jobs have them, in less time.
const PATIENCE: RetryPolicy = RetryPolicy {
    tries: 8,
    first_wait: Duration::from_millis(5),
    longest_wait: Duration::from_millis(50),
    total: Duration::from_secs(60),
};

fn quiet() -> Listener {
    Box::new(|_| ControlFlow::Continue(()))
}

fn engine_settings() -> engine_rsync::Settings {
    engine_rsync::Settings {
        host: "suite".to_owned(),
        user: "suite".to_owned(),
        marker: Marker::Create,
        ..engine_rsync::Settings::default()
    }
}

//! A whole filesystem of the server synced at once, where its shell can be had.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use engine_api::{Destination, FileStore, NewMetadata, StoreErrorKind};
use holdfast_tests::need;
use holdfast_tests::sshd::{Options, Sshd};
use tempfile::TempDir;

use crate::common::{NO_SERVER, open};

fn directory(server: &Sshd) -> PathBuf {
    server.folder().join("it's $(a) \"tree\"")
}

fn files(destination: &Destination) -> &dyn FileStore {
    destination.files.as_deref().unwrap()
}

/// A file whose writing does not wait for the disk.
fn write(files: &dyn FileStore, name: &[u8]) {
    let file = files.create(&files.root(), name).unwrap();
    file.write_at(0, name).unwrap();
    assert!(file.complete(&NewMetadata::default(), false).unwrap().is_empty());
}

fn forced(command: &str) -> Options {
    Options {
        lines: vec![format!("ForceCommand {command}")],
        ..Options::default()
    }
}

/// Nothing can be synced at once, and all else is as it is with a shell.
fn assert_no_shell(files: &dyn FileStore) {
    let capabilities = files.capabilities();
    assert!(!files.syncs_all() && capabilities.hard_links && capabilities.modes);
    assert_eq!(files.sync().unwrap_err().kind, StoreErrorKind::Unsupported);
}

#[test]
fn all_is_synced_by_a_shell_that_waits_and_by_a_new_one_when_that_has_ended() {
    let server = need!(Sshd::start(), NO_SERVER);
    let destination = open(&server, &directory(&server));
    let files = files(&destination);
    assert!(server.shells().is_empty(), "nobody has asked for anything yet");
    assert!(files.syncs_all(), "{}", server.log());
    let shells = server.shells();
    assert_eq!(shells.len(), 1);
    write(files, b"one");
    files.sync().unwrap();
    assert_eq!(server.shells(), shells);
    server.kill(shells[0]);
    write(files, b"two");
    files.sync().unwrap();
    assert!(server.shells().len() == 1 && server.shells() != shells);
}

#[test]
fn a_folder_that_is_gone_is_only_synced_by_the_shell_that_has_it_open() {
    let server = need!(Sshd::start(), NO_SERVER);
    let directory = directory(&server);
    let destination = open(&server, &directory);
    assert!(files(&destination).syncs_all());
    std::fs::rename(&directory, directory.with_extension("elsewhere")).unwrap();
    // The shell has it open, and the filesystem is the same.
    files(&destination).sync().unwrap();
    for shell in server.shells() {
        server.kill(shell);
    }
    let error = files(&destination).sync().unwrap_err();
    assert!(
        error.to_string().contains("sync") && error.kind == StoreErrorKind::Other,
        "{error}"
    );
}

#[test]
fn a_lost_connection_is_made_again_for_it() {
    let mut server = need!(Sshd::start(), NO_SERVER);
    let destination = open(&server, &directory(&server));
    let files = files(&destination);
    assert!(files.syncs_all());
    write(files, b"one");
    for process in server.sessions().into_iter().chain(server.shells()) {
        server.kill(process);
    }
    files.sync().unwrap();
    server.crash();
    assert_eq!(files.sync().unwrap_err().kind, StoreErrorKind::Connection);
}

#[test]
fn without_a_shell_each_file_is_synced_by_itself() {
    for command in ["internal-sftp", "/usr/lib/openssh/sftp-server"] {
        let server = need!(Sshd::with(&forced(command)), NO_SERVER);
        let destination = open(&server, &directory(&server));
        assert_no_shell(files(&destination));
    }
}

#[test]
fn a_record_can_forbid_it() {
    let server = need!(Sshd::start(), NO_SERVER);
    let mut settings = server.settings(&directory(&server));
    settings.commands = false;
    let destination = backends::sftp::open(settings, true).unwrap();
    assert_no_shell(files(&destination));
    assert!(server.shells().is_empty());
}

/// On another connection than the first the server may have been started anew, with the loss of what was written before.
#[test]
fn what_was_written_over_a_connection_that_broke_is_not_vouched_for() {
    for is_ready in [false, true] {
        let server = need!(Sshd::start(), NO_SERVER);
        let destination = open(&server, &directory(&server));
        let files = files(&destination);
        if is_ready {
            files.get_ready();
            wait_for("no shell", || server.shells().len() == 1);
        }
        write(files, b"one");
        for process in server.sessions() {
            server.kill(process);
        }
        wait_for("it does not connect again", || {
            files.stat(&files.root(), b"one").is_ok()
        });
        assert!(!files.syncs_all());
        assert_eq!(files.sync().unwrap_err().kind, StoreErrorKind::Unsupported);
        let left = std::fs::read_dir(directory(&server)).unwrap().count();
        assert_eq!(left, 1, "a folder was left behind");
    }
}

/// Who does not say beforehand that much will be written can find out later, too.
#[test]
fn it_can_be_found_out_after_something_was_written() {
    let server = need!(Sshd::start(), NO_SERVER);
    let destination = open(&server, &directory(&server));
    let files = files(&destination);
    write(files, b"one");
    assert!(files.syncs_all());
    files.sync().unwrap();
    let left = std::fs::read_dir(directory(&server)).unwrap().count();
    assert_eq!(left, 1, "a folder was left behind");
}

/// A filesystem that took the place of the one that was written to has nothing of it.
#[test]
fn another_filesystem_in_the_place_is_not_synced_for_the_first() {
    let server = need!(Sshd::start(), NO_SERVER);
    let directory = directory(&server);
    let destination = open(&server, &directory);
    let files = files(&destination);
    assert!(files.syncs_all());
    write(files, b"one");
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "none"])
        .arg(&directory)
        .status();
    let mounted = need!(
        mounted.ok().filter(std::process::ExitStatus::success),
        "nothing can be mounted here"
    );
    assert!(mounted.success());
    let synced = files.sync();
    for shell in server.shells() {
        server.kill(shell);
    }
    let of_another = files.sync();
    // What is open on the server goes with the connection.
    drop(destination);
    wait_for("it cannot be unmounted", || {
        let unmounted = std::process::Command::new("umount").arg(&directory).status();
        unmounted.unwrap().success()
    });
    synced.unwrap();
    assert!(of_another.unwrap_err().source.to_string().contains("anew"));
}

/// A server whose `sync` notes in the file `log` beside it that it was called, and ends as `then` says.
fn with_own_sync(then: &str) -> Option<(Sshd, TempDir)> {
    let own = tempfile::tempdir().unwrap();
    let folder = own.path();
    let log = folder.join("log");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = --help ] && exec /bin/sync --help\necho \"$@\" >>'{}'\n{then}\n",
        log.display()
    );
    std::fs::write(folder.join("sync"), script).unwrap();
    std::fs::set_permissions(folder.join("sync"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let server = Sshd::with(&Options {
        lines: vec![format!("SetEnv PATH={}:/usr/bin:/bin", folder.display())],
        ..Options::default()
    })?;
    Some((server, own))
}

fn synced(own: &TempDir) -> usize {
    std::fs::read_to_string(own.path().join("log")).map_or(0, |log| log.lines().count())
}

fn wait_for(what: &str, is_there: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !is_there() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Enough for a sync before the one that counts, which the last write begins.
fn write_much(files: &dyn FileStore) {
    let file = files.create(&files.root(), b"much").unwrap();
    for at in 0..128 {
        file.write_at(at << 20, &[7; 1 << 20]).unwrap();
    }
    assert!(file.complete(&NewMetadata::default(), false).unwrap().is_empty());
}

#[test]
fn much_is_synced_while_more_is_written() {
    let (server, own) = need!(with_own_sync("exec /bin/sync \"$@\""), NO_SERVER);
    let destination = open(&server, &directory(&server));
    let files = files(&destination);
    assert!(files.syncs_all(), "{}", server.log());
    write(files, b"little");
    assert_eq!(synced(&own), 0);
    write_much(files);
    wait_for("no sync before the end", || synced(&own) == 1);
    files.sync().unwrap();
    assert_eq!(synced(&own), 2, "the one that counts is another");
}

/// The system tells once of what it could not write.
#[test]
fn a_sync_that_failed_is_not_made_good_by_one_that_does_not() {
    let once = "[ -e \"$0.failed\" ] && exit 0; : >\"$0.failed\"; exit 1";
    let (server, own) = need!(with_own_sync(once), NO_SERVER);
    let destination = open(&server, &directory(&server));
    let files = files(&destination);
    assert!(files.syncs_all(), "{}", server.log());
    write_much(files);
    wait_for("no sync before the end", || synced(&own) == 1);
    for _ in 0..2 {
        let error = files.sync().unwrap_err();
        assert!(
            error.source.to_string().contains("could not write everything"),
            "{error}"
        );
    }
    let file = files.create(&files.root(), b"more").unwrap();
    file.write_at(0, b"more").unwrap_err();
}

#[test]
fn a_shell_that_ends_in_the_middle_of_a_sync_leaves_it_unknown() {
    let (server, own) = need!(with_own_sync("sleep 3"), NO_SERVER);
    let destination = open(&server, &directory(&server));
    let files = files(&destination);
    assert!(files.syncs_all(), "{}", server.log());
    let error = std::thread::scope(|scope| {
        let synced_by = scope.spawn(|| files.sync());
        wait_for("no sync", || synced(&own) == 1);
        for shell in server.shells() {
            server.kill(shell);
        }
        synced_by.join().unwrap().unwrap_err()
    });
    assert_eq!(error.kind, StoreErrorKind::Connection, "{error}");
    assert!(error.source.to_string().contains("nobody knows"), "{error}");
    assert_eq!(synced(&own), 1, "it was not simply asked again");
}

/// Who says that much will be written has the shell started before the place is tried out, and the first channels after it.
#[test]
fn what_takes_a_while_is_started_early() {
    let server = need!(Sshd::start(), NO_SERVER);
    let destination = backends::sftp::open_files(server.settings(&directory(&server)), true).unwrap();
    let files = files(&destination);
    files.get_ready();
    wait_for("no shell", || server.shells().len() == 1);
    let shells = server.shells();
    let sessions = server.sessions().len();
    assert!(files.syncs_all(), "{}", server.log());
    assert_eq!(server.shells(), shells, "that one was asked");
    assert!(files.capabilities().hard_links);
    wait_for("no channels", || server.sessions().len() == sessions + 3);
    write(files, b"one");
    files.sync().unwrap();

    // Where there is no shell nobody asks twice, and there are channels all the same.
    let server = need!(Sshd::with(&forced("internal-sftp")), NO_SERVER);
    let destination = backends::sftp::open_files(server.settings(&directory(&server)), true).unwrap();
    let files = self::files(&destination);
    files.get_ready();
    assert_no_shell(files);
}

/// The folder as a tree needs no trial of objects, and has them all the same.
#[test]
fn objects_are_tried_out_when_they_are_wanted() {
    let server = need!(Sshd::start(), NO_SERVER);
    let destination = backends::sftp::open_files(server.settings(&directory(&server)), true).unwrap();
    let key = engine_api::Key::new("one/two").unwrap();
    assert!(destination.blobs.capabilities().exclusive_create);
    destination
        .blobs
        .put(&key, engine_api::Body::Bytes(b"content"), engine_api::PutMode::Create)
        .unwrap();
    assert_eq!(destination.blobs.get(&key).unwrap(), b"content");
}

//! A whole filesystem of the server synced at once, where its shell can be had.

use std::path::PathBuf;

use engine_api::{Destination, FileStore, NewMetadata, StoreErrorKind};
use holdfast_tests::need;
use holdfast_tests::sshd::{Options, Sshd};

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
    assert!(!capabilities.sync_all && capabilities.hard_links && capabilities.modes);
    assert_eq!(files.sync().unwrap_err().kind, StoreErrorKind::Unsupported);
}

#[test]
fn all_is_synced_by_a_shell_that_waits_and_by_a_new_one_when_that_has_ended() {
    let server = need!(Sshd::start(), NO_SERVER);
    let destination = open(&server, &directory(&server));
    let files = files(&destination);
    assert!(server.shells().is_empty(), "nobody has asked for anything yet");
    assert!(files.capabilities().sync_all, "{}", server.log());
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
    assert!(files(&destination).capabilities().sync_all);
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
    assert!(files.capabilities().sync_all);
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

/// A filesystem that took the place of the one that was written to has nothing of it.
#[test]
fn another_filesystem_in_the_place_is_not_synced_for_the_first() {
    let server = need!(Sshd::start(), NO_SERVER);
    let directory = directory(&server);
    let destination = open(&server, &directory);
    let files = files(&destination);
    assert!(files.capabilities().sync_all);
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
    let unmounted = std::process::Command::new("umount").arg(&directory).status();
    assert!(unmounted.unwrap().success());
    synced.unwrap();
    assert!(of_another.unwrap_err().source.to_string().contains("anew"));
}

//! Defects of the original's records and places, each by its number.

use std::path::PathBuf;

use engine_api::{ErrorKind, Silent, SnapshotFilter};
use holdfast_tests::machine::{Machine, next_second};
use holdfast_tests::need;
use holdfast_tests::sshd::{Options, Sshd};
use jobs::{JobName, Status};

const NO_SERVER: &str = "there is no sshd here, or this user may not run it";

fn tree(machine: &Machine) -> PathBuf {
    let tree = machine.path("tree");
    std::fs::create_dir_all(&tree).unwrap();
    std::fs::write(tree.join("file"), b"content").unwrap();
    tree
}

/// A backup by SFTP to `folder` of the server, whose key the machine has already.
fn sftp_job(machine: &Machine, server: &Sshd, name: &str, engine: &str, more: &[(&'static str, &str)]) -> JobName {
    let key = machine.context.layout.ssh_key(&JobName::new(name).unwrap());
    std::fs::create_dir_all(key.parent().unwrap()).unwrap();
    std::fs::copy(server.client_key(), &key).unwrap();
    let folder = server.folder().join("place");
    let mut properties = vec![
        ("VFSType", "sftp".to_owned()),
        ("SftpHost", "127.0.0.1".to_owned()),
        ("SftpPort", server.address().port().to_string()),
        ("SftpUser", "root".to_owned()),
        ("SftpDirectory", folder.to_str().unwrap().to_owned()),
    ];
    properties.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
    machine.job(name, engine, &properties, &tree(machine))
}

/// The folder is named after the host; a new name must not begin a new, empty chain beside the old one, and the old one is
/// found by its name.
#[test]
fn d33_a_new_host_name_begins_no_new_chain() {
    let server = need!(
        holdfast_tests::disk::Disk::make("hf-d33", "ext4"),
        "loop devices need root"
    );
    let mut machine = Machine::new();
    let tree = tree(&machine);
    let properties = [("VFSType", "usb".to_owned()), ("USBLabel", server.label.clone())];
    let name = machine.job("b1", "rsync", &properties, &tree);
    machine.good_run(&name);
    machine.context.host = "renamed.example.org".to_owned();
    let report = machine.run(&name).unwrap();
    assert_eq!(report.status, Status::NoRepository);
    let hint = report.error.unwrap().hint().unwrap();
    assert!(hint.contains("HostFolder"), "{hint}");
    let file = machine.context.backups();
    file.update(|database| {
        let record = database.record(b"b1").unwrap().with("HostFolder", "suite");
        database.set(b"b1", &record).map_err(|misfit| file.unfit(misfit))
    })
    .unwrap();
    next_second();
    machine.good_run(&name);
    let repository = machine.repository(&name).unwrap();
    let snapshots = repository
        .engine()
        .snapshots(&SnapshotFilter::default(), &Silent)
        .unwrap();
    assert_eq!(snapshots.len(), 2);
}

/// Two machines that back up to one folder of one account each have their own there, if their records say so.
#[test]
fn d34_two_machines_need_not_share_a_folder_over_sftp() {
    let server = need!(Sshd::start(), NO_SERVER);
    let (one, two) = (Machine::new(), Machine::new());
    let first = sftp_job(&one, &server, "b1", "rsync", &[("HostFolder", "one")]);
    let second = sftp_job(&two, &server, "b1", "rsync", &[("HostFolder", "two")]);
    one.good_run(&first);
    two.good_run(&second);
    for folder in ["one", "two"] {
        assert!(
            server
                .folder()
                .join("place")
                .join(folder)
                .join("backup.marker")
                .exists()
        );
    }
    assert!(!server.folder().join("place/backup.marker").exists());
    let repository = one.repository(&first).unwrap();
    let snapshots = repository
        .engine()
        .snapshots(&SnapshotFilter::default(), &Silent)
        .unwrap();
    assert_eq!(snapshots.len(), 1, "the other machine's is not among them");
}

/// Only the rsync engine has many files to make durable at once, and a record can forbid it the shell.
#[test]
fn a_shell_is_started_on_the_server_only_where_it_is_of_use() {
    let commands = |engine: &str, more: &[(&'static str, &str)]| {
        let verbose = Options {
            lines: vec!["LogLevel VERBOSE".to_owned()],
            ..Options::default()
        };
        let (server, machine) = (Sshd::with(&verbose)?, Machine::new());
        let name = sftp_job(&machine, &server, "b1", engine, more);
        machine.good_run(&name);
        let log = server.log();
        assert!(log.contains("Starting session: subsystem 'sftp'"), "{log}");
        Some(log.matches("Starting session: command").count())
    };
    assert_eq!(need!(commands("rsync", &[]), NO_SERVER), 1);
    assert_eq!(commands("rsync", &[("SftpCommands", "disabled")]), Some(0));
    assert_eq!(commands("restic", &[]), Some(0));
    assert_eq!(commands("duplicity", &[]), Some(0));
}

/// The marker is made once; where it is gone, so is the disk, and nothing is written.
#[test]
fn d35_a_marker_that_is_gone_is_not_made_again() {
    let server = need!(Sshd::start(), NO_SERVER);
    let machine = Machine::new();
    let name = sftp_job(&machine, &server, "b1", "rsync", &[]);
    machine.good_run(&name);
    let place = server.folder().join("place");
    std::fs::rename(&place, server.folder().join("unmounted")).unwrap();
    for make_empty in [false, true] {
        if make_empty {
            std::fs::create_dir(&place).unwrap();
        }
        let report = machine.run(&name).unwrap();
        assert_eq!(report.status, Status::NoRepository);
        assert_eq!(place.exists(), make_empty);
    }
    assert_eq!(std::fs::read_dir(&place).unwrap().count(), 0, "something was written");
}

/// Each record has a connection of its own, with its own port, user and key; no file of the system's is changed.
#[test]
fn d54_two_records_on_one_host_do_not_meet() {
    let config = || std::fs::read("/etc/ssh/ssh_config").ok();
    let before = config();
    let (one, two) = (need!(Sshd::start(), NO_SERVER), need!(Sshd::start(), NO_SERVER));
    let machine = Machine::new();
    let first = sftp_job(&machine, &one, "b1", "restic", &[]);
    let second = sftp_job(&machine, &two, "b2", "restic", &[]);
    machine.good_run(&first);
    machine.good_run(&second);
    for server in [&one, &two] {
        assert!(server.folder().join("place/config").exists());
    }
    let hosts = |name| std::fs::read_to_string(machine.context.layout.known_hosts(name)).unwrap();
    assert_ne!(hosts(&first), hosts(&second));
    assert_eq!(config(), before);
}

/// What only reads makes nothing, and a folder that is not there is an error rather than another folder.
#[test]
fn d57_looking_at_a_place_that_is_not_there_makes_nothing() {
    let server = need!(Sshd::start(), NO_SERVER);
    let machine = Machine::new();
    for (name, engine) in [("b1", "rsync"), ("b2", "restic")] {
        let name = sftp_job(&machine, &server, name, engine, &[]);
        let error = machine.repository(&name).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::NoRepository, "{}", error.chain());
        assert!(!server.folder().join("place").exists());
    }
}

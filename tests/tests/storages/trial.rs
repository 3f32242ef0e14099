//! `holdfast backends test`: what it finds out, and that it leaves nothing.

use std::path::{Path, PathBuf};

use engine_api::StoreErrorKind;
use holdfast_tests::machine::Machine;
use holdfast_tests::need;
use holdfast_tests::sshd::Sshd;
use jobs::{JobName, PlaceKind, trial};

use crate::pairs::ground;

const STEPS: [&str; 8] = [
    "connect", "write", "read", "range", "list", "refuse", "replace", "remove",
];

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn tree(machine: &Machine) -> PathBuf {
    let tree = machine.path("tree");
    std::fs::create_dir_all(&tree).unwrap();
    tree
}

fn try_it(machine: &Machine, name: &JobName) -> engine_api::Result<trial::TrialReport> {
    trial::run(&machine.context, name, &|| false, &mut |_| ())
}

/// On every storage that this machine can have: the trial goes well beside a repository, and everything is as it was.
#[test]
fn a_trial_beside_a_repository_leaves_it_as_it_was() {
    for storage in PlaceKind::ALL {
        let machine = Machine::new();
        let name = JobName::new("b1").unwrap();
        let Some(ground) = ground(storage, &machine, &name) else {
            continue;
        };
        let tree = machine.path("tree");
        std::fs::create_dir(&tree).unwrap();
        std::fs::write(tree.join("file"), b"content").unwrap();
        let mut properties = ground.properties.clone();
        properties.push(("VFSType", storage.to_string()));
        let name = machine.job("b1", "restic", &properties, &tree);
        machine.good_run(&name);
        let before = files(&machine.path(""));
        let report = try_it(&machine, &name).unwrap_or_else(|error| panic!("{storage}: {}", error.chain()));
        let steps: Vec<&str> = report.steps.iter().map(|step| step.name).collect();
        assert_eq!(steps, STEPS, "{storage}");
        assert!(report.write_rate > 0.0 && report.read_rate > 0.0 && report.answer_seconds > 0.0);
        assert!(report.left.is_empty(), "{storage}: {:?}", report.left);
        let no_locks = |files: Vec<PathBuf>| -> Vec<PathBuf> {
            let is_lock = |file: &PathBuf| file.starts_with(&machine.context.layout.locks);
            files.into_iter().filter(|file| !is_lock(file)).collect()
        };
        assert_eq!(no_locks(files(&machine.path(""))), no_locks(before), "{storage}");
        let check = machine.repository(&name).unwrap();
        let request = engine_api::CheckRequest {
            read: engine_api::ReadData::All,
        };
        let report = check.engine().check(&request, &engine_api::Silent).unwrap();
        assert!(report.findings.is_empty(), "{storage}: {:?}", report.findings);
    }
}

/// Before the first night there is no folder yet: it is made for the trial, and gone afterwards.
#[test]
fn a_trial_of_an_empty_place_leaves_it_empty() {
    let machine = Machine::new();
    let place = machine.path("disk/not/there");
    let properties = [
        ("VFSType", "local".to_owned()),
        ("LocalDirectory", place.to_str().unwrap().to_owned()),
    ];
    let name = machine.job("b1", "rsync", &properties, &tree(&machine));
    let report = try_it(&machine, &name).unwrap();
    assert!(
        report
            .abilities
            .iter()
            .any(|(what, value)| *what == "hard links" && value == "yes")
    );
    assert!(report.space.unwrap().total > 0);
    assert!(!machine.path("disk").exists(), "{:?}", files(&machine.path("disk")));
    assert!(report.left.is_empty(), "{:?}", report.left);

    let server = need!(Sshd::start(), "there is no sshd, or this user may not run it");
    let name = JobName::new("b2").unwrap();
    let key = machine.context.layout.ssh_key(&name);
    std::fs::copy(server.client_key(), &key).unwrap();
    let properties = [
        ("VFSType", "sftp".to_owned()),
        ("SftpHost", "127.0.0.1".to_owned()),
        ("SftpPort", server.address().port().to_string()),
        ("SftpUser", "root".to_owned()),
        (
            "SftpDirectory",
            server.folder().join("new").to_str().unwrap().to_owned(),
        ),
    ];
    let name = machine.job("b2", "rsync", &properties, &tree(&machine));
    let report = try_it(&machine, &name).unwrap_or_else(|error| panic!("{}", error.chain()));
    assert!(report.left.is_empty(), "{:?}", report.left);
    assert!(!server.folder().join("new").exists());
}

/// A bucket costs, and its name is taken from everybody: a trial makes none.
#[test]
fn a_trial_makes_no_bucket() {
    let machine = Machine::new();
    let name = JobName::new("b1").unwrap();
    let ground = ground(PlaceKind::B2, &machine, &name).unwrap();
    let mut properties = ground.properties.clone();
    properties.push(("VFSType", "b2".to_owned()));
    let name = machine.job("b1", "restic", &properties, &tree(&machine));
    let error = try_it(&machine, &name).unwrap_err();
    let kind = error.downcast_ref::<engine_api::StoreError>().unwrap().kind;
    assert_eq!(kind, StoreErrorKind::NotFound);
    assert!(error.hint().unwrap().contains("bucket"));
}

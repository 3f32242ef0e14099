//! Passwords and keys: made by one program, used by the other.

use engine_restic::{Error, Password, ResticEngine};
use holdfast_tests::holdfast::{Repository, local, settings};
use holdfast_tests::need;
use holdfast_tests::restic::{self, PASSWORD};

use crate::common::Bench;

#[test]
fn a_wrong_password_is_its_own_error() {
    let bench = Bench::new();
    drop(bench.init());
    let result = ResticEngine::open(local(&bench.repository), settings("something else"));
    assert!(matches!(result.err(), Some(Error::WrongPassword { .. })));
}

#[test]
fn keys_of_restic_open_for_holdfast_and_the_other_way_round() {
    let program = need!(restic::newest(), "restic is not installed");
    let bench = Bench::new();
    let restic = bench.restic(&program);
    restic.run(&["init"]);
    let repository = bench.open();
    for number in 0..4 {
        repository
            .engine
            .add_key(&Password::new(format!("password {number}")))
            .unwrap();
    }
    let file = bench.path("new-password");
    std::fs::write(&file, "made by restic").unwrap();
    restic.run(&[
        "key".as_ref(),
        "add".as_ref(),
        "--new-password-file".as_ref(),
        file.as_os_str(),
    ]);
    assert_eq!(repository.engine.keys().unwrap().len(), 6);
    for password in ["password 0", "password 3", "made by restic", PASSWORD] {
        ResticEngine::open(local(&bench.repository), settings(password)).unwrap();
        let theirs = bench.restic(&program).with_password(password);
        theirs.run(&["list", "keys"]);
    }
}

#[test]
fn a_changed_password_is_changed_for_restic_too() {
    let program = need!(restic::newest(), "restic is not installed");
    let bench = Bench::with_plain_tree(1);
    let repository = bench.init();
    repository.backup(&[&bench.tree]);
    repository
        .engine
        .change_password(&Password::new("new".to_owned()))
        .unwrap();
    // The engine that changed it goes on.
    repository.backup(&[&bench.tree]);
    bench.restic(&program).fail(&["snapshots"]);
    let restic = bench.restic(&program).with_password("new");
    assert_eq!(restic.snapshots().len(), 2);
    restic.check();
}

#[test]
fn a_removed_key_opens_nothing() {
    let bench = Bench::new();
    let repository = bench.init();
    let id = repository.engine.add_key(&Password::new("guest".to_owned())).unwrap();
    ResticEngine::open(local(&bench.repository), settings("guest")).unwrap();
    repository.engine.remove_key(&id.to_string()).unwrap();
    let result = ResticEngine::open(local(&bench.repository), settings("guest"));
    assert!(matches!(result.err(), Some(Error::WrongPassword { .. })));
    let own = repository.engine.keys().unwrap();
    assert!(repository.engine.remove_key(&own[0].id.to_string()).is_err());
    drop(Repository::open(&bench.repository));
}

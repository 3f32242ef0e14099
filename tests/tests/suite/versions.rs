//! Repositories of other format versions.

use engine_api::{ErrorKind, Failure};
use engine_restic::Error;
use holdfast_tests::holdfast::{Repository, local};
use holdfast_tests::{need, restic};

use crate::common::Bench;

#[test]
fn version_1_is_read_and_written() {
    let programs = restic::programs();
    need!((!programs.is_empty()).then_some(()), "restic is not installed");
    for program in &programs {
        let bench = Bench::with_plain_tree(1);
        let restic = bench.restic(program);
        restic.run(&["init", "--repository-version", "1"]);
        let saved = bench.picture();
        restic.backup(&[&bench.tree]);
        bench.open().check();
        bench.assert_restores(&saved);

        holdfast_tests::corpus::edit_plain_tree(&bench.tree, 9, 5);
        let saved = bench.picture();
        let id = bench.open().backup(&[&bench.tree]).snapshot.unwrap();
        restic.check();
        bench.assert_restic_restores(&restic, &id.0, &saved);
        bench.open().keep_last(1).unwrap();
        bench.open().prune().unwrap();
        restic.check();
        assert_eq!(restic.json(&["cat", "config"])["version"], 1);
        bench.assert_restic_restores(&restic, &id.0, &saved);
    }
}

#[test]
fn a_version_of_the_future_is_refused() {
    let program = need!(restic::newest(), "restic is not installed");
    let bench = Bench::new();
    drop(bench.init());
    let restic = bench.restic(&program);
    let mut config = restic.json(&["cat", "config"]);
    config["version"] = 3.into();
    let key = holdfast_tests::seal::MasterKey::of(&restic);
    let path = bench.repository.join("config");
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, key.seal(config.to_string().as_bytes())).unwrap();
    let error = Repository::on(local(&bench.repository)).err().unwrap();
    assert!(matches!(error, Error::UnsupportedVersion { version: 3, .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert!(error.hint().is_some());
}

#[test]
fn no_repository_is_its_own_error() {
    let bench = Bench::new();
    let error = Repository::on(local(&bench.repository)).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::NoRepository, "{error}");
    assert!(error.hint().is_some());
}

#[test]
fn a_second_init_is_refused_and_harms_nothing() {
    let bench = Bench::with_plain_tree(2);
    let saved = bench.picture();
    bench.init().backup(&[&bench.tree]);
    let again = engine_restic::ResticEngine::init(
        local(&bench.repository),
        holdfast_tests::holdfast::settings("another password"),
    );
    assert!(matches!(again.err(), Some(Error::RepositoryExists { .. })));
    bench.assert_restores(&saved);
}

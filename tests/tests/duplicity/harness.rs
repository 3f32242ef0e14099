//! The real programs beside themselves: what the suite asks of Holdfast's engine, each of them can do, and a tree that
//! differs is noticed.

use holdfast_tests::duplicity::equal::unequal;
use holdfast_tests::duplicity::history::History;
use holdfast_tests::duplicity::keys::Keyring;
use holdfast_tests::duplicity::programs;
use holdfast_tests::duplicity::real::{Duplicity, Wrap};
use holdfast_tests::duplicity::tree_g::{self, Stage};
use holdfast_tests::need;
use holdfast_tests::tree::picture;

#[test]
fn each_program_restores_its_own_history() {
    for program in need!(programs::both(), "duplicity is not installed") {
        let mut history = History::new();
        let real = Duplicity::new(&program, &history.target);
        history.play(&[&real]);
        history.assert_restores(&real);
        real.verify(&history.source);
    }
}

#[test]
fn encrypted_as_well() {
    let ring = need!(Keyring::new(), "gpg is not installed");
    for program in need!(programs::both(), "duplicity is not installed") {
        for wrap in [
            Wrap::Passphrase("x".to_owned()),
            Wrap::keys(&[("--encrypt-key", &ring.rsa), ("--encrypt-key", &ring.curve)], &ring),
            Wrap::keys(&[("--encrypt-sign-key", &ring.rsa)], &ring),
        ] {
            let mut history = History::of_empty();
            std::fs::write(history.source.join("file"), "text").unwrap();
            let real = Duplicity::new(&program, &history.target).wrapping(wrap);
            history.save(&real, holdfast_tests::duplicity::history::Step::Full);
            history.assert_restores(&real);
        }
    }
}

#[test]
fn every_stage_differs_from_the_one_before() {
    let mut history = History::new();
    let first = picture(&history.source);
    tree_g::change(&history.source, Stage::M1);
    assert!(unequal(&first, &history.source).len() > 30);
    let second = picture(&history.source);
    tree_g::change(&history.source, Stage::M2);
    assert!(unequal(&second, &history.source).len() > 25);
    assert_eq!(history.next_time(), holdfast_tests::duplicity::FIRST);
    history.states.push((history.next_time(), first));
}

//! What is walked and restored is the same tree.

use fstree::TargetOptions;
use fstree::testing::{CompareOptions, Dice, ZooOptions, build_zoo, compare, mutate, random_tree};
use proptest::prelude::*;

use crate::support::{folder, is_root, restore};

#[test]
fn the_zoo_comes_back() {
    let (source, target) = (folder(), folder());
    let missing = build_zoo(source.path(), ZooOptions::default()).unwrap();
    assert!(
        !is_root() || missing.is_empty(),
        "root can make everything, but not {missing:?}"
    );
    for sparse in [true, false] {
        let target = target.path().join(format!("sparse {sparse}"));
        let problems = restore(
            source.path(),
            &target,
            TargetOptions {
                sparse,
                ..TargetOptions::default()
            },
        );
        assert_eq!(problems, []);
        let options = CompareOptions {
            holes: sparse,
            ..CompareOptions::default()
        };
        assert_eq!(compare(source.path(), &target, options).unwrap(), [] as [String; 0]);
    }
}

#[test]
fn a_second_restore_over_the_first_changes_nothing() {
    let (source, target) = (folder(), folder());
    build_zoo(
        source.path(),
        ZooOptions {
            deep: false,
            ..ZooOptions::default()
        },
    )
    .unwrap();
    for _ in 0..2 {
        assert_eq!(restore(source.path(), target.path(), TargetOptions::default()), []);
        let differences = compare(source.path(), target.path(), CompareOptions::default()).unwrap();
        assert_eq!(differences, [] as [String; 0]);
    }
}

#[test]
fn a_comparison_sees_each_kind_of_difference() {
    let (source, target) = (folder(), folder());
    build_zoo(
        source.path(),
        ZooOptions {
            deep: false,
            ..ZooOptions::default()
        },
    )
    .unwrap();
    restore(
        source.path(),
        target.path(),
        TargetOptions {
            sparse: true,
            ..TargetOptions::default()
        },
    );
    let at = |name: &str| target.path().join(name);
    std::fs::write(at("new"), "").unwrap();
    std::fs::remove_file(at("names/-rf")).unwrap();
    std::fs::remove_file(at("links/a/second")).unwrap();
    std::fs::write(at("links/a/second"), "one file of three names").unwrap();
    std::fs::write(at("files/regular"), "some tixt\n").unwrap();
    std::fs::write(at("files/only a hole"), vec![0; 1 << 20]).unwrap();
    std::fs::set_permissions(at("modes"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let options = CompareOptions {
        holes: true,
        ..CompareOptions::default()
    };
    let differences = compare(source.path(), target.path(), options).unwrap().join("\n");
    for expected in [
        "new: only in the second",
        "names/-rf: only in the first",
        "files/regular: content: differs from byte 6",
        "files/only a hole: holes:",
        "modes: mode: 0755 and 0700",
        "links/a/second: one with links/a/first and with links/a/second",
        "names: mtime:",
    ] {
        assert!(
            differences.contains(expected),
            "{expected} is missing in:\n{differences}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn random_trees_come_back_after_random_edits(seed: u64, entries in 1_usize..120, edits in 0_usize..40) {
        let (source, target) = (folder(), folder());
        let mut dice = Dice::new(seed);
        random_tree(source.path(), &mut dice, entries).unwrap();
        let before = target.path().join("before");
        prop_assert_eq!(restore(source.path(), &before, TargetOptions::default()), []);
        prop_assert_eq!(compare(source.path(), &before, CompareOptions::default()).unwrap(), [] as [String; 0]);
        mutate(source.path(), &mut dice, edits).unwrap();
        let after = target.path().join("after");
        prop_assert_eq!(restore(source.path(), &after, TargetOptions { sparse: true, ..TargetOptions::default() }), []);
        prop_assert_eq!(compare(source.path(), &after, CompareOptions::default()).unwrap(), [] as [String; 0]);
    }
}

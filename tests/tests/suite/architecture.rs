//! The arrows between the crates, as cargo sees them.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

/// What each crate of the workspace may use of the others outside its tests.
const MAY_USE: &[(&str, &[&str])] = &[
    ("holdfast-engine-api", &[]),
    ("holdfast-fstree", &["holdfast-engine-api"]),
    ("holdfast-rdiff", &[]),
    ("holdfast-engine-restic", &["holdfast-engine-api", "holdfast-fstree"]),
    (
        "holdfast-engine-duplicity",
        &["holdfast-engine-api", "holdfast-fstree", "holdfast-rdiff"],
    ),
    ("holdfast-engine-rsync", &["holdfast-engine-api", "holdfast-fstree"]),
    ("holdfast-backends", &["holdfast-engine-api"]),
    (
        "holdfast-jobs",
        &[
            "holdfast-engine-api",
            "holdfast-fstree",
            "holdfast-engine-restic",
            "holdfast-engine-duplicity",
            "holdfast-engine-rsync",
            "holdfast-backends",
        ],
    ),
    ("holdfast-platform", &[]),
    (
        "holdfast",
        &["holdfast-jobs", "holdfast-engine-api", "holdfast-platform"],
    ),
];

/// Crates that are no part of the product.
const APART: &[&str] = &["holdfast-tests", "holdfast-benches"];

fn metadata() -> Value {
    run_metadata(&["--no-deps"])
}

fn run_metadata(more: &[&str]) -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline"])
        .args(more)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_arrows_point_one_way() {
    let metadata = metadata();
    let rules: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        if APART.contains(&name) {
            continue;
        }
        let allowed = rules
            .get(name)
            .unwrap_or_else(|| panic!("{name} has no rule here: say what it may use"));
        for dependency in package["dependencies"].as_array().unwrap() {
            let other = dependency["name"].as_str().unwrap();
            let is_ours = other.starts_with("holdfast-");
            let is_for_tests = dependency["kind"] == "dev";
            assert!(
                !is_ours || is_for_tests || allowed.contains(&other),
                "{name} must not use {other}"
            );
        }
    }
}

/// A version that is named in one place cannot differ in two.
#[test]
fn versions_stand_in_the_one_table() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for package in metadata()["packages"].as_array().unwrap() {
        let path = package["manifest_path"].as_str().unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        let dependencies = text.split("\n[").filter(|section| section.contains("dependencies]"));
        for line in dependencies.flat_map(|section| section.lines().skip(1)) {
            // A crate may ask for a feature of its own in its tests; that names no version.
            let is_itself = line.contains("path = \".\"");
            let is_entry = line.contains('=') && !line.trim_start().starts_with('#') && !is_itself;
            assert!(
                !is_entry || line.contains("workspace = true"),
                "{}: `{line}` names a version of its own",
                std::path::Path::new(path).strip_prefix(root).unwrap().display()
            );
        }
    }
}

/// Every licence of what is linked in allows a program under MIT or Apache-2.0, with no more duty than to name it.
#[test]
fn dependencies_may_be_used() {
    const FREE: [&str; 8] = [
        "0BSD",
        "MIT",
        "Apache-2.0",
        "BSD-3-Clause",
        "ISC",
        "Unicode-3.0",
        "Zlib",
        "bzip2-1.0.6",
    ];
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let metadata = run_metadata(&["--filter-platform", &platform]);
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 50);
    for package in packages {
        let text = package["license"].as_str().unwrap_or_default().replace('/', " OR ");
        // `(MIT OR Apache-2.0) AND Unicode-3.0`: of each part one licence must do.
        let is_free = text.split(" AND ").all(|part| {
            part.trim_matches(['(', ')'])
                .split(" OR ")
                .any(|name| FREE.contains(&name.trim()))
        });
        assert!(is_free, "{} is under {text:?}", package["name"]);
    }
}

/// What would come in through the back door of another crate: a second way to do what is done already.
#[test]
fn some_crates_stay_out() {
    let lock = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    let lock = std::fs::read_to_string(lock).unwrap();
    for (name, reason) in [
        ("openssl-sys", "it differs from machine to machine"),
        ("anyhow", "errors are enums"),
    ] {
        assert!(!lock.contains(&format!("name = \"{name}\"\n")), "{name}: {reason}");
    }
}

/// What is only for one crate, because all others are blocking by contract: SSH brings a runtime along, and the storage
/// that needs it keeps it to itself.
#[test]
fn the_runtime_stays_within_the_storages() {
    for package in metadata()["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        for dependency in package["dependencies"].as_array().unwrap() {
            let other = dependency["name"].as_str().unwrap();
            let is_for_storages = ["tokio", "russh"].contains(&other);
            assert!(
                !is_for_storages || name == "holdfast-backends" || dependency["kind"] == "dev",
                "{name} must not use {other}"
            );
        }
    }
}

//! Every storage against the real server: the public suite, the engine, the real restic, and bad networks.

mod b2;
mod bucket;
mod common;
mod killed;
mod network;
mod pairs;
mod records;
mod rest;
mod s3;
mod secrets;
mod statuses;
mod strict;
mod trial;
mod webdav;

/// A file that nobody lists is a suite that nobody runs.
#[test]
fn every_file_is_listed() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/storages");
    let text = std::fs::read_to_string(here.join("main.rs")).unwrap();
    for item in std::fs::read_dir(&here).unwrap() {
        let name = item.unwrap().file_name().into_string().unwrap();
        let module = name.trim_end_matches(".rs");
        assert!(
            module == "main" || text.contains(&format!("\nmod {module};")),
            "{name} is not listed in main.rs"
        );
    }
}

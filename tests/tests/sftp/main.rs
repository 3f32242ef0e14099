//! The storage over SFTP against OpenSSH's server: the contract of storages, logins, host keys, faults, and the engines.

mod blobs;
mod channels;
mod common;
mod engines;
mod faults;
mod files;
mod killed;
mod login;
mod saved;
mod whole;

/// A file that nobody lists is a suite that nobody runs.
#[test]
fn every_file_is_listed() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sftp");
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

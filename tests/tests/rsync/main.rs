//! The rsync engine beside the original script and the real rsync, with faults at every call, kills at every moment, and
//! bad input of every kind.

mod bad_input;
mod calls;
mod common;
mod crash;
mod faults;
mod memory;
mod random;
mod script;
mod shared_blocks;
mod turns;
mod zoo;

/// A file that nobody lists is a suite that nobody runs.
#[test]
fn every_file_is_listed() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rsync");
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

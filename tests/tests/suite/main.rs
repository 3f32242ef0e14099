//! Every end-to-end suite in one program, so that linking is paid for once.

mod architecture;
mod calls;
mod chunker;
mod common;
mod concurrent;
mod crash;
mod damage;
mod faults;
mod foreign;
mod full_disk;
mod history;
mod interop;
mod keys;
mod listing;
mod locks;
mod memory;
mod random;
mod versions;
mod when;
mod zoo;

/// A file that nobody lists is a suite that nobody runs.
#[test]
fn every_file_is_listed() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite");
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

//! The duplicity engine beside the real programs, a test for each row of the table of what two programs on one
//! repository must be able to do: `a` one reads what the other wrote, `b` the other way round, `c` shared state and
//! failures, `d` time and retention, `e` bytes.

mod bytes;
mod chains;
mod common;
mod crash;
mod harness;
mod live;
mod memory;
mod random;
mod reads;
mod shared;
mod synthetic;
mod written;

/// A file that nobody lists is a suite that nobody runs.
#[test]
fn every_file_is_listed() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/duplicity");
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

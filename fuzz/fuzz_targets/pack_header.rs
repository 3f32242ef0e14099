//! The opened header of a pack.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| engine_restic::fuzzing::pack_header(bytes));

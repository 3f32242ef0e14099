//! Every other kind of file: the first byte chooses which.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| engine_restic::fuzzing::file(bytes));

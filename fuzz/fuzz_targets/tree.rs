//! A folder's listing: names, times, attributes, all of it from the storage.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| engine_restic::fuzzing::tree(bytes));

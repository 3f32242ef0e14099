//! The manifest of a hard-linked snapshot: its head, its index and its records, all of it from the storage.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| engine_rsync::fuzzing::manifest(bytes));

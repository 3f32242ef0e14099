//! Every kind of a duplicity repository's bytes: the first byte chooses which.
#![no_main]

use engine_duplicity::fuzzing;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else {
        return;
    };
    match which % 5 {
        0 => fuzzing::manifest(bytes),
        1 => fuzzing::name(bytes),
        2 => fuzzing::tar(bytes),
        3 => fuzzing::gzip_volume(bytes),
        _ => fuzzing::delta(bytes),
    }
});

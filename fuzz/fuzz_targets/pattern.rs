//! The pattern language, against paths of any bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: (Vec<Vec<u8>>, Vec<u8>)| {
    let (patterns, path) = input;
    if let Ok(matcher) = fstree::pattern::Matcher::compile(&patterns) {
        let _ = matcher.matches(&path, false);
    }
});

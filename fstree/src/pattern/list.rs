//! The files that patterns are written in.

/// The patterns of a list file: one per line, trailing blanks removed, blank lines and lines that begin with `#` skipped.
///
/// Leading blanks belong to the pattern; to write a name that begins with `#`, put it as `[#]`.
#[must_use]
pub fn parse_list(file: &[u8]) -> Vec<Vec<u8>> {
    file.split(|&byte| byte == b'\n')
        .map(<[u8]>::trim_ascii_end)
        .filter(|line| !line.is_empty() && !line.starts_with(b"#"))
        .map(<[u8]>::to_vec)
        .collect()
}

/// The pattern that means exactly this path: what would be a wildcard is written as a set of one.
#[must_use]
pub fn literal(path: &[u8]) -> Vec<u8> {
    let mut pattern = Vec::with_capacity(path.len());
    for &byte in path {
        match byte {
            b'*' | b'?' | b'[' => pattern.extend([b'[', byte, b']']),
            b'\\' => pattern.extend(b"\\\\"),
            _ => pattern.push(byte),
        }
    }
    pattern
}

/// Whether the pattern, or this component of one, can mean anything but its own bytes.
#[must_use]
pub fn has_wildcards(pattern: &[u8]) -> bool {
    pattern.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[' | b'\\'))
}

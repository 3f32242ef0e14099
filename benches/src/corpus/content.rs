use holdfast_tests::corpus::Random;

/// The generator for one file: `part` tells mails from other files, `number` the file, `generation` its version.
pub fn random(part: u64, number: u64, generation: u32) -> Random {
    let seed = (part << 56) ^ (u64::from(generation) << 40) ^ number;
    // Neighbouring seeds of such a simple generator resemble each other at first.
    let mut random = Random::new(seed);
    for _ in 0..8 {
        random.number();
    }
    random
}

/// Text of `length` bytes; cut from a large page so that gigabytes of it take seconds.
pub fn text(random: &mut Random, page: &[u8], length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 4096);
    while bytes.len() < length {
        let size = 40 + usize::try_from(random.below(400)).unwrap_or(0);
        let room = page.len().saturating_sub(size) as u64;
        let start = usize::try_from(random.below(room.max(1))).unwrap_or(0);
        bytes.extend_from_slice(page.get(start..start + size).unwrap_or_default());
        bytes.extend_from_slice(format!("{:x}\n", random.number()).as_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// The page that all text is cut from.
pub fn page() -> Vec<u8> {
    random(0, 0, 0).text(1 << 20)
}

//! Choices that are the same for the same request.

/// splitmix64: the numbers must not change with a library's version.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`; 0 where that is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.next() % end }
    }

    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    pub fn word(&mut self) -> &'static str {
        WORDS[self.index(WORDS.len())]
    }
}

/// What stands for the same parts in the same order (FNV-1a, 64 bits).
pub fn seed(parts: &[&[u8]]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut feed = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for part in parts {
        feed(&part.len().to_le_bytes());
        feed(part);
    }
    hash
}

const WORDS: [&str; 32] = [
    "amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "harbour", "indigo", "juniper", "kestrel", "lagoon", "maple",
    "nectar", "orchid", "pebble", "quartz", "river", "saffron", "timber", "umber", "velvet", "willow", "xenon", "yarrow",
    "zephyr", "acorn", "beacon", "canyon", "drift", "echo", "fern",
];

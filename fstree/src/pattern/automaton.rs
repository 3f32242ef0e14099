//! All patterns of a matcher as one non-deterministic automaton; a set of its states is a row of bits.

use super::parse::{Parsed, Token};
use crate::Error;

/// More states than this would make the scanner's memory a question; 128 KiB of patterns fit.
const MOST_STATES: usize = 1 << 17;

/// What holds of a path once all of it is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// A pattern matches it whatever it is.
    pub(crate) any: bool,
    /// A pattern matches it if it is a folder.
    pub(crate) folder: bool,
    /// No pattern can match anything below it any more.
    pub(crate) dead: bool,
}

impl Verdict {
    pub(crate) fn applies_to(self, is_dir: bool) -> bool {
        self.any || (self.folder && is_dir)
    }
}

/// State `i` of a pattern means that its first `i` tokens are matched; the patterns lie one after the other.
#[derive(Debug)]
pub(super) struct Automaton {
    words: usize,
    classes: Box<[u8; 256]>,
    class_count: usize,
    /// Per class: the states that a byte of it takes one further.
    takes: Vec<Vec<u64>>,
    /// The states that stay on any byte.
    stays: Vec<u64>,
    /// The states that stay on any byte but a slash.
    stays_in_name: Vec<u64>,
    /// The states whose token may be skipped at any time.
    skips: Vec<u64>,
    /// The states whose token may be skipped only when they are reached.
    skips_at_once: Vec<u64>,
    start: Vec<u64>,
    accepts: Vec<u64>,
    accepts_folder: Vec<u64>,
}

impl Automaton {
    pub(super) fn build(patterns: &[Parsed]) -> Result<Self, Error> {
        let states: usize = patterns.iter().map(|pattern| pattern.tokens.len() + 1).sum();
        if states > MOST_STATES {
            let pattern = format!("{} patterns", patterns.len());
            return Err(Error::Pattern {
                pattern,
                reason: "together they are longer than 128 KiB",
            });
        }
        let words = states.div_ceil(64).max(1);
        let row = || vec![0; words];
        let mut built = Self {
            words,
            classes: Box::new([0; 256]),
            class_count: 1,
            takes: Vec::new(),
            stays: row(),
            stays_in_name: row(),
            skips: row(),
            skips_at_once: row(),
            start: row(),
            accepts: row(),
            accepts_folder: row(),
        };
        built.find_classes(patterns);
        built.takes = vec![row(); built.class_count];
        let mut state = 0;
        for pattern in patterns {
            built.add(pattern, state);
            state += pattern.tokens.len() + 1;
        }
        let mut start = std::mem::take(&mut built.start);
        let reached = start.clone();
        built.close(&mut start, &reached);
        built.start = start;
        Ok(built)
    }

    /// Bytes that no pattern tells apart share a class.
    fn find_classes(&mut self, patterns: &[Parsed]) {
        let mut sets = vec![super::parse::ByteSet::one(b'/')];
        for token in patterns.iter().flat_map(|pattern| &pattern.tokens) {
            if let Token::Byte(set) = token
                && !sets.contains(set)
            {
                sets.push(*set);
            }
        }
        let mut known: Vec<Vec<bool>> = Vec::new();
        for (byte, class) in (0_u8..=255).zip(self.classes.iter_mut()) {
            let signature: Vec<bool> = sets.iter().map(|set| set.contains(byte)).collect();
            let at = known.iter().position(|other| *other == signature).unwrap_or_else(|| {
                known.push(signature);
                known.len() - 1
            });
            *class = u8::try_from(at).unwrap_or(u8::MAX);
        }
        self.class_count = known.len();
    }

    fn add(&mut self, pattern: &Parsed, first: usize) {
        set_bit(&mut self.start, first);
        for (state, token) in (first..).zip(&pattern.tokens) {
            match token {
                Token::Byte(set) => {
                    for (byte, class) in (0_u8..=255).zip(self.classes.iter()) {
                        if set.contains(byte)
                            && let Some(row) = self.takes.get_mut(usize::from(*class))
                        {
                            set_bit(row, state);
                        }
                    }
                }
                Token::Run => {
                    set_bit(&mut self.stays_in_name, state);
                    set_bit(&mut self.skips, state);
                }
                Token::Any => {
                    set_bit(&mut self.stays, state);
                    set_bit(&mut self.skips, state);
                }
                Token::Folders => {
                    set_bit(&mut self.stays, state);
                    set_bit(&mut self.skips_at_once, state);
                    let slash = self.class(b'/');
                    if let Some(row) = self.takes.get_mut(slash) {
                        set_bit(row, state);
                    }
                }
            }
        }
        let end = first + pattern.tokens.len();
        let accepts = if pattern.only_folders {
            &mut self.accepts_folder
        } else {
            &mut self.accepts
        };
        set_bit(accepts, end);
    }

    pub(super) fn class(&self, byte: u8) -> usize {
        self.classes.get(usize::from(byte)).copied().map_or(0, usize::from)
    }

    pub(super) fn class_count(&self) -> usize {
        self.class_count
    }

    pub(super) fn start(&self) -> &[u64] {
        &self.start
    }

    /// The states after one more byte.
    pub(super) fn step(&self, states: &[u64], byte: u8) -> Vec<u64> {
        let Some(takes) = self.takes.get(self.class(byte)) else {
            return vec![0; self.words];
        };
        let taken: Vec<u64> = states.iter().zip(takes).map(|(state, take)| state & take).collect();
        let mut reached = vec![0; self.words];
        add_shifted(&mut reached, &taken);
        let mut next = reached.clone();
        let in_name = if byte == b'/' { 0 } else { u64::MAX };
        for (((next, state), stays), stays_in_name) in
            next.iter_mut().zip(states).zip(&self.stays).zip(&self.stays_in_name)
        {
            *next |= state & (stays | (stays_in_name & in_name));
        }
        self.close(&mut next, &reached);
        next
    }

    /// Adds the states that skipping leads to. A skip leads to another at most once: [`Token::Folders`] to a wildcard.
    fn close(&self, states: &mut [u64], reached: &[u64]) {
        let at_once: Vec<u64> = reached
            .iter()
            .zip(&self.skips_at_once)
            .map(|(state, skip)| state & skip)
            .collect();
        add_shifted(states, &at_once);
        let skipping: Vec<u64> = states
            .iter()
            .zip(&self.skips)
            .map(|(state, skip)| state & skip)
            .collect();
        add_shifted(states, &skipping);
    }

    pub(super) fn verdict(&self, states: &[u64]) -> Verdict {
        let meets = |row: &[u64]| states.iter().zip(row).any(|(state, accepts)| state & accepts != 0);
        Verdict {
            any: meets(&self.accepts),
            folder: meets(&self.accepts_folder),
            dead: states.iter().all(|&word| word == 0),
        }
    }
}

fn set_bit(row: &mut [u64], bit: usize) {
    if let Some(word) = row.get_mut(bit / 64) {
        *word |= 1 << (bit % 64);
    }
}

/// `to |= from << 1`, over word borders.
fn add_shifted(to: &mut [u64], from: &[u64]) {
    let mut carry = 0;
    for (to, from) in to.iter_mut().zip(from) {
        *to |= (from << 1) | carry;
        carry = from >> 63;
    }
}

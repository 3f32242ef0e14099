//! The automaton made deterministic as far as the paths at hand need it: one table look-up per byte.

use std::collections::HashMap;
use std::sync::Arc;

use super::automaton::{Automaton, Verdict};

/// Where the patterns stand after a folder's path: what comes below goes on from here. Valid for every scanner of the
/// same matcher.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place(Arc<[u64]>);

/// Remembers each set of states it has seen and where each byte leads from it.
#[derive(Debug)]
pub(crate) struct Scanner {
    automaton: Arc<Automaton>,
    states: Vec<State>,
    numbers: HashMap<Place, u32>,
    bytes: usize,
}

#[derive(Debug)]
struct State {
    place: Place,
    verdict: Verdict,
    next: Box<[u32]>,
}

/// What is remembered is thrown away when it takes more than this: hostile patterns cost time, never memory.
const MOST_BYTES: usize = 4 << 20;
const UNKNOWN: u32 = u32::MAX;

impl Scanner {
    pub(super) fn new(automaton: Arc<Automaton>) -> Self {
        Self {
            automaton,
            states: Vec::new(),
            numbers: HashMap::new(),
            bytes: 0,
        }
    }

    /// At the root.
    pub(crate) fn start(&self) -> Place {
        Place(Arc::from(self.automaton.start()))
    }

    /// What the patterns say of the place itself.
    pub(crate) fn verdict(&self, place: &Place) -> Verdict {
        self.automaton.verdict(&place.0)
    }

    /// What the patterns say of the entry `name` of the folder at `place`.
    pub(crate) fn entry(&mut self, place: &Place, name: &[u8]) -> Verdict {
        let state = self.below(place, name);
        self.verdict_of(state)
    }

    /// The place of the folder `name` in the folder at `place`.
    pub(crate) fn enter(&mut self, place: &Place, name: &[u8]) -> Place {
        let state = self.below(place, name);
        self.states
            .get(state as usize)
            .map_or_else(|| place.clone(), |state| state.place.clone())
    }

    /// Goes down `path`; `stop` is asked after each folder on the way and ends the walk with `None`.
    pub(super) fn walk(&mut self, from: &Place, path: &[u8], stop: impl Fn(Verdict) -> bool) -> Option<Verdict> {
        let mut state = self.number(from);
        for name in path.split(|&byte| byte == b'/').filter(|name| !name.is_empty()) {
            if stop(self.verdict_of(state)) {
                return None;
            }
            state = self.run(state, name);
        }
        Some(self.verdict_of(state))
    }

    fn below(&mut self, place: &Place, name: &[u8]) -> u32 {
        let state = self.number(place);
        self.run(state, name)
    }

    fn run(&mut self, from: u32, name: &[u8]) -> u32 {
        let mut state = self.next(from, b'/');
        for &byte in name {
            state = self.next(state, byte);
        }
        state
    }

    fn verdict_of(&self, state: u32) -> Verdict {
        self.states
            .get(state as usize)
            .map(|state| state.verdict)
            .unwrap_or_default()
    }

    fn next(&mut self, from: u32, byte: u8) -> u32 {
        let class = self.automaton.class(byte);
        let Some(state) = self.states.get(from as usize) else {
            return from;
        };
        match state.next.get(class) {
            Some(&known) if known != UNKNOWN => known,
            _ => self.find_next(from, class, byte),
        }
    }

    fn find_next(&mut self, from: u32, class: usize, byte: u8) -> u32 {
        let Some(state) = self.states.get(from as usize) else {
            return from;
        };
        let place = Place(Arc::from(self.automaton.step(&state.place.0, byte)));
        if self.bytes > MOST_BYTES {
            self.forget();
            return self.number(&place);
        }
        let to = self.number(&place);
        if let Some(next) = self
            .states
            .get_mut(from as usize)
            .and_then(|state| state.next.get_mut(class))
        {
            *next = to;
        }
        to
    }

    fn number(&mut self, place: &Place) -> u32 {
        if let Some(&number) = self.numbers.get(place) {
            return number;
        }
        let number = u32::try_from(self.states.len()).unwrap_or(UNKNOWN);
        let state = State {
            place: place.clone(),
            verdict: self.automaton.verdict(&place.0),
            next: vec![UNKNOWN; self.automaton.class_count()].into_boxed_slice(),
        };
        self.bytes += 128 + place.0.len() * 8 + state.next.len() * 4;
        self.states.push(state);
        self.numbers.insert(place.clone(), number);
        number
    }

    fn forget(&mut self) {
        self.states.clear();
        self.numbers.clear();
        self.bytes = 0;
    }
}

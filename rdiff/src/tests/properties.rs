use proptest::prelude::*;

use super::{delta, layout, patched, signature};
use crate::weak::{RabinKarp, Rollsum, Weak};
use crate::{DeltaBuilder, Index, Kind, Layout, Patched, ReadAt, Signature, SignatureBuilder, compose, patch};

/// A change to a file.
#[derive(Debug, Clone)]
enum Edit {
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
    Overwrite(usize, Vec<u8>),
    Move(usize, usize, usize),
}

fn edited(mut bytes: Vec<u8>, edits: &[Edit]) -> Vec<u8> {
    for edit in edits {
        let within = |at: &usize| at % (bytes.len() + 1);
        match edit {
            Edit::Insert(at, new) => {
                let at = within(at);
                bytes.splice(at..at, new.iter().copied());
            }
            Edit::Remove(at, len) => {
                let at = within(at);
                bytes.drain(at..bytes.len().min(at + len));
            }
            Edit::Overwrite(at, new) => {
                let at = within(at);
                let end = bytes.len().min(at + new.len());
                bytes.splice(at..end, new.iter().copied());
            }
            Edit::Move(from, len, to) => {
                let from = within(from);
                let moved: Vec<u8> = bytes.drain(from..bytes.len().min(from + len)).collect();
                let to = to % (bytes.len() + 1);
                bytes.splice(to..to, moved);
            }
        }
    }
    bytes
}

/// Random bytes, and such that repeat.
fn file() -> impl Strategy<Value = Vec<u8>> {
    let random = prop::collection::vec(any::<u8>(), 0..6000);
    let few = prop::collection::vec(0u8..2, 0..6000);
    let period = (prop::collection::vec(any::<u8>(), 1..90), 0usize..90).prop_map(|(part, times)| part.repeat(times));
    prop_oneof![random, few, period]
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..200);
    let edit = prop_oneof![
        (any::<usize>(), bytes()).prop_map(|(at, new)| Edit::Insert(at, new)),
        (any::<usize>(), 0usize..2000).prop_map(|(at, len)| Edit::Remove(at, len)),
        (any::<usize>(), bytes()).prop_map(|(at, new)| Edit::Overwrite(at, new)),
        (any::<usize>(), 0usize..3000, any::<usize>()).prop_map(|(from, len, to)| Edit::Move(from, len, to)),
    ];
    prop::collection::vec(edit, 0..6)
}

/// Strong sums are not cut so short that blocks are mistaken for others.
fn layouts() -> impl Strategy<Value = Layout> {
    (prop::sample::select(&Kind::ALL), 1u32..700, 8u32..=32)
        .prop_map(|(kind, block, strong)| layout(kind, block, strong.min(kind.max_strong_len())))
}

proptest! {
    #[test]
    fn any_edits_come_back(old in file(), edits in edits(), layout in layouts(), pieces in 1usize..5000) {
        let new = edited(old.clone(), &edits);
        let whole = delta(layout, &old, &new);
        prop_assert_eq!(&patched(&old, &whole), &new);

        let index = Index::new(signature(layout, &old));
        let mut builder = DeltaBuilder::new(&index, Vec::new());
        for piece in new.chunks(pieces) {
            builder.push(piece).unwrap();
        }
        prop_assert_eq!(patched(&old, &builder.finish().unwrap()), new, "however it is cut into pieces");
    }

    #[test]
    fn a_signature_in_the_same_pass_changes_nothing(
        old in file(), edits in edits(), layout in layouts(), other in layouts(), pieces in 1usize..5000,
    ) {
        let new = edited(old.clone(), &edits);
        let index = Index::new(signature(layout, &old));
        for own in [layout, other] {
            let mut builder = DeltaBuilder::new(&index, Vec::new()).with_signature(own);
            for piece in new.chunks(pieces) {
                builder.push(piece).unwrap();
            }
            let (found, made) = builder.finish_both().unwrap();
            prop_assert_eq!(patched(&old, &found), new.as_slice());
            prop_assert!(made == signature(own, &new).as_bytes());
        }
    }

    #[test]
    fn what_is_unchanged_is_one_copy(old in file(), layout in layouts()) {
        let len = delta(layout, &old, &old).len();
        prop_assert!(len <= 4 + 1 + 1 + 2 + 1, "{len}");
    }

    #[test]
    fn one_insertion_costs_few_blocks(old in prop::collection::vec(any::<u8>(), 2000..9000), at in any::<usize>()) {
        let layout = Layout::duplicity(64).unwrap();
        let new = edited(old.clone(), &[Edit::Insert(at, vec![1, 2, 3])]);
        let len = delta(layout, &old, &new).len();
        prop_assert!(len <= 3 + 2 * 64 + 30, "{len}");
    }

    #[test]
    fn pieces_make_no_difference_to_a_signature(bytes in file(), layout in layouts(), pieces in 1usize..5000) {
        let mut builder = SignatureBuilder::new(layout);
        for piece in bytes.chunks(pieces) {
            builder.push(piece);
        }
        let found = Signature::parse(builder.finish()).unwrap();
        prop_assert_eq!(found.layout(), layout);
        prop_assert_eq!(found.as_bytes().len() as u64, layout.signature_len(bytes.len() as u64));
        prop_assert_eq!(found, signature(layout, &bytes));
    }

    #[test]
    fn composed_deltas_are_those_applied_one_by_one(
        old in file(),
        steps in prop::collection::vec(edits(), 0..5),
        layout in layouts(),
    ) {
        let mut newest = old.clone();
        let mut deltas = Vec::new();
        for edits in &steps {
            let next = edited(newest.clone(), edits);
            deltas.push(delta(layout, &newest, &next));
            newest = next;
        }
        let sources: Vec<&dyn ReadAt> = deltas.iter().map(|delta| delta as &dyn ReadAt).collect();
        let mut found = Vec::new();
        compose(&old, &sources, &mut found).unwrap();
        prop_assert_eq!(found, newest);
    }

    #[test]
    fn any_bytes_are_a_delta_or_an_error(old in file(), tail in prop::collection::vec(any::<u8>(), 0..300)) {
        let delta = [&[0x72, 0x73, 0x02, 0x36], tail.as_slice()].concat();
        let mut streamed = Vec::new();
        let patched = patch(&old, delta.as_slice(), &mut streamed);
        let opened = Patched::open(&old, &delta);
        prop_assert_eq!(patched.is_ok(), opened.is_ok());
        if let (Ok(len), Ok(opened)) = (patched, opened) {
            prop_assert_eq!(opened.size().unwrap(), len);
        }
    }

    #[test]
    fn weak_sums_roll_and_shrink(bytes in prop::collection::vec(any::<u8>(), 2..400), window in 1usize..400) {
        let window = window.min(bytes.len() - 1);
        rolls::<Rollsum>(&bytes, window);
        rolls::<RabinKarp>(&bytes, window);
    }
}

fn rolls<T: Weak>(bytes: &[u8], window: usize) {
    let mut rolling = T::of(&bytes[..window]);
    for at in 0..bytes.len() - window {
        assert_eq!(rolling.sum(), T::of(&bytes[at..at + window]).sum());
        rolling.roll(bytes[at], bytes[at + window]);
    }
    let tail = &bytes[bytes.len() - window..];
    for at in 0..window {
        assert_eq!(rolling.sum(), T::of(&tail[at..]).sum());
        rolling.shrink(tail[at]);
    }
}

//! What becomes of every pack.

use engine_api::PruneReport;

use crate::index::{Marks, PackNumber};
use crate::inventory::{Inventory, PackState};

/// How many small packs of a kind there must be before putting them together pays.
const MANY_SMALL: usize = 10;

/// What becomes of a pack of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It stays.
    Keep,
    /// What is needed of it moves to new packs, and it goes.
    Repack,
    /// Nothing of it is needed: it goes.
    Remove,
    /// It is not in the storage, and nothing of it is needed: its entry goes.
    Forget,
}

/// What a prune will do.
pub struct Plan {
    /// For every pack of the index.
    pub fates: Vec<Fate>,
    /// The copy of every needed blob that is kept or moved, by ordinal.
    pub keep: Marks,
    /// The same in numbers.
    pub report: PruneReport,
}

/// What is worth doing.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Unneeded bytes that may stay for each needed one.
    pub unused_per_used: f64,
    /// Bytes that may be written anew.
    pub repack: u64,
    /// Size below which a pack is put together with others.
    pub small: u64,
    /// Whether listings that are not compressed are to be.
    pub must_compress: bool,
}

#[derive(Clone, Copy)]
struct Candidate<'i> {
    number: PackNumber,
    pack: &'i PackState,
    /// Whether it is written anew whatever it holds.
    must: bool,
    /// Whether it is one of many small ones.
    small: bool,
}

/// Decides on every pack.
pub fn decide(inventory: &Inventory, keep: Marks, limits: &Limits) -> Plan {
    let mut fates = vec![Fate::Keep; inventory.iter().count()];
    let mut set = |number: PackNumber, fate| {
        if let Some(slot) = fates.get_mut(number.position()) {
            *slot = fate;
        }
    };
    let mut report = totals(inventory);
    let mut remaining = report.bytes_unused;
    for (number, pack) in inventory.iter().filter(|(_, pack)| pack.blobs_used == 0) {
        remaining = remaining.saturating_sub(pack.unused);
        if let Some(size) = pack.size {
            set(number, Fate::Remove);
            report.packs_removed += 1;
            report.bytes_freed += size;
        } else {
            set(number, Fate::Forget);
        }
    }
    let enough = unused_that_may_stay(report.bytes_used, limits);
    for candidate in candidates(inventory, limits) {
        let pack = candidate.pack;
        let within = report.bytes_repacked.saturating_add(pack.used) <= limits.repack;
        if within && (candidate.must || candidate.small || remaining > enough) {
            set(candidate.number, Fate::Repack);
            remaining = remaining.saturating_sub(pack.unused);
            report.packs_repacked += 1;
            report.bytes_repacked += pack.used;
            report.bytes_freed += pack.unused;
        }
    }
    report.bytes_left_unused = remaining;
    Plan { fates, keep, report }
}

fn totals(inventory: &Inventory) -> PruneReport {
    let mut report = PruneReport::default();
    report.packs_before = inventory.stored;
    report.packs_removed = inventory.unindexed.len() as u64;
    report.bytes_freed = inventory.unindexed.iter().map(|(_, size)| size).sum();
    for (_, pack) in inventory.iter() {
        report.bytes_used += pack.used;
        report.bytes_unused += pack.unused;
    }
    report
}

fn unused_that_may_stay(used: u64, limits: &Limits) -> u64 {
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a limit need not be exact, is not negative, and ends at the largest number"
    )]
    let bytes = (used as f64 * limits.unused_per_used) as u64;
    bytes
}

/// The packs that may be written anew, those first where it pays most.
fn candidates<'i>(inventory: &'i Inventory, limits: &Limits) -> Vec<Candidate<'i>> {
    let used = || inventory.iter().filter(|(_, pack)| pack.blobs_used > 0);
    let small = |pack: &PackState| pack.expected < limits.small;
    let many_small = |trees: bool| {
        let same = used().filter(|(_, pack)| pack.has_trees == trees && small(pack));
        same.count() >= MANY_SMALL
    };
    let many_small = (many_small(false), many_small(true));
    let candidate = |(number, pack): (PackNumber, &'i PackState)| Candidate {
        number,
        pack,
        must: (pack.has_data && pack.has_trees) || (limits.must_compress && pack.has_plain_trees),
        small: small(pack) && if pack.has_trees { many_small.1 } else { many_small.0 },
    };
    let may_pay = |candidate: &Candidate<'_>| candidate.must || candidate.small || candidate.pack.unused > 0;
    let mut candidates: Vec<_> = used().map(candidate).filter(may_pay).collect();
    // The share of waste, compared without division.
    let waste = |a: &PackState, b: &PackState| {
        let (ours, theirs) = (u128::from(a.unused), u128::from(b.unused));
        (theirs * u128::from(a.expected)).cmp(&(ours * u128::from(b.expected)))
    };
    candidates.sort_by(|a, b| {
        let order = (b.must, b.small).cmp(&(a.must, a.small));
        order.then_with(|| waste(a.pack, b.pack))
    });
    candidates
}

use std::sync::Mutex;

use engine_api::RepairReport;

use crate::repository::lock;

/// Sentences that are kept of each kind; the rest is counted, so that memory stays bounded.
const KEPT: usize = 1000;

/// What was done and what was left, as it comes.
#[derive(Default)]
pub struct Notes(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    report: RepairReport,
    more_actions: u64,
    more_left: u64,
}

impl Notes {
    /// Something was done, or would be.
    pub fn done(&self, sentence: String) {
        let kept = &mut *lock(&self.0);
        push(&mut kept.report.actions, &mut kept.more_actions, sentence);
    }

    /// Something could not be mended.
    pub fn left(&self, sentence: String) {
        let kept = &mut *lock(&self.0);
        push(&mut kept.report.left, &mut kept.more_left, sentence);
    }

    /// A snapshot was written again.
    pub fn rewrote_snapshot(&self) {
        lock(&self.0).report.snapshots_rewritten += 1;
    }

    /// All of it.
    pub fn into_report(self) -> RepairReport {
        let kept = self.0.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut report = kept.report;
        for (list, more) in [
            (&mut report.actions, kept.more_actions),
            (&mut report.left, kept.more_left),
        ] {
            if more > 0 {
                list.push(format!("and {more} more"));
            }
        }
        report
    }
}

fn push(list: &mut Vec<String>, more: &mut u64, sentence: String) {
    if list.len() < KEPT {
        list.push(sentence);
    } else {
        *more += 1;
    }
}

//! What a record promises to keep, worked out without any of the program's own code for it.

use jiff::{Span, Zoned};

/// A point in time that a run has made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    pub id: String,
    pub at: Zoned,
}

/// Everything younger than `age`, seen from the newest.
pub fn within(points: &[Point], age: Span) -> Vec<Point> {
    let Some(newest) = points.last() else { return Vec::new() };
    let limit = newest.at.checked_sub(age).unwrap();
    points.iter().filter(|point| point.at > limit).cloned().collect()
}

/// The same of chains, which stay or go as a whole; the first of each is the one for which `is_full` holds.
pub fn chains_within(points: &[Point], age: Span, is_full: impl Fn(&Point) -> bool) -> Vec<Point> {
    let young = within(points, age);
    let mut kept = Vec::new();
    let mut chain: Vec<Point> = Vec::new();
    for point in points {
        if is_full(point) && !chain.is_empty() {
            kept.append(&mut keep(std::mem::take(&mut chain), &young));
        }
        chain.push(point.clone());
    }
    kept.append(&mut keep(chain, &young));
    kept
}

fn keep(chain: Vec<Point>, young: &[Point]) -> Vec<Point> {
    if chain.iter().any(|point| young.contains(point)) {
        chain
    } else {
        Vec::new()
    }
}

/// What is left when, after each of the runs, snapshots are thinned as rsync-time-backup does by default (after a day one a
/// day, after thirty one in seven days; the oldest stays), and then go by their age.
pub fn thinned_within(points: &[Point], age: Span) -> Vec<Point> {
    const DAY: i64 = 86_400;
    let mut left: Vec<Point> = Vec::new();
    for new in points {
        left.push(new.clone());
        let now = new.at.timestamp().as_second();
        let mut last: Option<i64> = None;
        left.retain(|point| {
            let second = point.at.timestamp().as_second();
            let days = last.map(|last| second.div_euclid(DAY) - last.div_euclid(DAY));
            let every = match now - second {
                old if old >= 30 * DAY => 7,
                old if old >= DAY => 1,
                _ => return true,
            };
            let stays = days.is_none_or(|days| days >= every) || point == new;
            if stays {
                last = Some(second);
            }
            stays
        });
        left = within(&left, age);
    }
    left
}

//! A state in time as users name it: a snapshot, an age, a date, seconds since 1970.

use engine_api::{Engine, Progress, Snapshot, SnapshotFilter, SnapshotRef, Timestamp};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::context::Context;
use crate::error::Error;
use crate::text;

pub mod cron;
mod duplicity;

/// The snapshot that `text` names among those of `filter`; `latest` and `None` mean the newest.
///
/// A text of eight or more hexadecimal digits is a snapshot's id if one begins so, whichever machine or job made it.
/// Otherwise it is a moment, and the newest snapshot of that moment or before is meant; a day means its end. What is no
/// moment is an id again. All this is the same whichever engine made the snapshots.
///
/// # Errors
/// When nothing fits.
pub fn find(
    engine: &dyn Engine,
    context: &Context,
    filter: &SnapshotFilter,
    text: Option<&str>,
    progress: &dyn Progress,
) -> engine_api::Result<Snapshot> {
    let text = text.map_or("latest", str::trim);
    if text == "latest" {
        return engine.resolve(&SnapshotRef::Latest, filter);
    }
    let id = SnapshotRef::Id(text.to_ascii_lowercase());
    let any = SnapshotFilter::default();
    let hexadecimal = !text.is_empty() && text.chars().all(|c| c.is_ascii_hexdigit());
    if hexadecimal && text.len() >= 8 {
        let lower = text.to_ascii_lowercase();
        let snapshots = engine.snapshots(&any, progress)?;
        if snapshots.iter().any(|snapshot| snapshot.id.0.starts_with(&lower)) {
            return engine.resolve(&id, &any);
        }
    }
    if let Some(whole) = named(engine, text, progress)? {
        return Ok(whole);
    }
    let now = Timestamp::now();
    match moment(text, now, &context.zone) {
        Some(moment) => at(engine, context, filter, moment, progress),
        None if hexadecimal => engine.resolve(&id, &any),
        None => Err(Error::When { text: text.to_owned() }.into()),
    }
}

/// The snapshot whose whole name this is, where names are times: the moment itself may lie within the second of the name.
fn named(engine: &dyn Engine, text: &str, progress: &dyn Progress) -> engine_api::Result<Option<Snapshot>> {
    // `2021-03-05-183000` and `20210305T183000Z`.
    let of_a_folder = text.len() == 17 && text.starts_with('2');
    let of_a_set = text.len() == 16 && text.ends_with('Z');
    if !of_a_folder && !of_a_set {
        return Ok(None);
    }
    let snapshots = engine.snapshots(&SnapshotFilter::default(), progress)?;
    Ok(snapshots.into_iter().find(|snapshot| snapshot.id.0 == text))
}

fn at(
    engine: &dyn Engine,
    context: &Context,
    filter: &SnapshotFilter,
    moment: Timestamp,
    progress: &dyn Progress,
) -> engine_api::Result<Snapshot> {
    let snapshots = engine.snapshots(filter, progress)?;
    if snapshots.is_empty() || snapshots.iter().any(|snapshot| snapshot.time <= moment) {
        return engine.resolve(&SnapshotRef::At(moment), filter);
    }
    let oldest = snapshots.iter().map(|snapshot| snapshot.time).min();
    let text = |moment: Timestamp| text::time(moment, &context.zone);
    Err(Error::TooEarly {
        moment: text(moment),
        oldest: oldest.map(text),
    }
    .into())
}

/// The moment that `text` means.
fn moment(text: &str, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    if text.chars().all(|c| c.is_ascii_digit()) {
        // Fewer digits are the beginning of an id.
        let seconds = text.parse().ok().filter(|_| text.len() >= 9)?;
        return Some(Timestamp { seconds, nanos: 0 });
    }
    if let Some(day) = duplicity::date_alone(text) {
        // Who names a day means what was saved on it; the midnight before is not what anybody looks for.
        let end = day.at(23, 59, 59, 999_999_999).to_zoned(zone.clone()).ok()?;
        return Some(Timestamp::from_jiff(end.timestamp()));
    }
    // What its users have always typed means what it has always meant, whatever made the snapshots.
    let known = duplicity::moment(text, now, zone).or_else(|| duplicity::moment(&units(text), now, zone));
    if known.is_some() {
        return known;
    }
    if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        return Some(Timestamp::from_jiff(moment));
    }
    civil(text).and_then(|civil| {
        let zoned = civil.to_zoned(zone.clone()).ok()?;
        Some(Timestamp::from_jiff(zoned.timestamp()))
    })
}

/// The units of an age in the case that they are known by; only of `m` (minutes) and `M` (months) are there two.
fn units(text: &str) -> String {
    let unit = |c: char| match c {
        'd' | 'w' | 'y' => c.to_ascii_uppercase(),
        'H' | 'S' => c.to_ascii_lowercase(),
        _ => c,
    };
    text.chars().map(unit).collect()
}

/// A date and time without a zone.
fn civil(text: &str) -> Option<DateTime> {
    // The names of rsync's snapshot folders.
    let folder = DateTime::strptime("%Y-%m-%d-%H%M%S", text);
    folder.or_else(|_| text.parse::<DateTime>()).ok()
}

#[cfg(test)]
mod tests;

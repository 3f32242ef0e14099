//! Whether a text is what cron takes as a schedule.

pub(super) const ALLOWED: &str = "five fields of cron (minute, hour, day, month, weekday), such as `0 3 * * *`";

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Whether `text` has the five fields, each with values that it may have.
pub(super) fn is_schedule(text: &str) -> bool {
    // A line break or a second command would become a line of the crontab.
    if text.contains(['\n', '\r', '%']) {
        return false;
    }
    let limits: [(u8, u8, &[&str]); 5] = [
        (0, 59, &[]),
        (0, 23, &[]),
        (1, 31, &[]),
        (1, 12, &MONTHS),
        (0, 7, &DAYS),
    ];
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    let good = |(field, (low, high, names)): (&&str, (u8, u8, &[&str]))| {
        field.split(',').all(|item| is_item(item, low, high, names))
    };
    fields.len() == limits.len() && fields.iter().zip(limits).all(good)
}

fn is_item(item: &str, low: u8, high: u8, names: &[&str]) -> bool {
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (item, None),
    };
    let good_step = step.is_none_or(|step| step.parse::<u8>().is_ok_and(|step| step > 0));
    let number = |text: &str| -> Option<u8> {
        let named = names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let named = named
            .and_then(|index| u8::try_from(index).ok())
            .map(|index| index + low);
        named
            .or_else(|| text.parse().ok())
            .filter(|number| (low..=high).contains(number))
    };
    let good_range = match range.split_once('-') {
        _ if range == "*" => true,
        Some((first, last)) => matches!((number(first), number(last)), (Some(first), Some(last)) if first <= last),
        None => number(range).is_some(),
    };
    good_step && good_range
}

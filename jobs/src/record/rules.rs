//! What each property of a backup's record may be.

use engine_api::Age;

use super::fields::Fields;
use super::properties::{self, Rule};
use super::{Prune, RecordError, Retention, checking, conduct, engines, notify, places};
use crate::esmith::Record;
use crate::name::JobName;
use crate::when::cron::Schedule;

pub(super) type Checked<T> = Result<T, RecordError>;

pub(super) fn enabled(fields: &Fields<'_>) -> Checked<bool> {
    fields.read("status", false, "enabled or disabled", |text| match text {
        "enabled" => Some(true),
        "disabled" => Some(false),
        _ => None,
    })
}

pub(super) fn retention(fields: &Fields<'_>) -> Checked<Retention> {
    let allowed = "never, or an age such as 30D, 6M or 1Y";
    fields.read("CleanupOlderThan", Retention::Never, allowed, |text| {
        if text.eq_ignore_ascii_case("never") || text.eq_ignore_ascii_case("default") {
            return Some(Retention::Never);
        }
        Age::parse(text).ok().map(Retention::KeepWithin)
    })
}

pub(super) fn prune(fields: &Fields<'_>) -> Checked<Prune> {
    let allowed = "always, or a day of the week from 0 (Sunday) to 6";
    fields.read("Prune", Prune::Weekday(0), allowed, |text| match text {
        "always" => Some(Prune::Always),
        // Cron's other name for Sunday; NethServer lets it pass and then never prunes.
        "7" => Some(Prune::Weekday(0)),
        _ => text
            .parse()
            .ok()
            .filter(|day| (0..=6).contains(day))
            .map(Prune::Weekday),
    })
}

/// What is wrong with one property whose value no job holds.
fn checked(fields: &Fields<'_>, name: &[u8]) -> Option<RecordError> {
    let Some(property) = properties::find(name) else {
        return Some(fields.unknown(name, properties::similar(name)));
    };
    let value = fields.bytes(property.name)?;
    match property.rule() {
        Rule::Typed => None,
        Rule::Old { advice } => Some(fields.old(property.name, advice)),
        Rule::Checked { allowed, good } => {
            let text = str::from_utf8(value).ok().map(str::trim);
            let wrong = || fields.wrong(property.name, value, &explain(property.name, text, allowed));
            (!text.is_some_and(good)).then(wrong)
        }
    }
}

/// What is allowed, and for a schedule which part of it is wrong.
fn explain(property: &str, text: Option<&str>, allowed: &str) -> String {
    match text.filter(|_| property == "BackupTime").map(Schedule::parse) {
        Some(Err(error)) => format!("{allowed}: {error}"),
        _ => allowed.to_owned(),
    }
}

/// Everything that is wrong with a record or worth saying of it, see [`RecordError::is_note`]; nothing when it is good.
#[must_use]
pub fn check(name: &JobName, record: &Record) -> Vec<RecordError> {
    let fields = match Fields::new(name.as_str(), record) {
        Ok(fields) => fields,
        Err(damaged) => return vec![damaged],
    };
    let names = fields.record().props.keys();
    let mut errors: Vec<_> = names.filter_map(|name| checked(&fields, name)).collect();
    errors.extend(enabled(&fields).err());
    match engines::engine(&fields) {
        Ok(engine) => errors.extend(places::place(&fields, engine).err()),
        Err(error) => errors.push(error),
    }
    errors.extend(engines::program(&fields));
    errors.extend(retention(&fields).err());
    errors.extend(prune(&fields).err());
    errors.extend(checking::check(&fields));
    errors.extend(engines::check(&fields));
    errors.extend(conduct::check(&fields));
    errors.extend(places::connections(&fields).err());
    errors.extend(places::host_folder(&fields).err());
    errors.extend(notify::check(&fields));
    errors
}

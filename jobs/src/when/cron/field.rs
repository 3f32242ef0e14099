//! One field of a schedule: a set of small numbers, with the text that it was read from.

use std::fmt;

use super::CronError;

/// Which of the five it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Minute,
    Hour,
    Day,
    Month,
    Weekday,
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day of the month",
            Self::Month => "month",
            Self::Weekday => "weekday",
        }
    }

    const fn limits(self) -> (u8, u8) {
        match self {
            Self::Minute => (0, 59),
            Self::Hour => (0, 23),
            Self::Day => (1, 31),
            Self::Month => (1, 12),
            // Sunday has two numbers.
            Self::Weekday => (0, 7),
        }
    }

    const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Month => &MONTHS,
            Self::Weekday => &DAYS,
            Self::Minute | Self::Hour | Self::Day => &[],
        }
    }

    fn number(self, text: &str) -> Result<u8, String> {
        let (low, high) = self.limits();
        let named = self.names().iter().position(|name| name.eq_ignore_ascii_case(text));
        if let Some(index) = named.and_then(|index| u8::try_from(index).ok()) {
            return Ok(index + low);
        }
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse::<u8>().ok();
        let number = number.filter(|number| digits && (low..=high).contains(number));
        let names = if self.names().is_empty() {
            ""
        } else {
            ", or the first three letters of an English name"
        };
        number.ok_or_else(|| format!("it must be a number from {low} to {high}{names}"))
    }
}

/// The numbers that are right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    bits: u64,
    text: String,
}

impl Field {
    pub(super) fn parse(kind: Kind, text: &str) -> Result<Self, CronError> {
        let wrong = |reason| CronError::Field {
            field: kind.name(),
            text: text.to_owned(),
            reason,
        };
        let mut bits = 0;
        for item in text.split(',') {
            bits |= item_bits(kind, item).map_err(wrong)?;
        }
        if kind == Kind::Weekday && bits >> 7 == 1 {
            bits = (bits | 1) & 0x7f;
        }
        Ok(Self {
            bits,
            text: text.to_owned(),
        })
    }

    pub(super) const fn has(&self, number: u8) -> bool {
        number < 64 && self.bits >> number & 1 == 1
    }

    /// The first that is right from `number` on.
    pub(super) fn from(&self, number: u8) -> Option<u8> {
        (number..64).find(|number| self.has(*number))
    }

    /// All that are right, with commas between them; `*` when the field says nothing else.
    pub(super) fn list(&self) -> String {
        if self.text == "*" {
            return self.text.clone();
        }
        let numbers = (0..64)
            .filter(|number| self.has(*number))
            .map(|number| number.to_string());
        numbers.collect::<Vec<_>>().join(",")
    }

    pub(super) fn starred(&self) -> bool {
        self.text.starts_with('*')
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn item_bits(kind: Kind, item: &str) -> Result<u64, String> {
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (item, None),
    };
    let (first, last) = match range.split_once('-') {
        _ if range == "*" => kind.limits(),
        Some((first, last)) => (kind.number(first)?, kind.number(last)?),
        None if step.is_some() => return Err("a step must follow `*` or a range, as in `*/15` or `8-18/2`".to_owned()),
        None => {
            let number = kind.number(range)?;
            (number, number)
        }
    };
    if first > last {
        return Err(format!("{first} comes after {last}"));
    }
    let step = match step {
        None => 1,
        Some(step) => step
            .parse::<u8>()
            .ok()
            .filter(|number| *number > 0 && !step.starts_with('+'))
            .ok_or("a step is a number from 1 on")?,
    };
    // The second Sunday is there for ranges; with a step over all days it would be one day too many.
    let last = if kind == Kind::Weekday && range == "*" { 6 } else { last };
    let numbers = (first..=last).step_by(usize::from(step));
    Ok(numbers.fold(0, |bits, number| bits | 1 << number))
}

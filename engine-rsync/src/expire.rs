//! Which snapshots go by age: the strategy of rsync-time-backup, as a pure function.
//!
//! A strategy is a list of pairs `X:Y`, each of which says: of what is older than X days keep one every Y days. What is
//! kept of an interval is its first; the oldest of all always stays. The script counts days in UTC, whatever the zone of
//! the names, and so does this.

use std::fmt;

use engine_api::Timestamp;

const DAY: i64 = 86_400;

/// A strategy, such as `1:1 30:7 365:30`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strategy {
    /// The oldest first.
    steps: Vec<Step>,
}

/// Of what is older than `after` days one is kept every `every` days; none when that is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    after: u32,
    every: u32,
}

/// A text that is no [`Strategy`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a strategy: write pairs of days such as `1:1 30:7 365:30`: older than 30 days, keep one every 7")]
pub struct StrategyError(pub String);

impl Default for Strategy {
    /// The script's: after a day one a day, after a month one a week, after a year one a month.
    fn default() -> Self {
        let step = |(after, every)| Step { after, every };
        Self {
            steps: [(365, 30), (30, 7), (1, 1)].into_iter().map(step).collect(),
        }
    }
}

impl Strategy {
    /// Reads pairs that are separated by spaces.
    ///
    /// # Errors
    /// When there is none, one is no pair of numbers, or two have the same age.
    pub fn parse(text: &str) -> Result<Self, StrategyError> {
        let wrong = || StrategyError(text.to_owned());
        let mut steps = Vec::new();
        for pair in text.split_whitespace() {
            let (after, every) = pair.split_once(':').ok_or_else(wrong)?;
            let number = |digits: &str| digits.parse::<u32>().ok().filter(|number| *number <= 1_000_000);
            let step = Step {
                after: number(after).ok_or_else(wrong)?,
                every: number(every).ok_or_else(wrong)?,
            };
            steps.push(step);
        }
        steps.sort_by_key(|step| std::cmp::Reverse(step.after));
        let twice = steps
            .iter()
            .zip(steps.iter().skip(1))
            .any(|(one, next)| one.after == next.after);
        if steps.is_empty() || twice {
            return Err(wrong());
        }
        Ok(Self { steps })
    }

    /// For each of `times`, which are sorted, whether it stays.
    #[must_use]
    pub fn decide(&self, times: &[Timestamp], now: Timestamp) -> Vec<bool> {
        let mut last_kept: Option<i64> = None;
        let mut decide = |time: &Timestamp| {
            let Some(last) = last_kept else {
                last_kept = Some(time.seconds);
                return true;
            };
            let step = self
                .steps
                .iter()
                .find(|step| time.seconds <= now.seconds - i64::from(step.after) * DAY);
            let Some(step) = step else { return true };
            let days = time.seconds.div_euclid(DAY) - last.div_euclid(DAY);
            let keep = step.every != 0 && days >= i64::from(step.every);
            if keep {
                last_kept = Some(time.seconds);
            }
            keep
        };
        times.iter().map(&mut decide).collect()
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in self.steps.iter().rev().enumerate() {
            let space = if number == 0 { "" } else { " " };
            write!(f, "{space}{}:{}", step.after, step.every)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

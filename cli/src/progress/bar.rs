//! The progress line of a terminal.

use std::time::Duration;

use engine_api::Phase;
use jobs::text;

use super::meter::Reading;

/// Turns readings into lines; remembers how fast it goes.
#[derive(Debug, Default)]
pub struct Bar {
    phase: Option<Phase>,
    before: u64,
    /// Of the share's unit (bytes or items) per second, smoothed.
    rate: f64,
}

impl Bar {
    /// Takes note of a reading `elapsed` after the one before.
    pub fn update(&mut self, reading: &Reading, elapsed: Duration) {
        let done = reading.share().map_or(reading.bytes, |(done, _)| done);
        if self.phase != reading.phase || done < self.before {
            *self = Self {
                phase: reading.phase,
                before: done,
                rate: 0.0,
            };
            return;
        }
        let seconds = elapsed.as_secs_f64();
        if seconds <= 0.0 {
            return;
        }
        let now = as_float(done - self.before) / seconds;
        self.before = done;
        // Half of what is shown is from the last five seconds.
        let weight = 1.0 - (-seconds / 7.0).exp();
        self.rate = if self.rate == 0.0 {
            now
        } else {
            self.rate + weight * (now - self.rate)
        };
    }

    /// How long the rest of the phase takes at this pace.
    pub fn left(&self, reading: &Reading) -> Option<Duration> {
        let (done, total) = reading.share()?;
        let seconds = as_float(total - done) / self.rate;
        // More than a year is no estimate.
        (self.rate > 0.0 && seconds < 3.2e7).then(|| Duration::from_secs_f64(seconds))
    }

    /// The line, no wider than `columns`.
    pub fn line(&self, reading: &Reading, columns: usize) -> String {
        let mut parts = vec![title(reading.phase).to_owned()];
        if let Some((done, total)) = reading.share() {
            let percent = (u128::from(done) * 100).checked_div(u128::from(total)).unwrap_or(100);
            parts.push(format!("{percent:>3} %"));
        }
        match reading.share() {
            _ if reading.is_over_files() => {
                let found = reading.found;
                parts.push(of(
                    &text::size(reading.bytes),
                    found.done.then(|| text::size(found.bytes)),
                ));
                if reading.phase != Some(Phase::Verifying) {
                    parts.push(of(
                        &reading.files.to_string(),
                        found.done.then(|| text::count(found.files, "file")),
                    ));
                }
            }
            Some((done, total)) if reading.items == 0 => parts.push(of(&text::size(done), Some(text::size(total)))),
            Some((done, total)) => parts.push(of(&done.to_string(), Some(total.to_string()))),
            None if reading.bytes > 0 => parts.push(text::size(reading.bytes)),
            None => {}
        }
        if reading.items == 0 && self.rate > 0.0 {
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a rate for people"
            )]
            parts.push(format!("{}/s", text::size(self.rate as u64)));
        }
        parts.extend(self.left(reading).map(|left| format!("{} left", text::clock(left))));
        if reading.problems > 0 {
            parts.push(text::count(reading.problems, "problem"));
        }
        let line = parts.join("  ");
        let room = columns.saturating_sub(width(&line) + 3);
        let path = shorten(&text::path(&reading.path), room);
        truncate(&format!("{line}  {path}"), columns.saturating_sub(1))
    }
}

fn of(done: &str, total: Option<String>) -> String {
    total.map_or_else(|| done.to_owned(), |total| format!("{done} of {total}"))
}

fn title(phase: Option<Phase>) -> &'static str {
    match phase {
        Some(Phase::WaitingForLock) => "Waiting for a lock",
        Some(Phase::LoadingIndex) => "Loading the index",
        Some(Phase::BackingUp) => "Saving",
        Some(Phase::Restoring) => "Restoring",
        Some(Phase::Verifying) => "Verifying",
        Some(Phase::FindingUsed) => "Finding what is needed",
        Some(Phase::Repacking) => "Repacking",
        Some(Phase::WritingIndex) => "Writing the index",
        Some(Phase::Removing) => "Removing",
        Some(Phase::CheckingStructure) => "Checking the structure",
        Some(Phase::CheckingData) => "Checking the data",
        _ => "Opening the repository",
    }
}

#[allow(clippy::cast_precision_loss, reason = "an estimate for people")]
fn as_float(number: u64) -> f64 {
    number as f64
}

/// Columns that a text takes: what is not ASCII may take two.
fn width(text: &str) -> usize {
    text.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum()
}

/// The end of a text that is too long, where a path says most.
fn shorten(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut kept = Vec::new();
    let mut left = columns.saturating_sub(3);
    for character in text.chars().rev() {
        let wide = if character.is_ascii() { 1 } else { 2 };
        if wide > left {
            break;
        }
        left -= wide;
        kept.push(character);
    }
    if kept.is_empty() {
        return String::new();
    }
    format!("...{}", kept.iter().rev().collect::<String>())
}

fn truncate(text: &str, columns: usize) -> String {
    let mut left = columns;
    let fits = |c: &char| {
        let wide = if c.is_ascii() { 1 } else { 2 };
        let fits = wide <= left;
        left = left.saturating_sub(wide);
        fits
    };
    text.chars().take_while(fits).collect::<String>().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use engine_api::Event;

    use super::super::meter::Found;
    use super::*;

    fn reading(bytes: u64) -> Reading {
        Reading {
            phase: Some(Phase::BackingUp),
            files: 12,
            bytes,
            found: Found {
                files: 100,
                bytes: 1 << 30,
                done: true,
            },
            path: "/srv/data/letter.txt".into(),
            ..Reading::default()
        }
    }

    #[test]
    fn a_line_has_bytes_files_rate_and_time_left() {
        let mut bar = Bar::default();
        bar.update(&reading(0), Duration::ZERO);
        bar.update(&reading(256 << 20), Duration::from_secs(1));
        let line = bar.line(&reading(256 << 20), 120);
        assert_eq!(
            line,
            "Saving   25 %  256.0 MiB of 1.0 GiB  12 of 100 files  256.0 MiB/s  0:03 left  /srv/data/letter.txt"
        );
        let narrow = bar.line(&reading(256 << 20), 94);
        assert!(narrow.len() < 94 && narrow.ends_with("  ...a/letter.txt"), "{narrow}");
        assert_eq!(bar.line(&reading(256 << 20), 20), "Saving   25 %  256.");
    }

    #[test]
    fn what_is_not_known_is_not_shown() {
        let mut unknown = reading(5 << 20);
        unknown.found = Found {
            done: false,
            ..unknown.found
        };
        assert_eq!(
            Bar::default().line(&unknown, 80),
            "Saving  5.0 MiB  12  /srv/data/letter.txt"
        );
        let index = Reading {
            phase: Some(Phase::LoadingIndex),
            items: 3,
            total: Some(4),
            ..Reading::default()
        };
        assert_eq!(Bar::default().line(&index, 80), "Loading the index   75 %  3 of 4");
    }

    #[test]
    fn verifying_counts_bytes() {
        let meter = super::super::meter::Meter::default();
        meter.event(&Event::Scanned {
            files: 2,
            bytes: 4096,
            done: true,
        });
        meter.event(&Event::Phase {
            phase: Phase::Verifying,
            total: None,
        });
        meter.event(&Event::Advanced(1024));
        assert_eq!(
            Bar::default().line(&meter.read(), 80),
            "Verifying   25 %  1.0 KiB of 4.0 KiB"
        );
    }

    #[test]
    fn names_cannot_command_the_terminal() {
        let evil = Reading {
            path: "/x\u{1b}[2J\n".into(),
            ..Reading::default()
        };
        assert!(!Bar::default().line(&evil, 200).contains(|c: char| c.is_control()));
    }

    #[test]
    fn a_file_that_grew_does_not_make_more_than_all() {
        assert_eq!(reading(2 << 30).share(), Some((1 << 30, 1 << 30)));
        assert_eq!(Bar::default().left(&reading(2 << 30)), None);
    }
}

use std::fmt::Write;

use crate::measure::Cost;
use crate::options::Step;
use crate::rounds::Measured;

/// One table of medians, and ratios to the first program's; more than 1 means that the first program was better.
pub fn markdown(results: &[Measured], description: String) -> String {
    let mut text = description;
    text.push_str("\nMedians; in brackets how many times the first column's value it is.\n\n");
    let titles: Vec<&str> = results.iter().map(|result| result.title.as_str()).collect();
    let _ = writeln!(text, "| | {} |", titles.join(" | "));
    let _ = writeln!(text, "| --- |{}", " ---: |".repeat(results.len()));
    let steps = results
        .first()
        .map(|result| result.costs.as_slice())
        .unwrap_or_default();
    for (step, _) in steps {
        for (unit, value) in MEASURES {
            let name = format!("{}, {unit}", step.title());
            row(&mut text, &name, results, |result| median(result, *step, value));
        }
    }
    row(&mut text, "repository, MB, after the first backup", results, |result| {
        middle(result.sizes.iter().map(|size| megabytes(size.0)))
    });
    row(&mut text, "repository, MB, at the end", results, |result| {
        middle(result.sizes.iter().map(|size| megabytes(size.1)))
    });
    text
}

type Measure = fn(&Cost) -> f64;

const MEASURES: [(&str, Measure); 3] = [
    ("wall s", |cost| cost.wall.as_secs_f64()),
    ("CPU s", |cost| cost.cpu.as_secs_f64()),
    ("peak MB", |cost| megabytes(cost.memory)),
];

fn row(text: &mut String, name: &str, results: &[Measured], value: impl Fn(&Measured) -> Option<f64>) {
    let values: Vec<Option<f64>> = results.iter().map(value).collect();
    let first = values.first().copied().flatten();
    let cells: Vec<String> = values
        .into_iter()
        .enumerate()
        .map(|(column, value)| cell(value, first.filter(|_| column > 0)))
        .collect();
    let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
}

fn cell(value: Option<f64>, first: Option<f64>) -> String {
    match (value, first) {
        (None, _) => "–".to_owned(),
        (Some(value), Some(first)) if first > 0.0 => format!("{value:.2} ({:.2}×)", value / first),
        (Some(value), _) => format!("{value:.2}"),
    }
}

fn median(result: &Measured, step: Step, value: Measure) -> Option<f64> {
    let costs = result.costs.iter().find(|(other, _)| *other == step)?;
    middle(costs.1.iter().map(value))
}

/// The median; of an even number of values the mean of the two in the middle.
fn middle(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2)?;
    let lower = values.get((values.len() - 1) / 2)?;
    Some(f64::midpoint(*lower, *upper))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "megabytes are shown with two digits behind the point"
)]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn result(title: &str, walls: &[u64]) -> Measured {
        let cost = |seconds: &u64| Cost {
            wall: Duration::from_secs(*seconds),
            cpu: Duration::from_secs(1),
            memory: 5_000_000,
        };
        Measured {
            title: title.to_owned(),
            costs: vec![(Step::First, walls.iter().map(cost).collect())],
            sizes: vec![(1_000_000, 2_000_000)],
        }
    }

    #[test]
    fn medians_and_ratios() {
        let text = markdown(&[result("a", &[9, 2, 4]), result("b", &[8, 7])], "Corpus.".to_owned());
        assert!(
            text.contains("| first backup, wall s | 4.00 | 7.50 (1.88×) |"),
            "{text}"
        );
        assert!(
            text.contains("| first backup, peak MB | 5.00 | 5.00 (1.00×) |"),
            "{text}"
        );
        assert!(
            text.contains("| repository, MB, at the end | 2.00 | 2.00 (1.00×) |"),
            "{text}"
        );
    }

    #[test]
    fn nothing_measured_is_a_dash() {
        let text = markdown(&[result("a", &[])], String::new());
        assert!(text.contains("| first backup, wall s | – |"), "{text}");
    }
}

//! The room at a destination, as scripts and mails have always shown it.

use engine_api::Space;
use jiff::Timestamp;

/// The room at a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskUsage(pub Space);

impl From<Space> for DiskUsage {
    fn from(space: Space) -> Self {
        Self(space)
    }
}

#[derive(serde::Serialize)]
struct File {
    size: Option<String>,
    used: Option<String>,
    avail: Option<String>,
    pcent: Option<f64>,
    /// When it was asked for, in seconds since 1970.
    time: i64,
}

impl DiskUsage {
    /// The content of the file `disk_usage-NAME`: blocks of 1 KiB as texts, a percentage, and the moment it is of.
    #[must_use]
    pub fn to_json(self, asked: Timestamp) -> String {
        let time = asked.as_second();
        let blocks = |bytes: u64| Some((bytes / 1024).to_string());
        let space = self.0;
        let file = if space.total == 0 {
            File {
                size: None,
                used: None,
                avail: None,
                pcent: None,
                time,
            }
        } else {
            File {
                size: blocks(space.total),
                used: blocks(space.used),
                avail: blocks(space.available),
                pcent: Some((self.percent() * 100.0).round() / 100.0),
                time,
            }
        };
        serde_json::to_string(&file).unwrap_or_default()
    }

    /// The two lines of the table: heads and values.
    #[must_use]
    pub fn table(self) -> [String; 2] {
        let row = |cells: [&str; 4]| {
            let [size, used, available, percent] = cells;
            format!("{size:>10} {used:>10} {available:>10} {percent:>8}")
        };
        let space = self.0;
        let percent = if space.total == 0 {
            "-".to_owned()
        } else {
            format!("{:.2}%", self.percent())
        };
        let values = [human(space.total), human(space.used), human(space.available)];
        let [size, used, available] = &values;
        [
            row(["Size", "Used", "Available", "Use%"]),
            row([size, used, available, &percent]),
        ]
    }

    #[allow(clippy::cast_precision_loss, reason = "a percentage with two decimals")]
    fn percent(self) -> f64 {
        self.0.used as f64 * 100.0 / self.0.total.max(1) as f64
    }
}

#[allow(clippy::cast_precision_loss, reason = "two decimals are shown")]
fn human(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KB", "MB", "GB", "TB"] {
        if value < 1024.0 {
            return format!("{value:.2} {unit}");
        }
        value /= 1024.0;
    }
    format!("{value:.2} PB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_and_the_table_are_what_scripts_read() {
        let usage = DiskUsage(Space {
            total: 3 << 30,
            used: 1 << 30,
            available: 2 << 30,
        });
        let json = r#"{"size":"3145728","used":"1048576","avail":"2097152","pcent":33.33,"time":1614960000}"#;
        let asked = Timestamp::from_second(1_614_960_000).unwrap();
        assert_eq!(usage.to_json(asked), json);
        let table = [
            "      Size       Used  Available     Use%",
            "   3.00 GB    1.00 GB    2.00 GB   33.33%",
        ];
        assert_eq!(usage.table(), table);
        let unknown = DiskUsage(Space {
            total: 0,
            used: 0,
            available: 0,
        });
        assert_eq!(
            unknown.to_json(asked),
            r#"{"size":null,"used":null,"avail":null,"pcent":null,"time":1614960000}"#
        );
    }
}

use clap::Args;
use engine_api::Age;
use engine_api::retention::{Count, GroupBy, Keep};

use super::repository::{Filter, RepoArgs};
use super::values;

pub const EXAMPLES: &str = "\
Examples:
  holdfast forget -b nightly --keep-daily 7 --keep-weekly 5 --keep-monthly 12 --prune
  holdfast forget -b nightly --keep-within 30D --dry-run
  holdfast forget --repo /mnt/disk/backup 1a2b3c4d

A snapshot stays when any rule keeps it. Rules are applied to each group of the same host and tags.";

#[derive(Debug, Args)]
pub struct ForgetArgs {
    #[command(flatten)]
    pub repository: RepoArgs,
    /// Forget exactly these snapshots
    #[arg(value_name = "SNAPSHOT", conflicts_with = "rules")]
    pub ids: Vec<String>,
    /// What makes a group: host, paths, tags, or several of them with commas
    #[arg(long, value_name = "WHAT", value_delimiter = ',', default_value = "host,tags")]
    pub group_by: Vec<GroupPart>,
    /// Remove the data that is not needed any more
    #[arg(long)]
    pub prune: bool,
    /// Only say what would be forgotten
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub keep: KeepArgs,
    #[command(flatten)]
    pub filter: Filter,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum GroupPart {
    Host,
    Paths,
    Tags,
    None,
}

impl ForgetArgs {
    pub fn group_by(&self) -> GroupBy {
        let has = |part| self.group_by.contains(&part);
        GroupBy {
            host: has(GroupPart::Host),
            paths: has(GroupPart::Paths),
            tags: has(GroupPart::Tags),
        }
    }
}

#[derive(Debug, Args)]
#[group(id = "rules", multiple = true)]
#[command(next_help_heading = "What to keep")]
pub struct KeepArgs {
    /// The newest N snapshots
    #[arg(long, value_name = "N", value_parser = count)]
    pub keep_last: Option<Count>,
    /// The newest of each of the last N hours that have one
    #[arg(long, value_name = "N", value_parser = count)]
    pub keep_hourly: Option<Count>,
    /// The newest of each of the last N days that have one
    #[arg(long, value_name = "N", value_parser = count)]
    pub keep_daily: Option<Count>,
    /// The newest of each of the last N weeks that have one
    #[arg(long, value_name = "N", value_parser = count)]
    pub keep_weekly: Option<Count>,
    /// The newest of each of the last N months that have one
    #[arg(long, value_name = "N", value_parser = count)]
    pub keep_monthly: Option<Count>,
    /// The newest of each of the last N years that have one
    #[arg(long, value_name = "N", value_parser = count)]
    pub keep_yearly: Option<Count>,
    /// All younger than this, seen from the newest
    #[arg(long, value_name = "AGE", value_parser = values::age)]
    pub keep_within: Option<Age>,
    /// The newest of each hour, younger than this
    #[arg(long, value_name = "AGE", value_parser = values::age)]
    pub keep_within_hourly: Option<Age>,
    /// The newest of each day, younger than this
    #[arg(long, value_name = "AGE", value_parser = values::age)]
    pub keep_within_daily: Option<Age>,
    /// The newest of each week, younger than this
    #[arg(long, value_name = "AGE", value_parser = values::age)]
    pub keep_within_weekly: Option<Age>,
    /// The newest of each month, younger than this
    #[arg(long, value_name = "AGE", value_parser = values::age)]
    pub keep_within_monthly: Option<Age>,
    /// The newest of each year, younger than this
    #[arg(long, value_name = "AGE", value_parser = values::age)]
    pub keep_within_yearly: Option<Age>,
    /// Those with these tags (several with commas: with all of them)
    #[arg(long, value_name = "TAG,…")]
    pub keep_tag: Vec<String>,
}

fn count(text: &str) -> Result<Count, String> {
    match text {
        "unlimited" => Ok(Count::All),
        _ => match text.parse() {
            Ok(0) | Err(_) => Err("write a number from 1 on, or `unlimited`".to_owned()),
            Ok(number) => Ok(Count::Last(number)),
        },
    }
}

impl KeepArgs {
    pub fn keep(&self) -> Keep {
        let tags = |set: &String| set.split(',').map(str::to_owned).collect();
        Keep {
            last: self.keep_last.unwrap_or_default(),
            hourly: self.keep_hourly.unwrap_or_default(),
            daily: self.keep_daily.unwrap_or_default(),
            weekly: self.keep_weekly.unwrap_or_default(),
            monthly: self.keep_monthly.unwrap_or_default(),
            yearly: self.keep_yearly.unwrap_or_default(),
            within: self.keep_within,
            within_hourly: self.keep_within_hourly,
            within_daily: self.keep_within_daily,
            within_weekly: self.keep_within_weekly,
            within_monthly: self.keep_within_monthly,
            within_yearly: self.keep_within_yearly,
            tags: self.keep_tag.iter().map(tags).collect(),
        }
    }
}

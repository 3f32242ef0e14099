//! Everything that is wrong with a configured backup, found before the night in which it would run.

use std::collections::BTreeMap;

use engine_api::Failure;

use crate::catalog::{self, Listed};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::esmith::Oddity;
use crate::lists::{self, Rules, Source};
use crate::name::JobName;
use crate::record::{EngineName, Job, RecordError};
use crate::site::{Access, Site, Which};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Worth knowing.
    Note,
    /// The backup does not run, or not as its record says.
    Error,
}

/// One thing that is wrong with a backup's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub weight: Weight,
    /// What it is about: a property, `type`, a list, or the record's key.
    pub object: String,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub hint: Option<String>,
}

/// A backup and all that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspected {
    /// The record's key.
    pub key: String,
    /// The errors, then the notes.
    pub findings: Vec<Finding>,
}

impl Inspected {
    /// Whether something keeps it from running as it is meant.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.weight == Weight::Error)
    }
}

/// Looks at the backup of that key, or at all.
///
/// # Errors
/// When there is none of that key, or the database cannot be read.
pub fn inspect(context: &Context, key: Option<&str>) -> Result<Vec<Inspected>> {
    let jobs = catalog::list(context)?;
    let mut oddities = context.backups().oddities()?;
    let mut inspected = Vec::new();
    for job in jobs.iter().filter(|job| key.is_none_or(|key| job.key == key)) {
        let mut findings = of_record(job);
        let odd = oddities.remove(job.key.as_bytes()).unwrap_or_default();
        findings.extend(odd.iter().map(|oddity| of_oddity(&job.key, oddity)));
        if let Ok(name) = JobName::new(&job.key) {
            findings.extend(of_lists(context, &name, job)?);
            findings.extend(of_neighbours(&name, job, &jobs));
        }
        inspected.push((job.key.clone(), findings));
    }
    inspected.extend(without_record(oddities, key));
    if let Some(key) = key.filter(|_| inspected.is_empty()) {
        return Err(catalog::none(context, key)?);
    }
    Ok(inspected
        .into_iter()
        .map(|(key, findings)| sorted(key, findings))
        .collect())
}

fn sorted(key: String, mut findings: Vec<Finding>) -> Inspected {
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.weight));
    Inspected { key, findings }
}

/// Keys that have no record at all.
fn without_record(oddities: BTreeMap<Vec<u8>, Vec<Oddity>>, key: Option<&str>) -> Vec<(String, Vec<Finding>)> {
    let named = oddities
        .into_iter()
        .map(|(name, odd)| (String::from_utf8_lossy(&name).into_owned(), odd));
    let wanted = named.filter(|(name, odd)| {
        let no_record = odd.iter().any(|oddity| matches!(oddity, Oddity::NoRecord { .. }));
        no_record && key.is_none_or(|key| key == name)
    });
    wanted
        .map(|(name, odd)| {
            let findings = odd.iter().map(|oddity| of_oddity(&name, oddity)).collect();
            (name, findings)
        })
        .collect()
}

fn of_oddity(key: &str, oddity: &Oddity) -> Finding {
    let (object, hint) = match oddity {
        Oddity::DoubledProperty { property } => (
            property.clone(),
            format!("set it anew: `db backups setprop {key} {property} VALUE`"),
        ),
        Oddity::NoRecord { .. } => (
            key.to_owned(),
            "take the line out of the file, or complete it".to_owned(),
        ),
        Oddity::Doubled { .. } => (key.to_owned(), "take the other lines out of the file".to_owned()),
        Oddity::NoName | Oddity::CarriageReturn { .. } => (
            key.to_owned(),
            format!("look at it with `db backups get {key}` and set the record anew"),
        ),
    };
    let weight = match oddity {
        Oddity::Doubled { .. } | Oddity::DoubledProperty { .. } => Weight::Note,
        Oddity::NoRecord { .. } | Oddity::NoName | Oddity::CarriageReturn { .. } => Weight::Error,
    };
    Finding {
        weight,
        object,
        message: oddity.to_string(),
        hint: Some(hint),
    }
}

fn of_record(job: &Listed) -> Vec<Finding> {
    let mut findings: Vec<Finding> = job.errors.iter().map(of_error).collect();
    if let Err(error) = JobName::new(&job.key) {
        findings.push(of_failure(&job.key, &error));
    }
    findings.extend(job.notes.iter().map(|note| Finding {
        weight: Weight::Note,
        object: job.key.clone(),
        message: note.clone(),
        hint: Some("make it a record of its own with `holdfast job migrate`".to_owned()),
    }));
    let enabled = job.record.get("status") == Some(b"enabled");
    if enabled && job.record.get("BackupTime").is_none() {
        findings.push(Finding {
            weight: Weight::Note,
            object: "BackupTime".to_owned(),
            message: "it runs only when somebody runs it: it has no time".to_owned(),
            hint: Some(format!(
                "give it one, such as `holdfast job edit {} --at 3:00`",
                job.key
            )),
        });
    }
    findings
}

fn of_error(error: &RecordError) -> Finding {
    Finding {
        weight: if error.is_note() { Weight::Note } else { Weight::Error },
        object: error.property().to_owned(),
        message: error.to_string(),
        hint: error.hint(),
    }
}

fn of_failure(object: &str, error: &Error) -> Finding {
    Finding {
        weight: Weight::Error,
        object: object.to_owned(),
        message: error.to_string(),
        hint: error.hint(),
    }
}

/// What is wrong with what it saves.
fn of_lists(context: &Context, name: &JobName, job: &Listed) -> Result<Vec<Finding>> {
    let site = Job::read(name, &job.record).ok().map(|job| {
        let access = Access::to(Which::Job(name.clone()));
        Site::of_job(context, job, &access)
    });
    let destination = site.as_ref().and_then(Site::folder);
    let rules = Rules::of_job(context, name, destination)?;
    let mut findings: Vec<Finding> = rules.includes.iter().filter_map(missing).collect();
    findings.extend(
        lists::unusable(&rules)
            .iter()
            .map(|(source, error)| of_failure(&of_source(source), error)),
    );
    if let Err(error) = lists::of_job(context, name, destination) {
        let object = context.layout.job_list(name, "include").display().to_string();
        let finding = of_failure(&object, &error);
        if !findings.iter().any(|known| known.message == finding.message) {
            findings.push(finding);
        }
    }
    Ok(findings)
}

fn of_source(source: &Source) -> String {
    match source {
        Source::Line { list, .. } => list.display().to_string(),
        other => other.to_string(),
    }
}

/// An include that names what is not there; packages are listed before they have data, so it is a note.
fn missing(rule: &crate::lists::Rule) -> Option<Finding> {
    let path = lists::plain(&rule.pattern)?;
    let is_missing = rule.pattern.starts_with(b"/") && !lists::may_exist(&rule.pattern);
    is_missing.then(|| Finding {
        weight: Weight::Note,
        object: of_source(&rule.source),
        message: format!("{}: {} does not exist", rule.source, crate::text::path(&path)),
        hint: Some("nothing of it is saved until it is there; take the line out if it will not be".to_owned()),
    })
}

/// Backups of engines that know no owner of a snapshot, with one repository for two.
fn of_neighbours(name: &JobName, job: &Listed, all: &[Listed]) -> Option<Finding> {
    let read = |listed: &Listed| {
        let name = JobName::new(&listed.key).ok()?;
        Job::read(&name, &listed.record)
            .ok()
            .filter(|job| job.engine != EngineName::Restic)
    };
    let own = read(job)?;
    let others = all.iter().filter(|other| other.key != name.as_str()).filter_map(read);
    let same = others
        .into_iter()
        .find(|other| other.place == own.place && other.engine == own.engine)?;
    Some(Finding {
        weight: Weight::Error,
        object: "VFSType".to_owned(),
        message: format!(
            "it has its repository in the place of backup {}: each would expire the snapshots of the other",
            same.name
        ),
        hint: Some("give each of them a folder of its own".to_owned()),
    })
}

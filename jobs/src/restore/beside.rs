//! Restoring beside what is there.
//!
//! The paths are restored into a folder of their own in the folder where they belong, and moved from there to their new
//! names: so they need no room elsewhere, nobody else can look at them before they have their owner and mode, and a move
//! never replaces anything. Paths that belong on one filesystem are restored in one pass.

mod renamed;
mod staging;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use engine_api::{Event, Problem, Progress, RestoreReport, Snapshot, SnapshotId};

use super::place::{candidates, is_free, open_folder};
use super::{Placed, Restore, Restored, room};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::open::Repository;
use renamed::Renamed;
use staging::Staging;

/// Begins the name of the folder that holds what is restored until it has its name.
const STAGING: &str = ".holdfast-restore-";

/// One path that is asked for.
#[derive(Debug, Clone)]
struct Wish {
    /// As it was saved.
    saved: PathBuf,
    /// Where it would be put if it were not beside something: the real path of the folder that exists, and what follows.
    folder: PathBuf,
    below: PathBuf,
}

pub(super) fn run(
    repository: &Repository,
    context: &Context,
    snapshot: &Snapshot,
    restore: &Restore,
    progress: &dyn Progress,
) -> engine_api::Result<Restored> {
    let day = snapshot.time.to_jiff().unwrap_or_default();
    let day = day.to_zoned(context.zone.clone()).strftime("%F").to_string();
    let wishes = wishes(restore)?;
    let mut round = Round {
        repository,
        snapshot,
        restore,
        day: &day,
        progress,
        restored: Restored {
            report: RestoreReport::default(),
            placed: Vec::new(),
        },
    };
    let mut groups: BTreeMap<u64, Vec<Wish>> = BTreeMap::new();
    for wish in wishes {
        let device = fs::metadata(&wish.folder).map_err(|error| Error::io("look at", &wish.folder, error))?;
        groups.entry(device.dev()).or_default().push(wish);
    }
    // Of all of them before the first is begun: a half of what was asked for is of no use.
    for group in groups.values() {
        let paths: Vec<PathBuf> = group.iter().map(|wish| wish.saved.clone()).collect();
        if let Some(first) = group.first() {
            room::check(repository, snapshot, &paths, &first.folder)?;
        }
    }
    let mut again = Vec::new();
    for group in groups.into_values() {
        again.extend(round.group(group, true)?);
    }
    // One filesystem may be mounted at two places, and nothing can be moved between those.
    let mut folders: BTreeMap<PathBuf, Vec<Wish>> = BTreeMap::new();
    for wish in again {
        folders.entry(wish.folder.clone()).or_default().push(wish);
    }
    for group in folders.into_values() {
        round.group(group, false)?;
    }
    round.restored.report.snapshot = Some(SnapshotId(snapshot.id.0.clone()));
    Ok(round.restored)
}

/// The paths without those that lie in another of them, and where they belong.
fn wishes(restore: &Restore) -> Result<Vec<Wish>> {
    if restore.delete_extra {
        return Err(Error::Usage(
            "what is restored beside the original removes nothing".to_owned(),
        ));
    }
    let mut paths: Vec<PathBuf> = restore
        .paths
        .iter()
        .map(|path| Path::new("/").join(path).components().collect())
        .collect();
    paths.sort();
    paths.dedup_by(|inner, outer| inner.starts_with(&*outer));
    if paths.is_empty() {
        return Err(Error::NothingBeside);
    }
    paths.into_iter().map(|saved| wish(&restore.target, saved)).collect()
}

fn wish(target: &Path, saved: PathBuf) -> Result<Wish> {
    if saved.file_name().is_none() || saved.components().any(|part| part.as_os_str() == "..") {
        return Err(Error::NothingBeside);
    }
    let place = target.join(saved.strip_prefix("/").unwrap_or(&saved));
    let above = place.ancestors().skip(1);
    let folder = above
        .into_iter()
        .find(|folder| folder.is_dir())
        .unwrap_or(Path::new("/"));
    trust(folder)?;
    let below = place.strip_prefix(folder).unwrap_or(&place).to_owned();
    let folder = folder
        .canonicalize()
        .map_err(|error| Error::io("look at", folder, error))?;
    Ok(Wish { saved, folder, below })
}

/// Refuses a way over another user's symbolic link: it may lead anywhere.
fn trust(folder: &Path) -> Result<()> {
    let own = rustix::process::geteuid().as_raw();
    for above in folder.ancestors() {
        let Ok(found) = fs::symlink_metadata(above) else {
            continue;
        };
        if found.is_symlink() && found.uid() != 0 && found.uid() != own {
            return Err(Error::ForeignLink { link: above.to_owned() });
        }
    }
    Ok(())
}

struct Round<'r> {
    repository: &'r Repository,
    snapshot: &'r Snapshot,
    restore: &'r Restore,
    day: &'r str,
    progress: &'r dyn Progress,
    restored: Restored,
}

impl Round<'_> {
    /// Restores paths of one filesystem; gives back those that could not be moved because there were two after all.
    fn group(&mut self, wishes: Vec<Wish>, retry: bool) -> engine_api::Result<Vec<Wish>> {
        let Some(first) = wishes.first() else {
            return Ok(Vec::new());
        };
        let paths: Vec<PathBuf> = wishes.iter().map(|wish| wish.saved.clone()).collect();
        if self.restore.dry_run {
            return self.pretend(&wishes, &paths);
        }
        let staging = Staging::make(&first.folder)?;
        let renamed = Renamed {
            progress: self.progress,
            from: staging.target.clone(),
            to: self.restore.target.clone(),
        };
        let request = self.restore.request(self.snapshot, &paths, &staging.target);
        let report = self.repository.engine().restore(&request, &renamed)?;
        self.add(report, &renamed);
        let mut again = Vec::new();
        for wish in &wishes {
            match staging.settle(wish, self.day) {
                Ok(restored) => self.restored.placed.push(Placed {
                    saved: wish.saved.clone(),
                    restored,
                }),
                Err(error) if retry && error.kind() == io::ErrorKind::CrossesDevices => again.push(wish.clone()),
                Err(error) => self.failed(wish, &error),
            }
        }
        staging.join_folders(&wishes, self);
        Ok(again)
    }

    /// What would be done.
    fn pretend(&mut self, wishes: &[Wish], paths: &[PathBuf]) -> engine_api::Result<Vec<Wish>> {
        for wish in wishes {
            let folder = open_folder(&wish.folder).map_err(|error| Error::io("open", &wish.folder, error))?;
            let name = wish.below.file_name().unwrap_or_default();
            let is_there = wish.below.components().count() == 1;
            let mut names = candidates(name, self.day);
            let free = names.find(|name| !is_there || is_free(&folder, name));
            self.restored.placed.push(Placed {
                saved: wish.saved.clone(),
                restored: wish.folder.join(wish.below.with_file_name(free.unwrap_or_default())),
            });
        }
        let nowhere = wishes
            .first()
            .map(|wish| wish.folder.join(format!("{STAGING}dry-run")))
            .unwrap_or_default();
        let request = self.restore.request(self.snapshot, paths, &nowhere);
        let report = self.repository.engine().restore(&request, self.progress)?;
        let unchanged = Renamed {
            progress: self.progress,
            from: nowhere,
            to: self.restore.target.clone(),
        };
        self.add(report, &unchanged);
        Ok(Vec::new())
    }

    fn add(&mut self, report: RestoreReport, names: &Renamed<'_>) {
        let sum = &mut self.restored.report;
        sum.files_restored += report.files_restored;
        sum.files_skipped += report.files_skipped;
        sum.others_restored += report.others_restored;
        sum.bytes_restored += report.bytes_restored;
        sum.files_verified += report.files_verified;
        sum.duration += report.duration;
        let kept = report.problems.first.len() as u64;
        for problem in report.problems.first {
            sum.problems.push(names.problem(&problem));
        }
        sum.problems.count += report.problems.count.saturating_sub(kept);
    }

    fn failed(&mut self, wish: &Wish, error: &io::Error) {
        let problem = Problem {
            path: wish.saved.clone(),
            action: "restore",
            cause: match error.kind() {
                io::ErrorKind::NotFound => "nothing came of it".to_owned(),
                _ => format!("it cannot get its name in {}: {error}", wish.folder.display()),
            },
        };
        self.progress.event(Event::Problem(&problem));
        self.restored.report.problems.push(problem);
    }
}

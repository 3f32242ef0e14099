//! A set compared with the live tree.

use std::path::{Path, PathBuf};

use engine_api::{
    EntryKind, Event, Metadata, Phase, Problem, Problems, Progress, SnapshotFilter, SnapshotId, SnapshotRef,
};
use fstree::{Names, Target, TargetOptions};

use crate::DuplicityEngine;
use crate::entries::{each_entry, is_outermost};
use crate::error::{Error, Result};
use crate::format::Extras;
use crate::manifests::{self, Signatures};
use crate::merge::{Merge, Merged, State};
use crate::meta::metadata;
use crate::restore::{differs, plans, wanted};
use crate::snapshots;
use crate::source::Source;

/// What to compare.
#[derive(Debug, Clone)]
pub struct VerifyRequest {
    /// Which state.
    pub snapshot: SnapshotRef,
    /// Among which snapshots that is looked for.
    pub filter: SnapshotFilter,
    /// Absolute paths, each with all below it; empty means everything.
    pub paths: Vec<PathBuf>,
    /// The folder under which the absolute paths are; `/` for the live tree.
    pub root: PathBuf,
    /// Whether the content of files is compared too; without it nothing of the volumes is read.
    pub data: bool,
}

/// What a comparison found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyReport {
    /// The snapshot that was compared.
    pub snapshot: Option<SnapshotId>,
    /// Entries that were compared.
    pub compared: u64,
    /// What differs, and what is in the snapshot alone. New entries of the tree are no difference.
    pub differences: Problems,
}

impl DuplicityEngine {
    /// Compares a set with the live tree.
    ///
    /// # Errors
    /// When the set could not be read.
    pub fn verify(&self, request: &VerifyRequest, progress: &dyn Progress) -> engine_api::Result<VerifyReport> {
        Ok(run(self, request, progress)?)
    }
}

fn run(engine: &DuplicityEngine, request: &VerifyRequest, progress: &dyn Progress) -> Result<VerifyReport> {
    let found = snapshots::resolve(engine, &request.snapshot, &request.filter)?;
    let base = manifests::saved_folder(&found.manifest);
    let wanted = wanted(&base, &request.paths, &found)?;
    progress.event(Event::Phase {
        phase: Phase::Verifying,
        total: None,
    });
    let options = TargetOptions {
        create: false,
        ..TargetOptions::default()
    };
    let mut verify = Verify {
        tree: Target::open(&request.root, options)?,
        names: Names::new(),
        progress,
        report: VerifyReport::default(),
    };
    if !request.data {
        let mut cancelled = false;
        each_entry(engine, &found, &wanted, &mut |entry| {
            verify.entry(&entry.path, &entry.metadata);
            cancelled = progress.cancelled();
            if cancelled {
                std::ops::ControlFlow::Break(())
            } else {
                std::ops::ControlFlow::Continue(())
            }
        })?;
        if cancelled {
            return Err(Error::Interrupted);
        }
    } else {
        let plans = plans(engine, &found, &wanted)?;
        let signatures = Signatures::of(engine, found.sets.clone());
        let source = Source::of(engine, progress, &signatures);
        std::thread::scope(|scope| {
            let mut merge = Merge::open(source, scope, plans, &wanted);
            while let Some(merged) = merge.next()? {
                source.go_on()?;
                if wanted.holds(&merged.path) && !is_outermost(&base, &merged.path) {
                    let path = merged.path.under(&base);
                    verify.merged(&mut merge, &merged, &path)?;
                }
            }
            Ok::<_, Error>(())
        })?;
    }
    verify.report.snapshot = Some(found.snapshot.id);
    Ok(verify.report)
}

struct Verify<'v> {
    tree: Target,
    names: Names,
    progress: &'v dyn Progress,
    report: VerifyReport,
}

impl Verify<'_> {
    fn differs(&mut self, path: &Path, cause: impl Into<String>) {
        let problem = Problem {
            path: path.to_owned(),
            action: "verify",
            cause: cause.into(),
        };
        self.progress.event(Event::Problem(&problem));
        self.report.differences.push(problem);
    }

    /// Compares everything but the content; true when there is the same kind of thing.
    fn entry(&mut self, path: &Path, saved: &Metadata) -> bool {
        self.report.compared += 1;
        let live = match self.tree.metadata(path) {
            Ok((live, _)) => live,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.differs(path, "it is not there any more");
                return false;
            }
            Err(error) => {
                self.differs(path, error.to_string());
                return false;
            }
        };
        if live.kind != saved.kind {
            self.differs(path, format!("it is a {:?} now and was a {:?}", live.kind, saved.kind));
            return false;
        }
        for (what, was, is) in self.properties(saved, &live) {
            if was != is {
                self.differs(path, format!("its {what} is {is} and was {was}"));
            }
        }
        true
    }

    /// What is compared. A time that the set has in whole seconds is compared so.
    fn properties(&self, saved: &Metadata, live: &Metadata) -> Vec<(&'static str, String, String)> {
        let target = |metadata: &Metadata| format!("{:?}", metadata.link_target);
        let user = saved.user.as_deref().and_then(|name| self.names.uid(name));
        let group = saved.group.as_deref().and_then(|name| self.names.gid(name));
        let mut properties = vec![
            ("owner", user.unwrap_or(saved.uid).to_string(), live.uid.to_string()),
            ("group", group.unwrap_or(saved.gid).to_string(), live.gid.to_string()),
        ];
        if saved.kind == EntryKind::Symlink {
            properties.push(("target", target(saved), target(live)));
            return properties;
        }
        properties.push(("mode", format!("{:04o}", saved.mode), format!("{:04o}", live.mode)));
        let exact = saved.mtime.nanos != 0;
        let time = |metadata: &Metadata| match exact {
            true => format!("{}.{:09}", metadata.mtime.seconds, metadata.mtime.nanos),
            // Of what lies before 1970 the format keeps nothing.
            false => metadata.mtime.seconds.max(0).to_string(),
        };
        if matches!(saved.kind, EntryKind::CharDevice | EntryKind::BlockDevice) {
            properties.push(("number", saved.rdev.to_string(), live.rdev.to_string()));
        } else {
            properties.push(("time", time(saved), time(live)));
        }
        properties
    }

    fn merged(&mut self, merge: &mut Merge<'_, '_>, merged: &Merged, path: &Path) -> Result<()> {
        if let Some(why) = &merged.doubt {
            self.differs(path, format!("what was saved may be of an older state: {why}"));
        }
        let extras = Extras::read(&merged.header.private);
        let same_kind = self.entry(path, &metadata(&merged.header, &extras, None));
        if !same_kind || merged.header.kind != EntryKind::File {
            return Ok(());
        }
        if let State::Lost(why) = &merged.state {
            self.differs(path, format!("what was saved is lost: {why}"));
            return Ok(());
        }
        match self.tree.open_existing(path) {
            Ok(mut file) => {
                let progress = self.progress;
                let difference = differs(&mut file, &mut merge.content(merged)?, |length| {
                    progress.event(Event::Bytes(length));
                })?;
                if let Some(difference) = difference {
                    self.differs(path, difference);
                }
            }
            Err(error) => self.differs(path, error.to_string()),
        }
        Ok(())
    }
}

//! The engine's part of a run: saved, expired, pruned, checked, and the destination let go.

use engine_api::retention::{GroupBy, Keep};
use engine_api::{BackupReport, BackupRequest, ErrorKind, ForgetRequest, PruneRequest};

use super::{DiskUsage, Plan, RunReport, Step, Watcher, prunes_on};
use crate::lists;
use crate::open::{Repository, is_full};
use crate::record::{EngineName, Retention};
use crate::site::Site;

/// The share of the repository that may be unneeded after a prune, as restic has it.
pub(crate) const MAX_UNUSED: f64 = 0.05;

impl Plan<'_> {
    /// Does it all; whatever way it ends, the destination is disconnected then.
    pub(super) fn save(&self, site: Site, watcher: &dyn Watcher, report: &mut RunReport) -> engine_api::Result<()> {
        let selection = lists::of_job(self.context, &self.job.name, site.folder())?;
        let repository = self.open(site, watcher)?;
        let request = BackupRequest {
            selection,
            host: self.context.host.clone(),
            tags: vec![self.job.name.to_string()],
            time: None,
            parent: None,
            force_read: self.options.force_read,
            dry_run: self.options.dry_run,
            estimate: self.options.estimate,
        };
        let done = self.save_and_expire(&repository, &request, watcher, report);
        for text in repository.retries() {
            watcher.step(&Step::Warning { text: &text });
        }
        // Asked for also after a failure: a full disk is one of its reasons.
        report.usage = repository.space().ok().flatten().map(DiskUsage::from);
        done
    }

    fn open(&self, site: Site, watcher: &dyn Watcher) -> engine_api::Result<Repository> {
        if self.options.dry_run {
            return Repository::open_at(self.context, site);
        }
        let (repository, made) = Repository::open_or_init(self.context, site)?;
        if made {
            watcher.step(&Step::NewRepository { site: &repository.site });
        }
        Ok(repository)
    }

    fn save_and_expire(
        &self,
        repository: &Repository,
        request: &BackupRequest,
        watcher: &dyn Watcher,
        report: &mut RunReport,
    ) -> engine_api::Result<()> {
        let saved = match repository.engine().backup(request, watcher) {
            Err(error) if self.may_make_room(&error) => self.make_room(error, repository, request, watcher, report)?,
            other => other?,
        };
        watcher.step(&Step::Saved {
            report: &saved,
            dry_run: self.options.dry_run,
        });
        report.backup = Some(saved);
        self.add_configuration(repository, watcher);
        let full = self.make_full(repository, watcher);
        // Beside a damaged chain nothing is removed; where room is missing, something must be.
        if full.as_ref().is_err_and(|error| !is_full(error)) {
            return full;
        }
        unless_retained(watcher, self.forget(repository, watcher, report))?;
        if prunes_on(self.job.prune, &report.started) && !self.options.dry_run {
            unless_retained(watcher, Self::prune(MAX_UNUSED, repository, watcher, report))?;
        }
        self.check(repository, watcher, report)?;
        full
    }

    /// Whether the destination is full and something there may be of no use; the rsync engine makes room by itself.
    fn may_make_room(&self, error: &engine_api::Error) -> bool {
        is_full(error) && self.job.engine != EngineName::Rsync && !self.options.dry_run
    }

    /// Removes what has expired and what nothing needs, and makes the backup once more if that was something.
    fn make_room(
        &self,
        error: engine_api::Error,
        repository: &Repository,
        request: &BackupRequest,
        watcher: &dyn Watcher,
        report: &mut RunReport,
    ) -> engine_api::Result<BackupReport> {
        let text =
            "the destination is full: what has expired and what nothing needs is removed now, not after the backup";
        watcher.step(&Step::Warning { text });
        let made = self.forget(repository, watcher, report);
        let made = made.and_then(|()| Self::prune(0.0, repository, watcher, report));
        match made {
            Ok(()) => {}
            Err(stopped) if stopped.kind() == ErrorKind::Interrupted => return Err(stopped),
            Err(failed) => {
                let text = format!("no room could be made: {}", failed.chain());
                watcher.step(&Step::Warning { text: &text });
                return Err(error);
            }
        }
        let expired = report
            .forget
            .as_ref()
            .is_some_and(|forgotten| !forgotten.removed.is_empty());
        let freed = report.prune.as_ref().is_some_and(|pruned| pruned.bytes_freed > 0);
        if !expired && !freed {
            return Err(error);
        }
        repository.engine().backup(request, watcher)
    }

    /// By `FullFrom chain`, the full set that is due is made of what is stored, with what was just saved.
    fn make_full(&self, repository: &Repository, watcher: &dyn Watcher) -> engine_api::Result<()> {
        if !self.job.sets.full_from_chain || self.options.dry_run || !repository.is_full_due(self.context)? {
            return Ok(());
        }
        let report = repository.synthetic_full(false, watcher)?;
        watcher.step(&Step::MadeFull { report: &report });
        Ok(())
    }

    /// Beside duplicity's volumes lies the archive of the machine's configuration, so that it can be fetched without any
    /// engine.
    fn add_configuration(&self, repository: &Repository, watcher: &dyn Watcher) {
        let Some(archive) = self.context.layout.configuration_archive() else {
            return;
        };
        if self.job.engine != EngineName::Duplicity || self.options.dry_run || !archive.is_file() {
            return;
        }
        if let Err(error) = repository.add_file(&archive) {
            watcher.step(&Step::Warning { text: &error.chain() });
        }
    }

    fn forget(&self, repository: &Repository, watcher: &dyn Watcher, report: &mut RunReport) -> engine_api::Result<()> {
        let Retention::KeepWithin(age) = self.job.retention else {
            return Ok(());
        };
        let request = ForgetRequest {
            // Only this machine's: another one that shares the repository and the name may keep its own longer.
            filter: repository.site.filter.clone(),
            group_by: GroupBy::default(),
            keep: Keep {
                within: Some(age),
                ..Keep::default()
            },
            ids: Vec::new(),
            dry_run: self.options.dry_run,
        };
        let mut forgotten = repository.engine().forget(&request, watcher)?;
        watcher.step(&Step::Expired {
            report: &forgotten,
            dry_run: self.options.dry_run,
        });
        if let Some(before) = report.forget.take() {
            forgotten.removed.splice(0..0, before.removed);
        }
        report.forget = Some(forgotten);
        Ok(())
    }

    /// Also where nothing ever expires: what interrupted runs have left is of no use either.
    fn prune(
        max_unused: f64,
        repository: &Repository,
        watcher: &dyn Watcher,
        report: &mut RunReport,
    ) -> engine_api::Result<()> {
        let request = PruneRequest {
            max_unused,
            max_repack: None,
            dry_run: false,
        };
        let mut pruned = repository.engine().prune(&request, watcher)?;
        watcher.step(&Step::Pruned { report: &pruned });
        pruned.bytes_freed += report.prune.take().map_or(0, |before| before.bytes_freed);
        report.prune = Some(pruned);
        Ok(())
    }
}

/// What a bucket keeps for a time is no run's failure: a later one removes it when that time is over.
fn unless_retained(watcher: &dyn Watcher, outcome: engine_api::Result<()>) -> engine_api::Result<()> {
    match outcome {
        Err(error) if error.kind() == ErrorKind::Retained => {
            let text = format!("not everything old could be removed yet: {}", error.chain());
            watcher.step(&Step::Warning { text: &text });
            Ok(())
        }
        other => other,
    }
}

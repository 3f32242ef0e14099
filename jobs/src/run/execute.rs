//! What a run does, from the lock to the status file.

use std::time::Instant;

use engine_api::retention::{GroupBy, Keep};
use engine_api::{BackupRequest, ForgetRequest, PruneRequest};
use jiff::Timestamp;

use super::files::{self, Log};
use super::{DiskUsage, Plan, RunReport, Step, Watcher, prunes_on};
use crate::lists;
use crate::open::Repository;
use crate::record::{EngineName, Retention};
use crate::site::Site;
use crate::status::Status;

/// The share of the repository that may be unneeded after a prune, as restic has it.
pub(crate) const MAX_UNUSED: f64 = 0.05;

impl Plan<'_> {
    /// Runs it: saves, expires, prunes, writes log and status files, and tells `watcher` all of it.
    ///
    /// Whatever fails is in the report, with what had been done until then.
    #[must_use]
    pub fn execute(self, watcher: &dyn Watcher) -> RunReport {
        let started = Timestamp::now().to_zoned(self.context.zone.clone());
        let log = (!self.options.dry_run).then(|| Log::open(&self.context.layout, &self.job.name, &started, watcher));
        let watcher: &dyn Watcher = log.as_ref().map_or(watcher, |log| log as &dyn Watcher);
        let clock = Instant::now();
        let mut report = RunReport {
            name: self.job.name.clone(),
            status: Status::Success,
            error: None,
            backup: None,
            forget: None,
            prune: None,
            usage: None,
            log: log.as_ref().and_then(Log::path),
            started,
            elapsed: std::time::Duration::ZERO,
        };
        watcher.step(&Step::Started {
            name: &self.job.name,
            at: &report.started,
        });
        let done = self.work(watcher, &mut report);
        watcher.step(&Step::Engine {
            name: &self.job.name,
            engine: self.job.engine,
            success: report.backup.is_some(),
        });
        report.status = match &done {
            Err(error) => error.kind().into(),
            Ok(()) if report.backup.as_ref().is_some_and(|backup| !backup.problems.is_empty()) => Status::Incomplete,
            Ok(()) => Status::Success,
        };
        report.error = done.err();
        report.elapsed = clock.elapsed();
        self.close(watcher, &report);
        report
    }

    fn work(&self, watcher: &dyn Watcher, report: &mut RunReport) -> engine_api::Result<()> {
        let context = self.context;
        let site = Site::of_job(context, self.job.clone(), &self.options.access);
        let selection = lists::of_job(context, &self.job.name, site.folder())?;
        let repository = if self.options.dry_run {
            Repository::open_at(context, site)?
        } else {
            let (repository, made) = Repository::open_or_init(context, site)?;
            if made {
                watcher.step(&Step::NewRepository { site: &repository.site });
            }
            repository
        };
        let request = BackupRequest {
            selection,
            host: context.host.clone(),
            tags: vec![self.job.name.to_string()],
            time: None,
            parent: None,
            force_read: self.options.force_read,
            dry_run: self.options.dry_run,
            estimate: self.options.estimate,
        };
        let saved = repository.engine().backup(&request, watcher)?;
        watcher.step(&Step::Saved {
            report: &saved,
            dry_run: self.options.dry_run,
        });
        report.backup = Some(saved);
        self.add_configuration(&repository, watcher);
        let expired = self.expire(&repository, watcher, report);
        for text in repository.retries() {
            watcher.step(&Step::Warning { text: &text });
        }
        // Asked for also after a failure: a full disk is one of its reasons.
        report.usage = repository.space().ok().flatten().map(DiskUsage::from);
        expired
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

    fn expire(&self, repository: &Repository, watcher: &dyn Watcher, report: &mut RunReport) -> engine_api::Result<()> {
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
        let forgotten = repository.engine().forget(&request, watcher)?;
        watcher.step(&Step::Expired {
            report: &forgotten,
            dry_run: self.options.dry_run,
        });
        report.forget = Some(forgotten);
        if !prunes_on(self.job.prune, &report.started) || self.options.dry_run {
            return Ok(());
        }
        let request = PruneRequest {
            max_unused: MAX_UNUSED,
            max_repack: None,
            dry_run: false,
        };
        let pruned = repository.engine().prune(&request, watcher)?;
        watcher.step(&Step::Pruned { report: &pruned });
        report.prune = Some(pruned);
        Ok(())
    }

    fn close(&self, watcher: &dyn Watcher, report: &RunReport) {
        if let Some(error) = &report.error {
            watcher.step(&Step::Failed { error });
        }
        let at = Timestamp::now().to_zoned(self.context.zone.clone());
        watcher.step(&Step::Ended { report, at: &at });
        if let Some(usage) = &report.usage {
            watcher.step(&Step::Usage { usage });
        }
        if !self.options.dry_run
            && let Err(error) = files::write_status(&self.context.layout, report)
        {
            watcher.step(&Step::Warning {
                text: &engine_api::Error::from(error).chain(),
            });
        }
    }
}

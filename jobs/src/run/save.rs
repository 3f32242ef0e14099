//! The engine's part of a run: saved, expired, pruned, and the destination let go.

use engine_api::retention::{GroupBy, Keep};
use engine_api::{BackupRequest, ForgetRequest, PruneRequest};

use super::{DiskUsage, Plan, RunReport, Step, Watcher, prunes_on};
use crate::lists;
use crate::open::Repository;
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
        let saved = repository.engine().backup(request, watcher)?;
        watcher.step(&Step::Saved {
            report: &saved,
            dry_run: self.options.dry_run,
        });
        report.backup = Some(saved);
        self.add_configuration(repository, watcher);
        self.expire(repository, watcher, report)
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
}

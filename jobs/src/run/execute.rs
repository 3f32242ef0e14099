//! What a run does, from the first line of its log to the last.
//!
//! A run holds its job's lock from the plan to the end, the destination's while it works there, and its place among the
//! users of the dumps around the engine's work. It takes them in this order and waits for no other lock while an event
//! runs, so that no two runs can wait for each other.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use jiff::{Timestamp, Zoned};

use super::files::{self, Log};
use super::shared::{Shared, Work};
use super::told::{EventListener, told};
use super::{Plan, RunReport, Step, Watcher, throttle};
use crate::context::Context;
use crate::error::Error;
use crate::hooks;
use crate::lock::{self, Lock, Patience};
use crate::name::JobName;
use crate::notify::{self, Telling};
use crate::record::Conduct;
use crate::schedule::state;
use crate::site::Site;
use crate::status::Status;

impl Plan<'_> {
    /// Runs it: the actions before, the engine's work, the actions after, log and status files, hooks; and tells `watcher`
    /// all of it.
    ///
    /// Whatever fails is in the report, with what had been done until then. What comes after the engine's work is done
    /// whatever came of it, also when the run is asked to stop.
    #[must_use]
    pub fn execute(self, watcher: &dyn Watcher) -> RunReport {
        let mut run = Run::begin(self.context, &self.job.name, self.options.dry_run, watcher);
        let done = self.attempt(&mut run);
        run.end(done, &self.job.conduct)
    }

    pub(super) fn attempt(&self, run: &mut Run<'_>) -> engine_api::Result<()> {
        let Run { log, next, report, .. } = run;
        let watcher: &dyn Watcher = log.as_ref().map_or(*next, |log| log as &dyn Watcher);
        if !self.options.dry_run {
            told(watcher, notify::broken_off(self.context, &self.job.name).map(drop));
            let (began, log) = (report.started.timestamp(), report.log.as_deref());
            told(watcher, state::begun(self.context, &self.job.name, began, log));
        }
        let site = Site::of_job(self.context, self.job.clone(), &self.options.access);
        if self.options.dry_run {
            let done = self.save(site, watcher, report);
            self.tell_engine(watcher, report);
            return done;
        }
        match self.lock_destination(&site, watcher) {
            Ok(lock) => self.at_destination(lock, site, watcher, report),
            Err(error) => {
                self.tell_engine(watcher, report);
                Err(error.into())
            }
        }
    }

    fn tell_engine(&self, watcher: &dyn Watcher, report: &RunReport) {
        watcher.step(&Step::Engine {
            name: &self.job.name,
            engine: self.job.engine,
            success: report.backup.is_some(),
        });
    }

    fn at_destination(
        &self,
        lock: Lock,
        site: Site,
        watcher: &dyn Watcher,
        report: &mut RunReport,
    ) -> engine_api::Result<()> {
        let shared = Shared {
            context: self.context,
            name: &self.job.name,
            action_limit: self.job.conduct.action_limit,
            wait: self.job.conduct.lock_wait,
        };
        let listener = EventListener::new(self.context, watcher, true);
        let (using, work) = shared.enter(&listener);
        watcher.step(&Step::Prepared {
            work: &work,
            zone: &self.context.zone,
        });
        report.prepared = Some(work);
        let done = self.save_or_say_why(site, watcher, report);
        self.tell_engine(watcher, report);
        drop(lock);
        // Not to be stopped: what the actions before have made would stay.
        let listener = EventListener::new(self.context, watcher, false);
        let work = shared.leave(using, &listener);
        watcher.step(&Step::TidiedUp { work: &work });
        report.tidied = Some(work);
        done
    }

    fn lock_destination(&self, site: &Site, watcher: &dyn Watcher) -> Result<Lock, Error> {
        let patience = Patience {
            limit: self.job.conduct.lock_wait,
            cancelled: &|| watcher.cancelled(),
            waiting: &|holder| {
                watcher.step(&Step::Waiting {
                    location: &site.location,
                    holder,
                });
            },
        };
        let (key, location) = (site.lock_key(), &site.location);
        lock::of_destination(self.context, &self.job.name, (&key, location), &patience)
    }

    fn save_or_say_why(&self, site: Site, watcher: &dyn Watcher, report: &mut RunReport) -> engine_api::Result<()> {
        if watcher.cancelled() {
            return Err(Error::Interrupted.into());
        }
        let (timetable, zone) = (self.job.conduct.bandwidth.as_ref(), &self.context.zone);
        caught(|| throttle::throttled(timetable, zone, site, watcher, |site| self.save(site, watcher, report)))
    }
}

/// Does the work. A bug in an engine must not keep what comes after from being done.
pub(super) fn caught(work: impl FnOnce() -> engine_api::Result<()>) -> engine_api::Result<()> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        let reason = text.unwrap_or_else(|| "it does not say why".to_owned());
        Err(Error::Broken { reason }.into())
    })
}

/// A run that has begun, with its log open.
pub(super) struct Run<'a> {
    context: &'a Context,
    dry_run: bool,
    clock: Instant,
    pub(super) log: Option<Log<'a>>,
    pub(super) next: &'a dyn Watcher,
    pub(super) report: RunReport,
    telling: Option<Telling>,
}

impl<'a> Run<'a> {
    pub(super) fn begin(context: &'a Context, name: &JobName, dry_run: bool, next: &'a dyn Watcher) -> Self {
        let started = Timestamp::now().to_zoned(context.zone.clone());
        let log = (!dry_run).then(|| Log::open(&context.layout, name, &started, next));
        let report = RunReport::begun(name.clone(), started, log.as_ref().and_then(Log::path));
        let mut run = Self {
            context,
            dry_run,
            clock: Instant::now(),
            log,
            next,
            report,
            telling: None,
        };
        run.watcher().step(&Step::Started {
            name,
            at: &run.report.started,
        });
        run.telling = (!dry_run).then(|| Telling::begin(context, name, run.watcher()));
        run
    }

    fn watcher(&self) -> &dyn Watcher {
        self.log.as_ref().map_or(self.next, |log| log as &dyn Watcher)
    }

    /// Writes the end of the log and the files that say how it ended, and calls those who want to know.
    pub(super) fn end(mut self, done: engine_api::Result<()>, conduct: &Conduct) -> RunReport {
        self.report.status = status(&self.report, &done);
        self.report.error = done.err();
        self.report.elapsed = self.clock.elapsed();
        self.tell_end();
        if !self.dry_run {
            self.leave_files();
            // Last, so that they find the log and all files as they will stay.
            self.report.hooks = hooks::run(self.context, &self.report, conduct.action_limit, &|hook| {
                self.watcher().step(&Step::Hook { hook });
            });
        }
        let warnings = self.log.as_ref().map(Log::warnings).unwrap_or_default();
        if let Some(telling) = self.telling.take() {
            telling.end(self.context, &self.report, warnings, self.watcher());
        }
        self.report
    }

    fn tell_end(&self) {
        let (watcher, report) = (self.watcher(), &self.report);
        if let Some(error) = &report.error {
            watcher.step(&Step::Failed { error });
        }
        let at: Zoned = Timestamp::now().to_zoned(self.context.zone.clone());
        watcher.step(&Step::Ended { report, at: &at });
        if let Some(usage) = &report.usage {
            watcher.step(&Step::Usage { usage });
        }
    }

    fn leave_files(&self) {
        let (watcher, report) = (self.watcher(), &self.report);
        // The run that keeps this one out will say how it ended itself.
        if report.was_kept_out() {
            return;
        }
        told(watcher, files::write_status(&self.context.layout, report));
        let began = report.started.timestamp();
        told(
            watcher,
            state::ended(self.context, &report.name, began, Timestamp::now()),
        );
    }
}

fn status(report: &RunReport, done: &engine_api::Result<()>) -> Status {
    let problems = report.backup.as_ref().is_some_and(|backup| !backup.problems.is_empty());
    let unprepared = report
        .prepared
        .as_ref()
        .is_some_and(|work| !Work::complaints(work).is_empty());
    match done {
        Err(error) => error.kind().into(),
        Ok(()) if problems || unprepared => Status::Incomplete,
        Ok(()) => Status::Success,
    }
}

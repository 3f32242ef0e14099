//! A run's side of notification: what is told at its start, and told and kept at its end.

use super::deadline::Pending;
use super::{Limits, News, Sent, settings, tell, told, web};
use crate::context::Context;
use crate::error::Error;
use crate::journal::{self, PastRun, Way};
use crate::name::JobName;
use crate::record::{Job, Notification};
use crate::run::{RunReport, Step, Watcher};

/// A run that is being told of.
pub(crate) struct Telling {
    /// `None` for a job that there is not, or that is disabled: it is nobody's business but the caller's.
    settings: Option<Notification>,
    job: Option<Job>,
    limits: Limits,
    ping: Option<(String, Pending<Sent>)>,
}

impl Telling {
    /// Begins with the run: the settings are those of now, also when the record is changed or removed meanwhile.
    pub(crate) fn begin(context: &Context, name: &JobName, watcher: &dyn Watcher) -> Self {
        let limits = Limits::default();
        let job = crate::catalog::job(context, name).ok();
        let disabled = job.as_ref().is_some_and(|job| !job.enabled);
        let settings = match settings(context, name) {
            Ok((settings, wrong)) if !disabled => {
                wrong.iter().for_each(|text| watcher.step(&Step::Warning { text }));
                Some(settings)
            }
            Ok(_) | Err(Error::NoJob { .. }) => None,
            Err(error) => {
                warn(watcher, error);
                None
            }
        };
        let url = settings.as_ref().and_then(|settings| settings.ping.as_ref());
        let ping = url.map(|url| {
            let (start, once) = (
                url.below("start"),
                Limits {
                    pauses: Vec::new(),
                    ..limits.clone()
                },
            );
            // Beside the backup: a server that hangs does not hold it up.
            (
                url.to_string(),
                Pending::begin(once.way, move || web::tell(&start, None, &once)),
            )
        });
        Self {
            settings,
            job,
            limits,
            ping,
        }
    }

    /// Ends with the run: tells of it, and writes the journal.
    pub(crate) fn end(self, context: &Context, report: &RunReport, warnings: Vec<String>, watcher: &dyn Watcher) {
        let Some(settings) = &self.settings else {
            return;
        };
        let name = &report.name;
        let mut run = PastRun::of(context, self.job.as_ref(), report);
        run.warnings = warnings;
        // The run that keeps this one out will itself say how the job is.
        let speaks = !report.was_kept_out();
        let state = |run: &PastRun| match speaks {
            true => journal::write_state(context, name, run).map(Some),
            false => journal::state(context, name),
        };
        // Before anybody is told, for that may take a minute, and the power may go.
        let before = state(&run).map_err(|error| warn(watcher, error)).ok().flatten();
        // An end that arrives before its start would leave the start to be the last word.
        let start = self
            .ping
            .map(|(to, ping)| told(Way::PingStart, to, ping, self.limits.way));
        let mut news = News::of(context, &run, before, &self.limits);
        news.exported = speaks;
        run.notified = start.into_iter().chain(tell(settings, news)).collect();
        for told in run.notified.iter().filter(|told| !told.success) {
            let text = told.line();
            watcher.step(&Step::Warning { text: &text });
            run.warnings.push(text);
        }
        let kept = journal::append(context, name, &run).and_then(|()| state(&run));
        if let Err(error) = kept {
            warn(watcher, error);
        }
    }
}

fn warn(watcher: &dyn Watcher, error: Error) {
    let text = engine_api::Error::from(error).chain();
    watcher.step(&Step::Warning { text: &text });
}

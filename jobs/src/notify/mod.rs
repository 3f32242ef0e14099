//! Telling how a run ended: by mail, a web hook, a ping, and a file for Prometheus.
//!
//! Nothing here can fail a backup. What could not be told is a warning, and stands in the journal. All ways go at once,
//! beside each other, and none is waited for longer than a minute.

mod body;
mod broken;
mod deadline;
mod letter;
mod prometheus;
mod sendmail;
mod smtp;
mod watch;
mod web;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use backends::http::Message;
use jiff::tz::TimeZone;

use self::deadline::Pending;
use crate::catalog;
use crate::context::Context;
use crate::error::Result;
use crate::journal::{JobState, PastRun, Told, Way, moment};
use crate::name::JobName;
use crate::overview;
use crate::record::{Common, Mail, Mailer, Notification, Url, When};
use crate::text;

pub(crate) use broken::broken_off;
pub(crate) use watch::Telling;

/// How long is tried to tell somebody.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// One way, all of it.
    pub(crate) way: Duration,
    /// To be connected, and without a byte.
    pub(crate) stall: Duration,
    /// Between one try and the next.
    pub(crate) pauses: Vec<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            way: Duration::from_mins(1),
            stall: Duration::from_secs(15),
            pauses: vec![Duration::from_secs(1), Duration::from_secs(4)],
        }
    }
}

/// What became of one message.
type Sent = std::result::Result<(), Unsent>;

/// Why a message is not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Unsent {
    message: String,
    hint: Option<String>,
}

impl Unsent {
    fn because(message: String) -> Self {
        Self { message, hint: None }
    }
}

/// The settings of a job, with what is wrong with them in words.
///
/// # Errors
/// When the databases cannot be read.
pub(crate) fn settings(context: &Context, name: &JobName) -> Result<(Notification, Vec<String>)> {
    let record = catalog::record(context, name)?;
    let configuration = context.configuration().read()?;
    let root = configuration.record(b"root");
    let common = Common {
        backup_data: configuration.record(b"backup-data"),
        sender: root.and_then(|root| root.get("SenderAddress").map(<[u8]>::to_vec)),
    };
    let (settings, errors) = Notification::read(name, &record, &common);
    Ok((settings, errors.iter().map(ToString::to_string).collect()))
}

/// Sends a test by every way that the job has, but for the file for Prometheus; says what became of each, and what is wrong
/// with the settings.
///
/// # Errors
/// When there is no such job, or the databases cannot be read.
pub fn test(context: &Context, name: &JobName) -> Result<(Vec<Told>, Vec<String>)> {
    let (settings, wrong) = settings(context, name)?;
    let job = catalog::job(context, name).ok();
    let run = PastRun::to_try(context, name, job.as_ref());
    let mut news = News::of(context, &run, None, &Limits::default());
    news.exported = false;
    Ok((tell(&settings, news), wrong))
}

/// Tells of every job that has missed a run, once for each run that it has missed, and of runs that broke off.
///
/// # Errors
/// When the databases or a journal cannot be read; whoever could be told of the rest is told all the same.
pub fn overdue(context: &Context, now: jiff::Timestamp) -> Result<Vec<(JobName, Vec<Told>)>> {
    let (broken, missed) = (broken::all(context), missed(context, now));
    let mut all = broken?;
    all.extend(missed?);
    Ok(all)
}

/// The same of the runs that are missing.
fn missed(context: &Context, now: jiff::Timestamp) -> Result<Vec<(JobName, Vec<Told>)>> {
    let mut all = Vec::new();
    for seen in overview::overview(context, None, now)? {
        let (Some(due), Some(job)) = (seen.overdue, seen.job) else {
            continue;
        };
        let path = context.layout.overdue(&job.name);
        let due = moment(due);
        if std::fs::read_to_string(&path).is_ok_and(|told| told.trim() == due) {
            continue;
        }
        let (settings, _) = settings(context, &job.name)?;
        let run = PastRun::that_was_missed(context, &job.name, &job, &body::local(&due, &context.zone));
        let mut news = News::of(context, &run, seen.state, &Limits::default());
        news.exported = false;
        let told = tell(&settings, news);
        // Whom no message has reached is told the next time.
        if told.iter().all(|told| told.success) {
            crate::atomic::create_dir(&context.layout.status, 0o755)?;
            crate::atomic::replace(&path, 0o644, format!("{due}\n").as_bytes())?;
        }
        all.push((job.name, told));
    }
    Ok(all)
}

/// What is told of: a run, with everything that the messages need.
#[derive(Debug, Clone)]
struct News {
    run: PastRun,
    state: Option<JobState>,
    host: String,
    zone: TimeZone,
    limits: Limits,
    /// Whether the file for Prometheus is written, too.
    exported: bool,
}

impl News {
    fn of(context: &Context, run: &PastRun, state: Option<JobState>, limits: &Limits) -> Self {
        Self {
            run: run.clone(),
            state,
            host: context.host.clone(),
            zone: context.zone.clone(),
            limits: limits.clone(),
            exported: true,
        }
    }
}

/// What sends the news by one way.
type Sending = Box<dyn FnOnce(&News) -> Sent + Send>;

/// Sends what is to be sent, all of it at once, and says what became of it.
fn tell(settings: &Notification, news: News) -> Vec<Told> {
    let limit = news.limits.way;
    let ways = ways(settings, &news);
    let news = Arc::new(news);
    let begin = |(way, to, send): (Way, String, Sending)| {
        let news = Arc::clone(&news);
        (way, to, Pending::begin(limit, move || send(&news)))
    };
    let begun: Vec<_> = ways.into_iter().map(begin).collect();
    begun
        .into_iter()
        .map(|(way, to, pending)| told(way, to, pending, limit))
        .collect()
}

/// Which ways this news takes, and to whom.
fn ways(settings: &Notification, news: &News) -> Vec<(Way, String, Sending)> {
    let wanted = |when: When| match when {
        When::Always => true,
        When::Error => news.run.test || !news.run.is_good(),
        When::Never => false,
    };
    let mut ways: Vec<(Way, String, Sending)> = Vec::new();
    if let Some(folder) = settings.prometheus.clone().filter(|_| news.exported && !news.run.test) {
        let to = text::path(&folder);
        let send = move |news: &News| prometheus::write(&folder, &news.run, news.state.as_ref());
        ways.push((Way::Prometheus, to, Box::new(send)));
    }
    let mail = settings.mail.clone();
    if wanted(mail.when) {
        let to = mail.to.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        ways.push((Way::Mail, to, Box::new(move |news| send_mail(&mail, news))));
    }
    if let Some((url, _)) = settings.webhook.clone().filter(|(_, when)| wanted(*when)) {
        ways.push((Way::Webhook, url.to_string(), Box::new(move |news| post(&url, news))));
    }
    if let Some(url) = settings.ping.clone() {
        ways.push((Way::Ping, url.to_string(), Box::new(move |news| ping(&url, news))));
    }
    ways
}

fn post(url: &Url, news: &News) -> Sent {
    let kind = "application/json";
    let body = serde_json::to_vec(&news.run).unwrap_or_default();
    web::tell(url, Some(Message { kind, body: &body }), &news.limits)
}

fn ping(url: &Url, news: &News) -> Sent {
    if news.run.test {
        // What is only noted there, and taken for no run.
        return web::tell(&url.below("log"), None, &news.limits);
    }
    if news.run.is_good() {
        return web::tell(url, None, &news.limits);
    }
    let kind = "text/plain; charset=utf-8";
    let body = body::body(&news.run, news.state.as_ref(), &news.zone);
    let body = body.as_bytes();
    web::tell(&url.below("fail"), Some(Message { kind, body }), &news.limits)
}

fn told(way: Way, to: String, pending: Pending<Sent>, limit: Duration) -> Told {
    let late = || {
        Err(Unsent::because(format!(
            "it took longer than {} seconds",
            limit.as_secs_f64()
        )))
    };
    let sent = pending.wait().unwrap_or_else(late);
    let (message, hint) = match sent {
        Ok(()) => (None, None),
        Err(ref unsent) => (Some(unsent.message.clone()), unsent.hint.clone()),
    };
    Told {
        way,
        to,
        success: sent.is_ok(),
        message,
        hint,
    }
}

fn send_mail(mail: &Mail, news: &News) -> Sent {
    let (subject, body) = if news.run.test {
        body::trial(&news.run)
    } else {
        (
            body::subject(&news.run),
            body::body(&news.run, news.state.as_ref(), &news.zone),
        )
    };
    let content = letter::Content {
        subject: &subject,
        body,
        log: news.run.log.as_deref().map(Path::new),
        id: &news.run.run,
    };
    let letter = letter::write(mail, content, &news.host)?;
    match &mail.by {
        Mailer::Sendmail(program) => sendmail::send(program.as_deref(), &letter, &news.limits),
        Mailer::Smtp(smtp) => smtp::send(smtp, &letter, &news.host, &news.limits),
    }
}

#[cfg(test)]
pub(crate) mod tests;

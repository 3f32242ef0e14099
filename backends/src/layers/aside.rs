//! Threads on which operations run that may hang.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use engine_api::{Cause, StoreError, StoreErrorKind};

use super::timeout::Limits;

/// Operations that hang are left to themselves, each on a thread of its own; more than these at once are not begun.
const MOST: usize = 64;
/// Who gave no answer so often, the first and once again, is not asked any more until an earlier operation ends: each
/// that hangs may keep the process in the kernel for a while when it is to end.
const ENOUGH: usize = 2;
/// Names of a listing on their way from its thread.
const QUEUE: usize = 256;
/// Threads that wait for work.
const WAITING: usize = 8;
/// How long an operation is waited for while an earlier one still hangs. What fails after longer than this has waited for the
/// server in vain.
const SHORT: Duration = Duration::from_secs(10);

type Work = Box<dyn FnOnce() + Send>;

/// Work for a thread that waits for some, with the way to it, by which it is found again afterwards.
struct Task {
    work: Work,
    thread: Sender<Task>,
}

/// The threads that wait for work.
type Idle = Mutex<Vec<Sender<Task>>>;

/// What is being done to what.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) operation: &'static str,
    pub(super) object: &'a str,
}

/// An operation on its thread.
struct UnderWay<T> {
    /// What it sends, and in the end nothing or an error.
    answers: Receiver<Result<Option<T>, StoreError>>,
    /// How far it is.
    state: Arc<AtomicU8>,
}

/// How far an operation is.
const RUNNING: u8 = 0;
const ENDED: u8 = 1;
const HANGS: u8 = 2;

/// Runs operations aside, and waits for each no longer than the limits say. One that hangs is left behind with all that
/// it needs; what it was to do may still be done later.
pub(super) struct Aside {
    location: String,
    server: String,
    limits: Limits,
    running: Arc<()>,
    hanging: Arc<AtomicUsize>,
    idle: Arc<Idle>,
    /// Asks the server something that is answered at once.
    question: Arc<dyn Fn() + Send + Sync>,
}

impl Aside {
    /// For the place at `location`, on what `server` names for messages; `question` waits for the server, and for nothing
    /// but the server.
    pub(super) fn new(
        location: &str,
        server: &str,
        limits: Limits,
        question: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        Self {
            location: location.to_owned(),
            server: server.to_owned(),
            limits,
            running: Arc::default(),
            hanging: Arc::default(),
            idle: Arc::default(),
            question: Arc::new(question),
        }
    }

    pub(super) const fn limits(&self) -> Limits {
        self.limits
    }

    /// Runs `work` on another thread, and hands over what it sends, `allowed` at most between one and the next. It is
    /// told to stop by nobody listening any more.
    pub(super) fn run<T: Send + 'static>(
        &self,
        call: Call<'_>,
        allowed: Duration,
        work: impl FnOnce(&mut dyn FnMut(T) -> ControlFlow<()>) -> Result<(), StoreError> + Send + 'static,
        each: impl FnMut(T) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.run_by(QUEUE, call, allowed, work, each)
    }

    /// The same for one answer.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        call: Call<'_>,
        allowed: Duration,
        work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let mut answer = None;
        let work = |hand_over: &mut dyn FnMut(T) -> ControlFlow<()>| {
            let _ = hand_over(work()?);
            Ok(())
        };
        self.run_by(1, call, allowed, work, |value| {
            answer = Some(value);
            // There is no other to come.
            ControlFlow::Break(())
        })?;
        answer.ok_or_else(|| self.error(call, "the operation ended without an answer"))
    }

    fn run_by<T: Send + 'static>(
        &self,
        queue: usize,
        call: Call<'_>,
        allowed: Duration,
        work: impl FnOnce(&mut dyn FnMut(T) -> ControlFlow<()>) -> Result<(), StoreError> + Send + 'static,
        each: impl FnMut(T) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        if self.hanging.load(Ordering::SeqCst) >= ENOUGH || Arc::strong_count(&self.running) > MOST {
            self.let_go(work);
            return Err(self.silence(call, self.limits.stall, " to what it was asked before"));
        }
        let allowed = self.patience(allowed);
        let begun = self.start(queue, work);
        let under_way = begun.ok_or_else(|| self.error(call, "no thread could be started"))?;
        let result = self.listen(call, allowed, &under_way, each);
        if under_way.state.load(Ordering::SeqCst) == HANGS {
            self.let_go(under_way);
        }
        result
    }

    /// Drops it on another thread: a file that goes with it is closed, and that waits for the server, too.
    fn let_go(&self, of: impl Send + 'static) {
        self.begin(Box::new(move || drop(of)));
    }

    /// Has a thread begin with `work`; `None` when there is none to be had.
    fn start<T: Send + 'static>(
        &self,
        queue: usize,
        work: impl FnOnce(&mut dyn FnMut(T) -> ControlFlow<()>) -> Result<(), StoreError> + Send + 'static,
    ) -> Option<UnderWay<T>> {
        let (sender, answers) = sync_channel(queue);
        let state = Arc::new(AtomicU8::new(RUNNING));
        let (running, hanging, own) = (Arc::clone(&self.running), Arc::clone(&self.hanging), Arc::clone(&state));
        let begun = self.begin(Box::new(move || {
            let mut hand_over = |value| match sender.send(Ok(Some(value))) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            };
            let end = work(&mut hand_over);
            if own.swap(ENDED, Ordering::SeqCst) == HANGS {
                hanging.fetch_sub(1, Ordering::SeqCst);
            }
            drop(running);
            let _ = sender.send(end.map(|()| None));
        }));
        begun.then_some(UnderWay { answers, state })
    }

    /// Hands over what an operation sends, until it ends or hangs.
    fn listen<T: Send + 'static>(
        &self,
        call: Call<'_>,
        allowed: Duration,
        under_way: &UnderWay<T>,
        mut each: impl FnMut(T) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        // What takes long because it is much is known from what hangs by a question in between.
        let step = if allowed > self.limits.stall {
            self.limits.stall / 2
        } else {
            allowed
        };
        let mut left = allowed;
        let mut begin = Instant::now();
        loop {
            match under_way.answers.recv_timeout(step.min(left)) {
                Ok(Ok(Some(value))) => {
                    if each(value).is_break() {
                        return Ok(());
                    }
                    (left, begin) = (allowed, Instant::now());
                }
                Ok(Ok(None)) => return Ok(()),
                Ok(Err(error)) => return Err(self.named(error, begin.elapsed())),
                Err(RecvTimeoutError::Timeout) => {
                    left = left.saturating_sub(step);
                    if left.is_zero() || !self.is_answered(step) {
                        self.leave_behind(&under_way.state);
                        let waited = if left.is_zero() { allowed } else { self.limits.stall };
                        return Err(self.silence(call, waited, ""));
                    }
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(self.error(call, "the operation ended without an answer"));
                }
            }
        }
    }

    /// Whether the server answers the question.
    fn is_answered(&self, within: Duration) -> bool {
        let question = Arc::clone(&self.question);
        let call = Call {
            operation: "ask",
            object: "the server",
        };
        let asked = self.ask(call, within, move || {
            question();
            Ok(())
        });
        asked.is_ok()
    }

    pub(super) fn error(&self, call: Call<'_>, message: &str) -> StoreError {
        self.caused(call, Cause::new(message))
    }

    /// Who did not answer, and what to do. The system has tried again all the while, so trying again is no use.
    fn silence(&self, call: Call<'_>, waited: Duration, to_what: &str) -> StoreError {
        let waited = waited.as_secs_f32();
        let cause = Cause::new(format!("{} gave no answer in {waited} s{to_what}", self.server));
        let hint = self.hint() + "; where it is only slow, raise AnswerTimeout";
        self.caused(call, cause.with_hint(hint).lasting())
    }

    fn hint(&self) -> String {
        format!(
            "see whether {} is up, serves, and can be reached, then run again",
            self.server
        )
    }

    /// With the server's name, where the system has given it up after it had waited for so long: it says so of one file.
    fn named(&self, error: StoreError, waited: Duration) -> StoreError {
        use StoreErrorKind::{Connection, Other, Timeout};
        let kind = match error.kind {
            Other if waited >= SHORT => Timeout,
            Timeout | Connection => error.kind,
            _ => return error,
        };
        let cause = Cause::new(format!("{}: {}", self.server, error.source)).with_hint(self.hint());
        StoreError {
            kind,
            source: cause.into(),
            ..error
        }
    }

    fn caused(&self, call: Call<'_>, cause: Cause) -> StoreError {
        StoreError {
            operation: call.operation,
            object: call.object.to_owned(),
            location: self.location.clone(),
            kind: StoreErrorKind::Timeout,
            source: cause.into(),
        }
    }

    /// Who has hung once is not waited for so long again.
    fn patience(&self, allowed: Duration) -> Duration {
        if self.hanging.load(Ordering::SeqCst) == 0 {
            return allowed;
        }
        allowed.min(SHORT)
    }

    fn leave_behind(&self, state: &AtomicU8) {
        // Counted first, so that the thread finds what it takes back.
        self.hanging.fetch_add(1, Ordering::SeqCst);
        if state.swap(HANGS, Ordering::SeqCst) == ENDED {
            self.hanging.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Gives the work to a thread that waits for some, or to a new one.
    fn begin(&self, mut work: Work) -> bool {
        loop {
            let waiting = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(thread) = waiting else { break };
            let task = Task {
                work,
                thread: thread.clone(),
            };
            match thread.send(task) {
                Ok(()) => return true,
                Err(refused) => work = refused.0.work,
            }
        }
        let idle = Arc::downgrade(&self.idle);
        std::thread::Builder::new().spawn(move || serve(work, &idle)).is_ok()
    }
}

/// A thread's life: it ends with those whom it serves, or when enough others wait.
fn serve(first: Work, idle: &Weak<Idle>) {
    let (mut own, tasks) = channel::<Task>();
    first();
    // Nobody but those whom it serves has the way to it while it waits, so that it learns of their end.
    while wait(idle, own) {
        let Ok(Task { work, thread }) = tasks.recv() else {
            return;
        };
        work();
        own = thread;
    }
}

/// Has `thread` wait for work, unless enough others do.
fn wait(idle: &Weak<Idle>, thread: Sender<Task>) -> bool {
    let Some(idle) = idle.upgrade() else { return false };
    let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
    let is_wanted = idle.len() < WAITING;
    if is_wanted {
        idle.push(thread);
    }
    is_wanted
}

#[cfg(test)]
mod tests;

//! Requests under way on one channel: what each waits for, and how much all of them together may be.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::errors::Problem;

/// Bytes that requests and the answers they ask for may come to, all together: enough for 100 MB/s at 80 ms.
pub(super) const BUDGET: usize = 8 << 20;

/// What even the smallest request counts, so that their number has a bound, too.
const LEAST: usize = 1024;

/// The requests of one channel that have no answer yet.
pub(super) struct Answers {
    state: Mutex<State>,
    room: Condvar,
    budget: usize,
    silence: Duration,
}

struct State {
    waiting: HashMap<u32, Waiting>,
    next: u32,
    used: usize,
    heard: Instant,
    /// Why the connection is of no more use.
    over: Option<Problem>,
}

struct Waiting {
    place: Arc<Place>,
    cost: usize,
}

/// Where one answer is put down.
#[derive(Default)]
struct Place {
    answer: Mutex<Option<Result<Vec<u8>, Problem>>>,
    filled: Condvar,
}

/// One awaited answer.
pub(super) struct Awaited {
    place: Arc<Place>,
    all: Arc<Answers>,
}

impl Answers {
    /// Nothing under way, and room for `budget` bytes; `silence` is how long the server may owe an answer without a word.
    pub(super) fn new(budget: usize, silence: Duration) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                waiting: HashMap::new(),
                next: 0,
                used: 0,
                heard: Instant::now(),
                over: None,
            }),
            room: Condvar::new(),
            budget,
            silence,
        })
    }

    /// Gives a new request its number, as soon as there is room for `bytes` more, and hands it to `send`: requests
    /// are sent in the order of their numbers.
    pub(super) fn begin(self: &Arc<Self>, bytes: usize, send: impl FnOnce(u32)) -> Result<Awaited, Problem> {
        let cost = bytes.clamp(LEAST, self.budget);
        let mut state = self.lock();
        loop {
            if let Some(problem) = &state.over {
                return Err(problem.clone());
            }
            if state.used + cost <= self.budget {
                break;
            }
            let left = self.patience(&mut state)?;
            state = wait(&self.room, state, left);
        }
        if state.waiting.is_empty() {
            // Nothing was owed until now, so there was no reason to say anything.
            state.heard = Instant::now();
        }
        let number = state.next;
        state.next = state.next.wrapping_add(1);
        state.used += cost;
        let place = Arc::<Place>::default();
        let waiting = Waiting {
            place: Arc::clone(&place),
            cost,
        };
        state.waiting.insert(number, waiting);
        send(number);
        Ok(Awaited {
            place,
            all: Arc::clone(self),
        })
    }

    /// Notes that the server said something.
    pub(super) fn heard(&self) {
        self.lock().heard = Instant::now();
    }

    /// Hands over the answer to request `number`.
    pub(super) fn arrived(&self, number: u32, answer: Vec<u8>) -> Result<(), Problem> {
        let mut state = self.lock();
        let waiting = state
            .waiting
            .remove(&number)
            .ok_or(Problem::Nonsense("it answers what was not asked"))?;
        state.used = state.used.saturating_sub(waiting.cost);
        drop(state);
        self.room.notify_all();
        waiting.place.put(Ok(answer));
        Ok(())
    }

    /// Ends everything that is under way, and all that comes, with `problem`; the first one counts.
    pub(super) fn end(&self, problem: &Problem) {
        let mut state = self.lock();
        Self::end_locked(&mut state, problem);
        drop(state);
        self.room.notify_all();
    }

    fn end_locked(state: &mut State, problem: &Problem) {
        let problem = state.over.get_or_insert_with(|| problem.clone()).clone();
        for (_, waiting) in state.waiting.drain() {
            waiting.place.put(Err(problem.clone()));
        }
        state.used = 0;
    }

    pub(super) fn is_over(&self) -> bool {
        self.lock().over.is_some()
    }

    /// How much longer the server may be silent; when that time is over, so is the connection.
    fn patience(&self, state: &mut State) -> Result<Duration, Problem> {
        let left = self.silence.saturating_sub(state.heard.elapsed());
        if !left.is_zero() {
            return Ok(left);
        }
        let problem = Problem::Silent(self.silence);
        Self::end_locked(state, &problem);
        self.room.notify_all();
        Err(problem)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn put(&self, answer: Result<Vec<u8>, Problem>) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        self.filled.notify_one();
    }
}

impl Awaited {
    /// Waits for the answer.
    pub(super) fn wait(self) -> Result<Vec<u8>, Problem> {
        loop {
            let left = self.all.patience(&mut self.all.lock());
            // An answer that is there counts, whatever has happened since.
            let mut answer = self.place.answer.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(answer) = answer.take() {
                return answer;
            }
            let mut answer = wait(&self.place.filled, answer, left?);
            if let Some(answer) = answer.take() {
                return answer;
            }
        }
    }

    pub(super) fn is_there(&self) -> bool {
        self.place
            .answer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some()
    }
}

fn wait<'a, T>(condition: &Condvar, guard: MutexGuard<'a, T>, most: Duration) -> MutexGuard<'a, T> {
    condition
        .wait_timeout(guard, most)
        .unwrap_or_else(PoisonError::into_inner)
        .0
}

#[cfg(test)]
mod tests;

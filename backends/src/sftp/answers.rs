//! Requests under way on one channel: what each waits for, and how much all of them together may be.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::errors::Problem;
use super::pace::Pace;
use super::window::Window;

/// Bytes that requests and the answers they ask for may come to, all together: enough for 100 MB/s at 80 ms.
pub(super) const BUDGET: usize = 8 << 20;

/// What even the smallest request counts, so that their number has a bound, too.
const LEAST: usize = 1024;

/// The requests of one channel that have no answer yet.
pub(super) struct Answers {
    state: Mutex<State>,
    budget: usize,
    silence: Duration,
    /// Of all channels of the connection.
    pace: Arc<Pace>,
    window: Window,
}

struct State {
    waiting: HashMap<u32, Waiting>,
    next: u32,
    used: usize,
    heard: Instant,
    /// How long the fastest answer took.
    turn: Duration,
    /// Those that wait for room, in the order in which they get it.
    queue: VecDeque<Arc<Queued>>,
    /// Why the connection is of no more use.
    over: Option<Problem>,
}

/// A request that waits for room.
struct Queued {
    cost: usize,
    go: Condvar,
}

struct Waiting {
    place: Arc<Place>,
    cost: usize,
    bytes: usize,
    sent: usize,
    begun: Instant,
}

/// Where one answer is put down.
#[derive(Default)]
struct Place {
    slot: Mutex<Slot>,
    filled: Condvar,
}

#[derive(Default)]
struct Slot {
    answer: Option<Result<Vec<u8>, Problem>>,
    /// Somebody waits for it: to wake nobody takes a call of the system, too.
    is_waited_for: bool,
}

/// One awaited answer.
pub(super) struct Awaited {
    place: Arc<Place>,
    all: Arc<Answers>,
}

impl Answers {
    /// Nothing under way, and room for `budget` bytes; `silence` is how long the server may owe an answer without a word.
    pub(super) fn new(budget: usize, silence: Duration, pace: Arc<Pace>, window: Window) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                waiting: HashMap::new(),
                next: 0,
                used: 0,
                heard: Instant::now(),
                turn: Duration::MAX,
                queue: VecDeque::new(),
                over: None,
            }),
            budget,
            silence,
            pace,
            window,
        })
    }

    /// Gives a new request of `sent` bytes its number, as soon as there is room for it and the `expected` bytes of its
    /// answer, and hands it to `send`: requests are sent in the order of their numbers.
    pub(super) fn begin(
        self: &Arc<Self>,
        (sent, expected): (usize, usize),
        send: impl FnOnce(u32),
    ) -> Result<Awaited, Problem> {
        let bytes = sent + expected;
        let cost = bytes.clamp(LEAST, self.budget);
        let mut state = self.room_for(cost)?;
        let begun = Instant::now();
        if state.waiting.is_empty() {
            // Nothing was owed until now, so there was no reason to say anything.
            state.heard = begun;
        }
        let number = state.next;
        state.next = state.next.wrapping_add(1);
        state.used += cost;
        let place = Arc::<Place>::default();
        let waiting = Waiting {
            place: Arc::clone(&place),
            cost,
            bytes,
            sent,
            begun,
        };
        state.waiting.insert(number, waiting);
        self.call_next(&state);
        self.pace.begin(bytes, begun);
        send(number);
        Ok(Awaited {
            place,
            all: Arc::clone(self),
        })
    }

    /// Waits until there is room for `cost` more.
    fn room_for(&self, cost: usize) -> Result<MutexGuard<'_, State>, Problem> {
        let mut state = self.lock();
        if let Some(problem) = &state.over {
            return Err(problem.clone());
        }
        if state.queue.is_empty() && state.used + cost <= self.budget {
            return Ok(state);
        }
        let queued = Arc::new(Queued {
            cost,
            go: Condvar::new(),
        });
        state.queue.push_back(Arc::clone(&queued));
        loop {
            // When it ends, that takes everybody out of the queue.
            if let Some(problem) = &state.over {
                return Err(problem.clone());
            }
            if state.used + cost <= self.budget && state.queue.front().is_some_and(|first| Arc::ptr_eq(first, &queued))
            {
                state.queue.pop_front();
                return Ok(state);
            }
            let left = self.patience(&mut state)?;
            state = wait(&queued.go, state, left);
        }
    }

    /// Wakes who is next in the queue, when there is room; nobody else, for they would wake in vain.
    fn call_next(&self, state: &State) {
        if let Some(next) = state.queue.front().filter(|next| state.used + next.cost <= self.budget) {
            next.go.notify_one();
        }
    }

    /// Hands over the answer to request `number`.
    pub(super) fn arrived(&self, number: u32, answer: Vec<u8>) -> Result<(), Problem> {
        let mut state = self.lock();
        let now = Instant::now();
        state.heard = now;
        let waiting = state
            .waiting
            .remove(&number)
            .ok_or(Problem::Nonsense("it answers what was not asked"))?;
        let took = now.saturating_duration_since(waiting.begun);
        state.turn = state.turn.min(took);
        self.window.answered(waiting.sent, took, state.turn, state.used);
        state.used = state.used.saturating_sub(waiting.cost);
        self.call_next(&state);
        drop(state);
        self.pace.end(waiting.bytes, now);
        waiting.place.put(Ok(answer));
        Ok(())
    }

    /// Ends everything that is under way, and all that comes, with `problem`; the first one counts.
    pub(super) fn end(&self, problem: &Problem) {
        self.end_locked(&mut self.lock(), problem);
    }

    fn end_locked(&self, state: &mut State, problem: &Problem) {
        let problem = state.over.get_or_insert_with(|| problem.clone()).clone();
        for (_, waiting) in state.waiting.drain() {
            self.pace.end(waiting.bytes, Instant::now());
            waiting.place.put(Err(problem.clone()));
        }
        for queued in state.queue.drain(..) {
            queued.go.notify_one();
        }
        state.used = 0;
    }

    pub(super) const fn window(&self) -> &Window {
        &self.window
    }

    pub(super) fn pace(&self) -> Arc<Pace> {
        Arc::clone(&self.pace)
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
        self.end_locked(state, &problem);
        Err(problem)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn put(&self, answer: Result<Vec<u8>, Problem>) {
        let mut slot = self.lock();
        slot.answer = Some(answer);
        if slot.is_waited_for {
            self.filled.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Awaited {
    /// Waits for the answer.
    pub(super) fn wait(self) -> Result<Vec<u8>, Problem> {
        self.wait_until_there()?;
        let answer = self.place.lock().answer.take();
        answer.unwrap_or(Err(Problem::Nonsense("an answer was taken twice")))
    }

    /// Waits until the answer is there, and leaves it. Fails when the server is silent for too long.
    pub(super) fn wait_until_there(&self) -> Result<(), Problem> {
        // An answer that is there counts, whatever has happened since.
        while !self.is_there() {
            let left = self.all.patience(&mut self.all.lock());
            let mut slot = self.place.lock();
            if slot.answer.is_some() {
                break;
            }
            slot.is_waited_for = true;
            drop(wait(&self.place.filled, slot, left?));
        }
        Ok(())
    }

    pub(super) fn is_there(&self) -> bool {
        self.place.lock().answer.is_some()
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

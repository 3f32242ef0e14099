use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use engine_api::{
    BlobStore, Body, Capabilities, Cause, FileStore, Key, ObjectMeta, PutMode, Space, StoreError, StoreErrorKind,
};

use super::*;

/// Time that passes only when somebody sleeps.
#[derive(Default)]
struct FakeClock(Mutex<Duration>);

impl Clock for FakeClock {
    fn now(&self) -> Duration {
        *self.0.lock().unwrap()
    }

    fn sleep(&self, duration: Duration) {
        *self.0.lock().unwrap() += duration;
    }
}

fn error(kind: StoreErrorKind, cause: Cause) -> StoreError {
    StoreError {
        operation: "use",
        object: "it".to_owned(),
        location: "here".to_owned(),
        kind,
        source: cause.into(),
    }
}

type Step = Box<dyn FnOnce(&dyn BlobStore) -> Option<StoreError> + Send>;

/// A local storage before which a script stands: each call takes one step off it, and fails when the step says so.
struct Scripted {
    inner: Arc<dyn BlobStore>,
    script: Mutex<VecDeque<Step>>,
    calls: AtomicUsize,
    _folder: tempfile::TempDir,
}

impl Scripted {
    fn new() -> Arc<Self> {
        let folder = tempfile::tempdir().unwrap();
        Arc::new(Self {
            inner: crate::local::open(folder.path(), false).unwrap().blobs,
            script: Mutex::default(),
            calls: AtomicUsize::new(0),
            _folder: folder,
        })
    }

    fn then(&self, step: impl FnOnce(&dyn BlobStore) -> Option<StoreError> + Send + 'static) -> &Self {
        self.script.lock().unwrap().push_back(Box::new(step));
        self
    }

    fn fail(&self, kind: StoreErrorKind) -> &Self {
        self.then(move |_| Some(error(kind, Cause::new("scripted"))))
    }

    fn step(&self) -> Result<(), StoreError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let step = self.script.lock().unwrap().pop_front();
        step.and_then(|step| step(self.inner.as_ref())).map_or(Ok(()), Err)
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

impl BlobStore for Scripted {
    fn location(&self) -> &str {
        self.inner.location()
    }

    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    fn put(&self, key: &Key, body: Body<'_>, mode: PutMode) -> Result<(), StoreError> {
        self.step()?;
        self.inner.put(key, body, mode)
    }

    fn get(&self, key: &Key) -> Result<Vec<u8>, StoreError> {
        self.step()?;
        self.inner.get(key)
    }

    fn get_range(&self, key: &Key, offset: u64, buffer: &mut [u8]) -> Result<(), StoreError> {
        self.step()?;
        self.inner.get_range(key, offset, buffer)
    }

    /// The step comes after three objects.
    fn list(&self, folder: &str, each: &mut dyn FnMut(ObjectMeta) -> ControlFlow<()>) -> Result<(), StoreError> {
        let mut left = 3;
        let mut outcome = Ok(());
        self.inner.list(folder, &mut |object| {
            if left == 0 {
                outcome = self.step();
                if outcome.is_err() {
                    return ControlFlow::Break(());
                }
            }
            left -= 1;
            each(object)
        })?;
        outcome
    }

    fn remove(&self, key: &Key) -> Result<(), StoreError> {
        self.step()?;
        self.inner.remove(key)
    }

    fn discard(&self, key: &Key) -> Result<(), StoreError> {
        self.step()?;
        self.inner.discard(key)
    }

    fn stat(&self, key: &Key) -> Result<ObjectMeta, StoreError> {
        self.step()?;
        self.inner.stat(key)
    }

    fn space(&self) -> Result<Option<Space>, StoreError> {
        self.step()?;
        self.inner.space()
    }
}

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

struct Tried {
    retry: Retry,
    clock: Arc<FakeClock>,
    waits: Arc<Mutex<Vec<Duration>>>,
}

fn tried(store: &Arc<Scripted>) -> Tried {
    let clock = Arc::new(FakeClock::default());
    let waits = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&waits);
    let listener: Listener = Box::new(move |attempt| {
        log.lock().unwrap().push(attempt.wait);
        ControlFlow::Continue(())
    });
    let retry = Retry::with_clock(store.clone(), RetryPolicy::default(), listener, clock.clone());
    Tried { retry, clock, waits }
}

#[test]
fn layers_keep_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let store = crate::local::open(folder.path(), false).unwrap().blobs;
    let store: Arc<dyn BlobStore> = Arc::new(Timeout::new(store, "a server", Limits::default()));
    let fast = Arc::new(Rate::new(0));
    let store: Arc<dyn BlobStore> = Arc::new(Bandwidth::new(store, fast.clone(), fast));
    let store: Arc<dyn BlobStore> = Arc::new(Concurrency::new(store, NonZeroUsize::new(2).unwrap()));
    assert_eq!(store.capabilities().concurrency, 2);
    let quiet: Listener = Box::new(|_| ControlFlow::Continue(()));
    let retry = RetryPolicy {
        tries: 2,
        first_wait: Duration::from_millis(1),
        ..RetryPolicy::default()
    };
    let store = Retry::new(store, retry, quiet);
    let summary = crate::conformance::run(&store, "suite").unwrap();
    assert_eq!(summary.skipped, []);
}

#[test]
fn what_passes_is_tried_again_with_growing_waits() {
    let store = Scripted::new();
    store.inner.put(&key("a"), Body::Bytes(b"x"), PutMode::Create).unwrap();
    for _ in 0..4 {
        store.fail(StoreErrorKind::Connection);
    }
    let tried = tried(&store);
    assert_eq!(tried.retry.get(&key("a")).unwrap(), b"x");
    let waits = tried.waits.lock().unwrap();
    assert_eq!(waits.len(), 4);
    for (number, wait) in waits.iter().enumerate() {
        let full = Duration::from_millis(500 << number);
        assert!(*wait >= full / 2 && *wait <= full, "wait {number} is {wait:?}");
    }
    assert_eq!(tried.clock.now(), waits.iter().sum());
}

#[test]
fn what_does_not_pass_fails_at_once() {
    for kind in [
        StoreErrorKind::NotFound,
        StoreErrorKind::PermissionDenied,
        StoreErrorKind::Unauthenticated,
        StoreErrorKind::NoSpace,
        StoreErrorKind::Untrusted,
        StoreErrorKind::Truncated,
    ] {
        let store = Scripted::new();
        store.fail(kind);
        let tried = tried(&store);
        assert_eq!(tried.retry.get(&key("a")).unwrap_err().kind, kind);
        assert_eq!((store.calls(), tried.clock.now()), (1, Duration::ZERO));
    }
    let store = Scripted::new();
    store.then(|_| Some(error(StoreErrorKind::Other, Cause::new("for good").lasting())));
    assert!(tried(&store).retry.space().is_err());
    assert_eq!(store.calls(), 1);
}

#[test]
fn tries_and_time_are_bounded() {
    let store = Scripted::new();
    for _ in 0..100 {
        store.fail(StoreErrorKind::Timeout);
    }
    let first = tried(&store);
    assert_eq!(first.retry.space().unwrap_err().kind, StoreErrorKind::Timeout);
    assert_eq!(store.calls(), 10);

    let store = Scripted::new();
    let slow = tried(&store);
    for _ in 0..100 {
        let clock = Arc::clone(&slow.clock);
        store.then(move |_| {
            clock.sleep(Duration::from_mins(5));
            Some(error(StoreErrorKind::Timeout, Cause::new("slow")))
        });
    }
    slow.retry.space().unwrap_err();
    assert_eq!(store.calls(), 3, "no try starts after a quarter of an hour");
}

#[test]
fn a_server_that_asks_to_wait_is_waited_for_within_the_bound() {
    let busy = |seconds| {
        let wait = Some(Duration::from_secs(seconds));
        move |_: &dyn BlobStore| Some(error(StoreErrorKind::Other, Cause::new("busy").with_wait(wait)))
    };
    let store = Scripted::new();
    store.then(busy(100));
    let patient = tried(&store);
    patient.retry.space().unwrap();
    assert_eq!(*patient.waits.lock().unwrap(), [Duration::from_secs(100)]);
    store.then(busy(10_000));
    assert!(tried(&store).retry.space().is_err());
}

#[test]
fn a_listener_may_give_up() {
    let store = Scripted::new();
    store.fail(StoreErrorKind::Connection);
    let giving_up: Listener = Box::new(|_| ControlFlow::Break(()));
    let retry = Retry::new(store.clone(), RetryPolicy::default(), giving_up);
    assert!(retry.space().is_err());
    assert_eq!(store.calls(), 1);
}

/// The object is stored, and the answer is lost.
fn lost_put(store: &Scripted, name: &'static str, bytes: &'static [u8]) {
    store.then(move |inner| {
        inner.put(&key(name), Body::Bytes(bytes), PutMode::Create).unwrap();
        Some(error(StoreErrorKind::Connection, Cause::new("lost")))
    });
}

#[test]
fn a_create_whose_answer_was_lost_is_done() {
    let store = Scripted::new();
    lost_put(&store, "mine", b"same");
    let retry = tried(&store).retry;
    retry
        .put(&key("mine"), Body::Parts(&[b"sa", b"me"]), PutMode::Create)
        .unwrap();
    // It exists already, and nothing was lost in this call.
    let again = retry.put(&key("mine"), Body::Bytes(b"same"), PutMode::Create);
    assert_eq!(again.unwrap_err().kind, StoreErrorKind::AlreadyExists);
    // Somebody else's object, of the same size and of another.
    for bytes in [&b"other"[..], b"else"] {
        let store = Scripted::new();
        lost_put(&store, "theirs", bytes);
        let put = tried(&store)
            .retry
            .put(&key("theirs"), Body::Bytes(b"mine "), PutMode::Create);
        assert_eq!(put.unwrap_err().kind, StoreErrorKind::AlreadyExists);
    }
}

#[test]
fn a_remove_whose_answer_was_lost_is_done() {
    let store = Scripted::new();
    store.inner.put(&key("a"), Body::Bytes(b""), PutMode::Create).unwrap();
    store.then(|inner| {
        inner.remove(&key("a")).unwrap();
        Some(error(StoreErrorKind::Timeout, Cause::new("lost")))
    });
    let retry = tried(&store).retry;
    retry.remove(&key("a")).unwrap();
    assert_eq!(retry.remove(&key("a")).unwrap_err().kind, StoreErrorKind::NotFound);
}

#[test]
fn a_listing_that_broke_off_shows_each_object_once() {
    let store = Scripted::new();
    for number in 0..10 {
        store
            .inner
            .put(&key(&format!("d/{number}")), Body::Bytes(b""), PutMode::Create)
            .unwrap();
    }
    store.fail(StoreErrorKind::Connection).fail(StoreErrorKind::Connection);
    let mut seen = Vec::new();
    tried(&store)
        .retry
        .list("d", &mut |object| {
            seen.push(object.key);
            ControlFlow::Continue(())
        })
        .unwrap();
    seen.sort();
    assert_eq!(seen, (0..10).map(|n| key(&format!("d/{n}"))).collect::<Vec<_>>());
}

#[test]
fn only_so_many_get_through_at_once() {
    struct Shared {
        now: AtomicUsize,
        most: AtomicUsize,
    }
    let shared = Arc::new(Shared {
        now: AtomicUsize::new(0),
        most: AtomicUsize::new(0),
    });
    let store = Scripted::new();
    for _ in 0..20 {
        let shared = Arc::clone(&shared);
        store.then(move |_| {
            let now = shared.now.fetch_add(1, Ordering::SeqCst) + 1;
            shared.most.fetch_max(now, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(5));
            shared.now.fetch_sub(1, Ordering::SeqCst);
            None
        });
    }
    let limited = Concurrency::new(store.clone(), NonZeroUsize::new(3).unwrap());
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| limited.space().unwrap());
        }
    });
    assert_eq!(shared.most.load(Ordering::SeqCst), 3);
    assert_eq!(store.calls(), 20);
}

/// Has the next call hang until what is given is dropped.
fn hang(store: &Scripted) -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel::<()>();
    store.then(move |_| {
        let _ = released.recv();
        None
    });
    release
}

#[test]
fn what_hangs_ends_in_a_timeout() {
    let store = Scripted::new();
    let limits = Limits {
        stall: Duration::from_millis(500),
        slowest: 1000,
    };
    let watched = Timeout::new(store.clone(), "nas:/backup", limits);
    let first = hang(&store);
    let put = watched.put(&key("a"), Body::Bytes(b"x"), PutMode::Create);
    let error = put.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Timeout);
    assert!(error.is_permanent(), "it has been waited for already");
    assert_eq!(error.source.to_string(), "nas:/backup gave no answer in 0.5 s");
    assert!(watched.space().is_ok(), "the next operation is not held up");
    // A listing that goes on is no stall, one that stops is.
    for number in 0..4 {
        store
            .inner
            .put(&key(&format!("d/{number}")), Body::Bytes(b""), PutMode::Create)
            .unwrap();
    }
    let mut seen = 0;
    let second = hang(&store);
    let listing = watched.list("d", &mut |_| {
        seen += 1;
        ControlFlow::Continue(())
    });
    assert_eq!(listing.unwrap_err().kind, StoreErrorKind::Timeout);
    assert_eq!(seen, 3);
    // Whoever was silent twice is not asked again until one of the two has ended.
    let calls = store.calls();
    let error = watched.space().unwrap_err();
    assert!(error.is_permanent());
    let words = "nas:/backup gave no answer in 0.5 s to what it was asked before";
    assert_eq!(error.source.to_string(), words);
    assert_eq!(store.calls(), calls);
    drop(first);
    while watched.space().is_err() {
        std::thread::yield_now();
    }
    drop(second);
}

/// Much takes long, and is waited for as long as the server answers other questions.
#[test]
fn what_is_much_is_known_from_what_hangs() {
    for (answers, stall) in [(true, 4000), (false, 200)] {
        let store = Scripted::new();
        let (release, released) = mpsc::channel::<()>();
        store.then(move |_| {
            let _ = released.recv();
            None
        });
        let (end, ended) = mpsc::channel::<()>();
        store.then(move |_| {
            if !answers {
                let _ = ended.recv();
            }
            drop(release);
            None
        });
        let limits = Limits {
            stall: Duration::from_millis(stall),
            slowest: 1,
        };
        let watched = Timeout::new(store.clone(), "nas:/backup", limits);
        let put = watched.put(&key("a"), Body::Bytes(&[0; 3600]), PutMode::Create);
        assert_eq!(put.is_ok(), answers, "{put:?}");
        assert_eq!(store.calls(), 2, "it was asked once");
        drop(end);
    }
}

#[test]
fn the_layers_of_files_keep_the_contract_together() {
    let folder = tempfile::tempdir().unwrap();
    let files = crate::local::open(folder.path(), true).unwrap().files.unwrap();
    let files = Arc::new(TimeoutFiles::new(files, "a server", Limits::default()));
    let rate = || Arc::new(Rate::new(0));
    let files = BandwidthFiles::new(files, rate(), rate());
    let summary = crate::conformance::files::run(&files, "suite").unwrap();
    assert!(!summary.passed.is_empty());
    assert!(files.capabilities().local_path.is_some(), "it still says where it is");
}

#[test]
fn the_rate_is_kept() {
    let clock = Arc::new(FakeClock::default());
    let rate = Rate::with_clock(1000, clock.clone());
    for _ in 0..10 {
        rate.take(500);
    }
    assert!((clock.now().as_secs_f64() - 5.0).abs() < 0.1, "{:?}", clock.now());
    // A pause is not saved up beyond a moment.
    clock.sleep(Duration::from_secs(100));
    let start = clock.now();
    rate.take(10_000);
    let taken = (clock.now() - start).as_secs_f64();
    assert!((9.5..=10.0).contains(&taken), "{taken}");
    rate.set(0);
    let start = clock.now();
    rate.take(u64::MAX);
    assert_eq!(clock.now(), start);
    rate.set(100);
    rate.take(100);
    assert!((clock.now() - start).as_secs_f64() > 0.9);
}

#[test]
fn a_limit_that_is_lifted_frees_who_waits() {
    let rate = Arc::new(Rate::new(1));
    let waiting = {
        let rate = Arc::clone(&rate);
        std::thread::spawn(move || rate.take(1_000_000))
    };
    std::thread::sleep(Duration::from_millis(20));
    rate.set(0);
    waiting.join().unwrap();
}

proptest::proptest! {
    /// Whatever fails and passes, the waits stay within the policy.
    #[test]
    fn waits_stay_within_the_policy(tries in 1_u32..20, first in 1_u64..5000, longest in 1_u64..60_000, total in 1_u64..600_000) {
        let store = Scripted::new();
        for _ in 0..30 {
            store.fail(StoreErrorKind::Connection);
        }
        let policy = RetryPolicy {
            tries,
            first_wait: Duration::from_millis(first),
            longest_wait: Duration::from_millis(longest),
            total: Duration::from_millis(total),
        };
        let clock = Arc::new(FakeClock::default());
        let most = policy.longest_wait;
        let listener: Listener = Box::new(move |attempt| {
            assert!(attempt.wait <= most);
            ControlFlow::Continue(())
        });
        let retry = Retry::with_clock(store.clone(), policy, listener, clock.clone());
        assert!(retry.space().is_err());
        proptest::prop_assert!(store.calls() <= tries as usize);
        proptest::prop_assert!(clock.now() <= policy.total);
    }
}

/// A server may remove what a later try has stored when an earlier one ends at last.
#[test]
fn what_was_stored_after_a_lost_answer_is_looked_at_once_more() {
    let scripted = Scripted::new();
    let key = Key::new("data/x").unwrap();
    let gone = key.clone();
    // The first try is cut; the second stores it, and it is gone when it is looked at; the third stores it for good.
    scripted.fail(StoreErrorKind::Connection);
    scripted.then(|_| None);
    scripted.then(move |inner| {
        inner.remove(&gone).unwrap();
        None
    });
    let store: Arc<dyn BlobStore> = scripted.clone();
    let policy = RetryPolicy::default();
    let retry = Retry::with_clock(
        store,
        policy,
        Box::new(|_| ControlFlow::Continue(())),
        Arc::new(FakeClock::default()),
    );
    retry.put(&key, Body::Bytes(b"content"), PutMode::Replace).unwrap();
    assert_eq!(scripted.inner.get(&key).unwrap(), b"content");
    // Three puts and two looks.
    assert_eq!(scripted.calls(), 5);
}

#[test]
fn files_are_held_down_as_objects_are() {
    let folder = tempfile::tempdir().unwrap();
    let files = crate::local::open(folder.path(), false).unwrap().files.unwrap();
    let clock = Arc::new(FakeClock::default());
    let rate = || Arc::new(Rate::with_clock(1000, clock.clone()));
    let files = BandwidthFiles::new(files, rate(), rate());
    let seconds = |work: &dyn Fn()| {
        let begin = clock.now();
        work();
        (clock.now() - begin).as_secs_f64()
    };
    let root = files.root();
    let written = seconds(&|| {
        let file = files.create(&root, b"file").unwrap();
        file.write_at(0, &[7; 5000]).unwrap();
        file.close().unwrap();
    });
    assert!((4.5..=5.5).contains(&written), "{written}");
    let read = seconds(&|| {
        let file = files.open(&root, b"file").unwrap();
        let mut buffer = vec![0; 8000];
        assert_eq!(file.read_at(0, &mut buffer).unwrap(), 5000);
    });
    assert!((4.5..=5.5).contains(&read), "only what is there counts: {read}");
    let linked = seconds(&|| files.hard_link((&root, b"file"), (&root, b"link")).unwrap());
    assert!(linked < 0.1, "{linked}");
}

//! One SFTP session on one channel: requests go out as they are made, answers are waited for one by one.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use engine_api::StoreErrorKind;
use tokio::runtime::Handle as Runtime;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;

use super::answers::{Answers, Awaited, BUDGET};
use super::beside::Beside;
use super::buffers::Buffers;
use super::errors::Problem;
use super::extensions::{Extensions, Limits};
use super::pace::Pace;
use super::requests::Answer;
use super::settings::{Compress, Settings};
use super::ssh::channel::{Channel, Incoming, deliver, send};
use super::ssh::{self, Login, Session, Shell};
use super::window::Window;
use super::wire::{Decoder, Packet, VERSION, kind};

/// How long a polite end may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// A session that runs, or has ended: then every request fails with the reason.
pub(super) struct Link {
    answers: Arc<Answers>,
    requests: Option<UnboundedSender<Vec<u8>>>,
    tasks: Vec<AbortHandle>,
    ended: Mutex<mpsc::Receiver<()>>,
    extensions: Extensions,
    /// The answer to the question how large requests may be, until somebody wants to know.
    asked: Mutex<Option<Answer>>,
    limits: OnceLock<Limits>,
    /// What it runs on; nothing for a channel beside the first. It ends with the first channel, whoever else uses it.
    session: Weak<Session>,
    runtime: Runtime,
    pace: Arc<Pace>,
    is_compressed: bool,
    /// The shell that ran the last script.
    shell: Arc<tokio::sync::Mutex<Option<Shell>>>,
    /// More channels of the same connection; a channel beside the first has none.
    beside: Option<Beside>,
    buffers: Arc<Buffers>,
    /// Answers to openings that nobody wants any more, until they are there and what they opened is closed.
    unwanted: Mutex<Vec<Answer>>,
    /// Files that are written over this channel, and batches of links that are made.
    written: AtomicUsize,
}

/// A file that is written over a channel, or a batch of links, while it lasts.
pub(super) struct Share(Arc<Link>);

impl Link {
    /// Connects and finds out what the server can do. There may be more channels on the connection unless `one_channel`
    /// is missing, or true; it becomes true when the server refuses them.
    pub(super) fn open(
        runtime: &Runtime,
        settings: &Arc<Settings>,
        login: Login,
        compress: bool,
        one_channel: Option<Arc<AtomicBool>>,
    ) -> Result<Arc<Self>, Problem> {
        let (done, result) = mpsc::sync_channel(1);
        let settings = Arc::clone(settings);
        let inner = runtime.clone();
        runtime.spawn(async move {
            let _ = done.send(Self::start(&inner, &settings, &login, compress, one_channel).await);
        });
        let link = result
            .recv()
            .unwrap_or_else(|_| Err(Problem::lost("connecting was broken off")))?;
        if link.extensions.limits {
            // The answer comes while other things are asked.
            let answer = Answer::new(link.request(Packet::extended("limits@openssh.com"), 0)?);
            *link.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        }
        Ok(Arc::new(link))
    }

    async fn start(
        runtime: &Runtime,
        settings: &Settings,
        login: &Login,
        compress: bool,
        one_channel: Option<Arc<AtomicBool>>,
    ) -> Result<Self, Problem> {
        let (session, mut channel) = ssh::connect(settings, login, compress).await?;
        let limit = settings.connect_timeout;
        let extensions = greeted(&mut channel, limit).await?;
        let session = Arc::new(session);
        let watched = Arc::downgrade(&session);
        let beside = one_channel.map(|refused| Beside::new(runtime, &session, settings, refused));
        let is_watched = !compress && settings.compress == Compress::Slow;
        let window = if is_watched {
            Window::fixed()
        } else {
            Window::adapting()
        };
        let answers = Answers::new(BUDGET, settings.stall_timeout, Arc::default(), window);
        let mut link = Self::on(runtime, channel, Some(session), answers);
        link.is_compressed = compress;
        if is_watched {
            let watching = runtime.spawn(watch(watched, link.pace()));
            link.tasks.push(watching.abort_handle());
        }
        link.extensions = extensions;
        link.beside = beside;
        Ok(link)
    }

    /// One more channel of the connection of a link that has `extensions` and `limits`.
    pub(super) async fn another(
        runtime: &Runtime,
        session: &Session,
        (extensions, limits): (Extensions, Limits),
        limit: Duration,
        answers: Arc<Answers>,
    ) -> Result<Self, Problem> {
        let opening = async {
            let mut channel = session.channel().await?;
            greeted(&mut channel, limit).await?;
            Ok(channel)
        };
        let opened = tokio::time::timeout(limit, opening).await;
        let channel = opened.unwrap_or(Err(Problem::Silent(limit)))?;
        let mut link = Self::on(runtime, channel, None, answers);
        link.extensions = extensions;
        link.limits = OnceLock::from(limits);
        Ok(link)
    }

    /// A link whose server can do nothing yet; `session` ends with it.
    fn on(runtime: &Runtime, channel: Channel, session: Option<Arc<Session>>, answers: Arc<Answers>) -> Self {
        let Channel { write, incoming } = channel;
        let (requests, queue) = unbounded_channel();
        let pace = answers.pace();
        let weak = session.as_ref().map_or_else(Weak::new, Arc::downgrade);
        let (over, ended) = mpsc::sync_channel(1);
        let ending = Arc::clone(&answers);
        let buffers = Arc::<Buffers>::default();
        let used = Arc::clone(&buffers);
        let sender = runtime.spawn(async move {
            send(write, session, (queue, used), ending).await;
            let _ = over.send(());
        });
        let sender = sender.abort_handle();
        let (delivered, stop) = (Arc::clone(&answers), sender.clone());
        let deliverer = runtime.spawn(async move {
            deliver(incoming, delivered).await;
            // It may be waiting for room that nobody will make any more.
            tokio::time::sleep(FAREWELL).await;
            stop.abort();
        });
        Self {
            answers,
            requests: Some(requests),
            tasks: vec![sender, deliverer.abort_handle()],
            ended: Mutex::new(ended),
            extensions: Extensions::default(),
            asked: Mutex::default(),
            limits: OnceLock::new(),
            session: weak,
            runtime: runtime.clone(),
            pace,
            is_compressed: false,
            shell: Arc::default(),
            beside: None,
            buffers,
            unwanted: Mutex::default(),
            written: AtomicUsize::new(0),
        }
    }

    /// Sends a request whose answer carries up to `expected` bytes, as soon as there is room for it.
    pub(super) fn request(&self, packet: Packet, expected: usize) -> Result<Awaited, Problem> {
        let Some(requests) = &self.requests else {
            return Err(Problem::lost("it was closed here"));
        };
        self.answers.begin((packet.len(), expected), |number| {
            // When nobody takes it any more, the end reaches who waits for the answer.
            let _ = requests.send(packet.numbered(number));
        })
    }

    /// What the server can do.
    pub(super) const fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// Keeps the answer to an opening that nobody wants until it is there.
    pub(super) fn leave(&self, answer: Answer) {
        let mut unwanted = self.unwanted.lock().unwrap_or_else(PoisonError::into_inner);
        unwanted.push(answer);
    }

    /// The answers nobody wants that are there by now.
    pub(super) fn unwanted(&self) -> Vec<Answer> {
        let mut unwanted = self.unwanted.lock().unwrap_or_else(PoisonError::into_inner);
        unwanted.extract_if(.., |answer| answer.is_there()).collect()
    }

    /// How large requests may be; as the protocol has it where the server does not tell.
    pub(super) fn limits(&self) -> Limits {
        *self.limits.get_or_init(|| {
            let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner).take();
            asked.and_then(|answer| Limits::of(answer).ok()).unwrap_or_default()
        })
    }

    /// Has the server's shell run a script, for up to `patience`, and tells what it printed: nothing where there is none.
    pub(super) fn run(&self, script: Vec<u8>, patience: Duration) -> Result<Vec<u8>, Problem> {
        let (done, result) = mpsc::sync_channel(1);
        self.begin(script, patience, move |ran| {
            let _ = done.send(ran);
        });
        let ran = result.recv();
        ran.unwrap_or_else(|_| Err(Problem::lost("it was closed here")))
    }

    /// The same without waiting: `end` gets what it printed, unless it is dropped because all ends.
    pub(super) fn begin(
        &self,
        script: Vec<u8>,
        patience: Duration,
        end: impl FnOnce(Result<Vec<u8>, Problem>) + Send + 'static,
    ) {
        let Some(session) = self.session.upgrade() else {
            return end(Err(Problem::lost("it was closed here")));
        };
        let shell = Arc::clone(&self.shell);
        self.runtime.spawn(async move {
            let ran = tokio::time::timeout(patience, in_shell(&session, &shell, script)).await;
            end(ran.unwrap_or(Err(Problem::Silent(patience))));
        });
    }

    /// How much of one file may be under way.
    pub(super) fn window(&self) -> &Window {
        self.answers.window()
    }

    /// The memory of requests that were sent.
    pub(super) fn buffers(&self) -> &Buffers {
        &self.buffers
    }

    /// Watches all channels of the connection.
    pub(super) fn pace(&self) -> Arc<Pace> {
        Arc::clone(&self.pace)
    }

    /// Whether the line has turned out to be slow.
    pub(super) fn is_slow(&self) -> bool {
        self.pace.is_slow()
    }

    pub(super) const fn is_compressed(&self) -> bool {
        self.is_compressed
    }

    pub(super) fn is_over(&self) -> bool {
        self.answers.is_over()
    }

    /// Ends it without a farewell: where nobody may wait.
    pub(super) fn cut(self) {
        self.answers.end(&Problem::lost("it was closed here"));
    }

    /// Opens some channels for files before they are wanted.
    pub(super) fn open_early(self: &Arc<Self>) {
        if let Some(beside) = &self.beside {
            beside.open_early(self);
        }
    }

    /// The channel for one more file that is written, which may be another one than this, while the file is in hand. All
    /// that is asked of the file goes over that channel: requests of one channel are done in their order, those of two
    /// are not.
    pub(super) fn share(self: &Arc<Self>) -> Share {
        match &self.beside {
            Some(beside) => beside.share(self),
            None => self.share_own(),
        }
    }

    /// The same, of this channel for certain.
    pub(super) fn share_own(self: &Arc<Self>) -> Share {
        self.written.fetch_add(1, Ordering::Relaxed);
        Share(Arc::clone(self))
    }

    /// Files that are written over this channel now.
    pub(super) fn written(&self) -> usize {
        self.written.load(Ordering::Relaxed)
    }
}

impl Share {
    pub(super) const fn link(&self) -> &Arc<Link> {
        &self.0
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.0.written.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Before the connection ends, so that none of them waits for a farewell in vain.
        self.beside = None;
        // The last sender goes, so the task says goodbye and ends.
        self.requests = None;
        if !self.answers.is_over() {
            let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = ended.recv_timeout(FAREWELL);
        }
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Finds out whether it is the line when little arrives, until it was.
async fn watch(session: Weak<Session>, pace: Arc<Pace>) -> Option<()> {
    // Nothing is on it yet.
    let turn = session.upgrade()?.ask().await.ok()?;
    while !pace.is_slow() {
        pace.suspected().await;
        let session = session.upgrade()?;
        // The second, in case that this machine was busy with something else for a moment.
        let (first, second) = (session.ask().await.ok()?, session.ask().await.ok()?);
        pace.judge(first.min(second), turn);
    }
    Some(())
}

/// Runs a script in the shell that is there, or in a new one.
async fn in_shell(
    session: &Session,
    shell: &tokio::sync::Mutex<Option<Shell>>,
    script: Vec<u8>,
) -> Result<Vec<u8>, Problem> {
    let mut kept = shell.lock().await;
    if let Some(mut shell) = kept.take() {
        if let Some(printed) = shell.run(&script).await? {
            *kept = Some(shell);
            return Ok(printed);
        }
        shell.close().await;
    }
    let Some(mut shell) = session.shell().await? else {
        return Ok(Vec::new());
    };
    let printed = shell.run(&script).await?;
    if printed.is_some() {
        *kept = Some(shell);
    } else {
        shell.close().await;
    }
    Ok(printed.unwrap_or_default())
}

async fn greeted(channel: &mut Channel, limit: Duration) -> Result<Extensions, Problem> {
    let greeting = tokio::time::timeout(limit, greeting(&mut channel.incoming)).await;
    greeting.unwrap_or(Err(Problem::Silent(limit)))
}

/// The server's first packet: its version and what it can do beyond it.
async fn greeting(incoming: &mut Incoming) -> Result<Extensions, Problem> {
    let mut greeting = Vec::new();
    incoming
        .packets(|packet| {
            greeting = packet;
            Ok(false)
        })
        .await?;
    let nonsense = |_| Problem::Nonsense("its greeting is broken");
    let mut decoder = Decoder::new(&greeting);
    if decoder.u8().map_err(nonsense)? != kind::VERSION {
        return Err(Problem::Nonsense("it does not begin with a greeting"));
    }
    let version = decoder.u32().map_err(nonsense)?;
    if version < VERSION {
        return Err(Problem::known(
            StoreErrorKind::Unsupported,
            format!("the server speaks version {version} of SFTP, and {VERSION} is needed"),
        ));
    }
    let mut extensions = Extensions::default();
    while !decoder.is_empty() {
        let name = decoder.string().map_err(nonsense)?;
        extensions.add(name, decoder.string().map_err(nonsense)?);
    }
    Ok(extensions)
}

//! Everything that was written made durable at once. SFTP can sync one file after the other, no more; but many an account may
//! run commands on its server, and `sync -f` there does for a whole filesystem what `syncfs` does here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak, mpsc};
use std::time::Duration;

use engine_api::StoreErrorKind;

use super::early::Early;
use super::errors::Problem;
use super::link::Link;
use super::root::Root;

/// How long a server may take to write down all that it has in its memory.
const PATIENCE: Duration = Duration::from_mins(30);

/// From this version on Linux tells of a write that failed before it was asked to sync.
const SINCE: (u32, u32) = (5, 8);

/// Filesystems of a disk of the server's own, by the numbers of statfs(2): ext2 to ext4, XFS, btrfs, F2FS, ZFS, bcachefs, JFS,
/// and memory.
const KNOWN: [&str; 8] = [
    "ef53", "58465342", "9123683e", "f2f52010", "2fc12fc1", "ca451a4e", "3153464a", "1021994",
];

/// What a line begins with that our script has printed, rather than whatever else may run there.
const ASKED: &str = "holdfast-asked";
const SYNCED: &str = "holdfast-synced";
const RENEWED: &str = "holdfast-renewed";

/// Prints the number of the server's start.
const BOOT: &str = "cat /proc/sys/kernel/random/boot_id";

/// Tells that a shell has started.
const STARTED: &str = "holdfast-started";

/// Whether the server can do that, once it was asked.
pub(super) struct Known {
    /// The connection that was there before anything was written. While it lasts the server was not started anew; on another
    /// it is too late to find out.
    first: Weak<Link>,
    whole: OnceLock<Whole>,
    /// A server may end the connection rather than say no, and is not asked twice.
    asked: AtomicBool,
    /// A shell that is being started before it is wanted.
    starting: Mutex<Option<Starting>>,
    early: Early,
    /// The connection on which the last early sync runs: another may take its place before that has ended.
    busy: Mutex<Option<Arc<Link>>>,
}

/// Tells whether it has started.
type Starting = mpsc::Receiver<Result<bool, Problem>>;

impl Known {
    /// Nothing yet; nothing was written either, on this connection or before.
    pub(super) fn before_anything(link: &Arc<Link>) -> Self {
        Self {
            first: Arc::downgrade(link),
            whole: OnceLock::new(),
            asked: AtomicBool::new(false),
            starting: Mutex::default(),
            early: Early::default(),
            busy: Mutex::default(),
        }
    }

    /// Has the shell started that [`find`](Self::find) will ask, without waiting for it.
    pub(super) fn begin(&self, root: &Root) {
        let settings = root.client.settings();
        if !settings.commands || self.asked.swap(true, Ordering::Relaxed) {
            return;
        }
        let Ok(Some(link)) = self.first_of(root) else { return };
        let (told, has_started) = mpsc::sync_channel(1);
        let script = format!("echo {STARTED}").into_bytes();
        link.begin(script, settings.connect_timeout, move |printed| {
            let _ = told.send(printed.map(|printed| line(&printed, STARTED).is_some()));
        });
        *self.lock_starting() = Some(has_started);
    }

    /// The connection, unless it is another by now.
    fn first_of(&self, root: &Root) -> Result<Option<Arc<Link>>, Problem> {
        let link = root.client.link()?;
        Ok(Some(link).filter(|link| std::ptr::eq(self.first.as_ptr(), Arc::as_ptr(link))))
    }

    /// Whether there may be a shell to ask on the connection.
    fn may_ask(&self, patience: Duration) -> Result<bool, Problem> {
        let Some(starting) = self.lock_starting().take() else {
            return Ok(!self.asked.swap(true, Ordering::Relaxed));
        };
        match starting.recv_timeout(patience) {
            Ok(Err(problem)) if !matches!(problem, Problem::Silent(_)) => Err(problem),
            started => Ok(matches!(started, Ok(Ok(true)))),
        }
    }

    fn lock_starting(&self) -> MutexGuard<'_, Option<Starting>> {
        self.starting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds out; `proof` makes a folder by which the server's shell shows that it sees the same files as we do. `None` where
    /// there is no shell, and nothing was made.
    pub(super) fn find(
        &self,
        root: &Root,
        proof: impl FnOnce(&Arc<Link>) -> Result<Vec<u8>, Problem>,
    ) -> Result<Option<bool>, Problem> {
        let settings = root.client.settings();
        if !settings.commands || !self.may_ask(settings.connect_timeout)? {
            return Ok(None);
        }
        let Some(link) = self.first_of(root)? else {
            return Ok(None);
        };
        let found = Whole::find(&link, &root.path_of(b""), &proof(&link)?, settings.connect_timeout);
        match found {
            Ok(Some(whole)) => {
                self.whole.get_or_init(|| whole);
                Ok(Some(true))
            }
            // Whatever it is that runs there waits for something.
            Ok(None) | Err(Problem::Silent(_)) => Ok(Some(false)),
            Err(problem) => Err(problem),
        }
    }

    /// So many bytes more were written, of a file that is not synced by itself: the server begins to write down what it has
    /// when that is much. Fails when it could not.
    pub(super) fn written(&self, root: &Root, bytes: u64) -> Result<(), Problem> {
        let Some(whole) = self.whole.get() else {
            return Ok(());
        };
        let Some(running) = self.early.written(bytes)? else {
            return Ok(());
        };
        let Ok(link) = root.client.link() else {
            // Whoever needs the connection meets the reason.
            running.end(Ok(()));
            return Ok(());
        };
        link.begin(whole.syncing(&root.path_of(b"")), PATIENCE, |printed| match printed {
            Ok(printed) => running.end(done(&printed)),
            // Whether it ran, and how it ended, is not known.
            Err(_) => drop(running),
        });
        let before = self.lock_busy().replace(link);
        drop(before);
        Ok(())
    }

    /// Lets go of what is kept of a connection.
    pub(super) fn let_go(&self) {
        let busy = self.lock_busy().take();
        drop(busy);
    }

    fn lock_busy(&self) -> MutexGuard<'_, Option<Arc<Link>>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes everything durable that was written since.
    pub(super) fn sync(&self, root: &Root) -> Result<(), Problem> {
        let Some(whole) = self.whole.get() else {
            return Err(Problem::known(
                StoreErrorKind::Unsupported,
                "the server can only sync one file after the other",
            ));
        };
        let finished = self.early.finish();
        self.let_go();
        finished?;
        // The server still has what it was sent, whatever became of the connection, unless it was started anew.
        root.client.again(0, |link| whole.sync(link, &root.path_of(b"")))
    }
}

/// A server that can be told to sync a whole filesystem.
#[derive(Debug, PartialEq, Eq)]
struct Whole {
    /// The server's number for the time since it was started. What it had only in memory is lost with a restart, and no
    /// sync after that would tell.
    boot: String,
    /// The filesystem's device, for a disk that was pulled out and mounted again is the same.
    device: u64,
}

impl Whole {
    /// Finds out whether the server that has the folder `path`, and `proof` in it, can do that. What is written from now on
    /// may be synced so.
    fn find(link: &Arc<Link>, path: &[u8], proof: &[u8], patience: Duration) -> Result<Option<Self>, Problem> {
        Ok(understood(&link.run(asking(path, proof), patience)?))
    }

    /// Makes everything durable that was written to the filesystem of the folder `path`.
    fn sync(&self, link: &Arc<Link>, path: &[u8]) -> Result<(), Problem> {
        done(&link.run(self.syncing(path), PATIENCE)?)
    }

    /// The shell that was asked still has the folder open, whatever is mounted in its place; another has only the path.
    fn syncing(&self, path: &[u8]) -> Vec<u8> {
        let Self { boot, device } = self;
        let tail = format!(
            "; [ -d /proc/$$/fd/9 ] && at=/proc/$$/fd/9
            sync -f \"$at\" && if [ \"$({BOOT}) $(stat -L -c %d \"$at\")\" = '{boot} {device}' ]
            then echo {SYNCED}; else echo {RENEWED}; fi"
        );
        [b"at=", &quoted(path)[..], tail.as_bytes()].concat()
    }
}

fn asking(path: &[u8], proof: &[u8]) -> Vec<u8> {
    let tail = format!(
        " ] && sync --help 2>&1 | grep -q -e '-d*f' && exec 9<\"$at\" && [ -d /proc/$$/fd/9 ] &&
        echo {ASKED} \"$(uname -r)\" \"$({BOOT})\" \"$(stat -f -c %t \"$at\")\" \"$(stat -L -c %d \"$at\")\""
    );
    let parts: [&[u8]; 5] = [
        b"at=",
        &quoted(path),
        b"; [ \"$(uname -s)\" = Linux ] && [ -d ",
        &quoted(proof),
        tail.as_bytes(),
    ];
    parts.concat()
}

/// The path as one word of the shell, whatever bytes it has.
fn quoted(path: &[u8]) -> Vec<u8> {
    let mut word = vec![b'\''];
    for byte in path {
        match byte {
            b'\'' => word.extend_from_slice(b"'\\''"),
            other => word.push(*other),
        }
    }
    word.push(b'\'');
    word
}

/// What the answer says, if it is one and the server will do.
fn understood(printed: &[u8]) -> Option<Whole> {
    let mut words = line(printed, ASKED)?;
    let (version, boot, kind) = (words.next()?, words.next()?, words.next()?);
    let device = words.next()?.parse().ok()?;
    let is_number = boot.len() == 36 && boot.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let fits = is_number && kernel(version)? >= SINCE && KNOWN.contains(&kind);
    fits.then(|| Whole {
        boot: boot.to_owned(),
        device,
    })
}

fn done(printed: &[u8]) -> Result<(), Problem> {
    if line(printed, SYNCED).is_some() {
        return Ok(());
    }
    if line(printed, RENEWED).is_some() {
        return Err(Problem::hinted(
            StoreErrorKind::Other,
            "the server was started anew, or its disk mounted anew, while files were written to it, and some may be lost",
            "run it again",
        ));
    }
    Err(Problem::hinted(
        StoreErrorKind::Other,
        "the server could not write everything to its disk",
        "look into the server's log; `SftpCommands` `disabled` syncs each file by itself",
    ))
}

/// The words after `head` on the line that begins with it.
fn line<'a>(printed: &'a [u8], head: &str) -> Option<std::str::SplitWhitespace<'a>> {
    let text = std::str::from_utf8(printed).ok()?;
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some(head)).then_some(words)
    })
}

/// The first two numbers of a version.
fn kernel(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: &str = "3f6c7e1a-70b5-4f0e-9d3c-2f4a5b6c7d8e";

    fn run(script: &[u8]) -> Vec<u8> {
        let script: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(script);
        let output = std::process::Command::new("/bin/sh").arg("-c").arg(script).output();
        output.unwrap().stdout
    }

    fn answer(version: &str, boot: &str, kind: &str) -> Option<Whole> {
        understood(format!("Welcome!\n{ASKED} {version} {boot} {kind} 2050\n").as_bytes())
    }

    #[test]
    fn only_what_is_known_to_do_is_believed() {
        assert_eq!(answer("6.1.0-18-amd64", NUMBER, "ef53").unwrap().boot, NUMBER);
        assert!(answer("5.8", NUMBER, "58465342").is_some());
        assert!(answer("5.7.19", NUMBER, "ef53").is_none(), "failed writes are not told");
        assert!(answer("4.19.0-26", NUMBER, "ef53").is_none());
        assert!(answer("6.1.0", NUMBER, "6969").is_none(), "NFS");
        assert!(answer("6.1.0", NUMBER, "65735546").is_none(), "FUSE");
        assert!(answer("6.1.0", "$(reboot)", "ef53").is_none());
        assert!(answer("6.1.0", "", "ef53").is_none());
        assert!(understood(b"").is_none() && understood(b"\0\0\0\x05\x02\0\0\0\x03").is_none());
        assert!(understood(b"echo holdfast-asked").is_none(), "an echo of the script");
    }

    #[test]
    fn a_sync_counts_only_if_the_server_says_so() {
        assert!(done(b"motd\nholdfast-synced\n").is_ok());
        assert!(done(b"").is_err() && done(b"sync: error syncing").is_err());
        let restarted = done(b"holdfast-renewed\n").unwrap_err();
        assert!(restarted.to_string().contains("started anew"), "{restarted}");
    }

    #[test]
    fn any_path_is_one_word() {
        let path = b"/a b'c;$(rm)\\\n\xff";
        assert_eq!(run(&[b"printf %s ", &quoted(path)[..]].concat()), path);
    }

    #[test]
    fn this_machine_understands_both_scripts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().as_os_str().as_encoded_bytes();
        let printed = run(&asking(b"/proc", path));
        let words = std::str::from_utf8(&printed).unwrap().split_whitespace();
        assert_eq!(words.clone().nth(3), Some("9fa0"), "{words:?}");
        assert!(run(&asking(path, b"/nowhere at all")).is_empty());
        assert!(run(&asking(b"/nowhere at all", path)).is_empty());

        let mut words = words;
        let boot = words.nth(2).unwrap().to_owned();
        let device = std::os::unix::fs::MetadataExt::dev(&folder.path().metadata().unwrap());
        let whole = |boot: &str, device| Whole {
            boot: boot.to_owned(),
            device,
        };
        assert!(done(&run(&whole(&boot, device).syncing(path))).is_ok());
        for renewed in [whole(NUMBER, device), whole(&boot, device + 1)] {
            let error = done(&run(&renewed.syncing(path))).unwrap_err();
            assert!(error.to_string().contains("anew"), "{error}");
        }
    }
}

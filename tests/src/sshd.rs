//! OpenSSH's server, as a process of the test's own on a port of its own.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use backends::sftp::Settings;
use rustix::process::Signal;
use tempfile::TempDir;

/// The program that serves SFTP when single requests are to be denied.
const SFTP_SERVER: &str = "/usr/lib/openssh/sftp-server";

/// An account that only the server knows, with this password; where this user may not make one there is none.
pub const ACCOUNT: &str = "holdfast-test";

/// Where a server with an account has its own folder `jail`: a root for accounts, with nothing but root's above it.
pub const JAIL: &str = "/mnt";

/// Its password.
pub const PASSWORD: &str = "only for this test";

/// How a server is to be.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Requests that the server does not know.
    pub denied: Vec<&'static str>,
    /// More lines of its configuration.
    pub lines: Vec<String>,
    /// More types of host keys than Ed25519.
    pub more_keys: Vec<&'static str>,
    /// Has the account [`ACCOUNT`].
    pub account: bool,
}

/// A running server.
pub struct Sshd {
    folder: TempDir,
    port: u16,
    process: Child,
}

impl Sshd {
    /// A server with everything that OpenSSH can do. `None` where there is none, or this user may not run it.
    #[must_use]
    pub fn start() -> Option<Self> {
        Self::with(&Options::default())
    }

    /// A server of which SFTP clients may not use the requests `denied`.
    #[must_use]
    pub fn without(denied: &[&'static str]) -> Option<Self> {
        Self::with(&Options {
            denied: denied.to_vec(),
            ..Options::default()
        })
    }

    /// A server with `options`.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn with(options: &Options) -> Option<Self> {
        let program = Path::new("/usr/sbin/sshd");
        if !program.exists() || !rustix::process::geteuid().is_root() {
            return None;
        }
        std::fs::create_dir_all("/run/sshd").ok()?;
        let folder = tempfile::Builder::new()
            .prefix("holdfast-sshd")
            .tempdir_in(quick_place())
            .unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let port = free_port();
        make_key(&folder.path().join("host_key"), "ed25519");
        make_key(&folder.path().join("client_key"), "ed25519");
        for kind in &options.more_keys {
            make_key(&folder.path().join(format!("host_key_{kind}")), kind);
        }
        std::fs::copy(
            folder.path().join("client_key.pub"),
            folder.path().join("authorized_keys"),
        )
        .unwrap();
        let config = folder.path().join("sshd_config");
        std::fs::write(&config, configuration(folder.path(), port, options)).unwrap();
        let process = run(folder.path(), &config, options);
        let mut server = Self { folder, port, process };
        server.wait();
        Some(server)
    }

    /// Ends all its processes at once, those of the sessions too, in the middle of whatever they do.
    pub fn crash(&mut self) {
        for process in self.processes() {
            // One that has ended by itself meanwhile is as good.
            let _ = send(process, Signal::KILL);
        }
        let _ = self.process.wait();
    }

    /// Starts again after a crash, with the same keys and files, at another port.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn again(&mut self) {
        self.port = free_port();
        let folder = self.folder.path().to_owned();
        let config = folder.join("sshd_config");
        let options = Options::default();
        std::fs::write(&config, configuration(&folder, self.port, &options)).unwrap();
        self.process = run(&folder, &config, &options);
        self.wait();
    }

    fn wait(&mut self) {
        let end = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(self.address()).is_err() {
            assert!(
                Instant::now() < end && self.process.try_wait().unwrap().is_none(),
                "sshd: {}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// A folder of the server's own, for what the test needs.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What the server wrote.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The way in for this user, to the folder `directory`.
    #[must_use]
    pub fn settings(&self, directory: &Path) -> Settings {
        let directory = directory.to_str().unwrap();
        let mut settings = Settings::new("127.0.0.1", "root", directory, self.folder.path().join("known_hosts"));
        settings.port = self.port;
        settings.keys = vec![self.client_key()];
        settings.connect_timeout = Duration::from_secs(20);
        settings.stall_timeout = Duration::from_secs(60);
        settings
    }

    /// The private key that the server takes.
    #[must_use]
    pub fn client_key(&self) -> PathBuf {
        self.folder.path().join("client_key")
    }

    /// Stops all its processes where they are.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// Lets them go on.
    pub fn go_on(&self) {
        self.signal("-CONT");
    }

    /// Stops those that serve SFTP for a while, as a slow disk does.
    pub fn stall(&self, pause: Duration) {
        let sessions = self.sessions();
        // One that has ended by itself meanwhile is as good.
        let signal = |signal| {
            for &process in &sessions {
                let _ = send(process, signal);
            }
        };
        signal(Signal::STOP);
        std::thread::sleep(pause);
        signal(Signal::CONT);
    }

    fn signal(&self, signal: &str) {
        let processes = self.processes();
        let processes = processes.iter().map(u32::to_string);
        assert!(
            Command::new("kill")
                .arg(signal)
                .args(processes)
                .status()
                .unwrap()
                .success()
        );
    }

    /// The processes that serve SFTP, one for each channel.
    #[must_use]
    pub fn sessions(&self) -> Vec<u32> {
        let mut processes = self.processes();
        let serves =
            |&process: &u32| process != self.process.id() && children(process).is_empty() && !is_shell(process);
        processes.retain(serves);
        processes
    }

    /// The shells that wait for scripts.
    #[must_use]
    pub fn shells(&self) -> Vec<u32> {
        let mut processes = self.processes();
        processes.retain(|&process| is_shell(process));
        processes
    }

    /// Ends one of its processes at once.
    ///
    /// # Panics
    /// When there is no such process.
    pub fn kill(&self, process: u32) {
        assert!(self.processes().contains(&process));
        send(process, Signal::KILL).unwrap();
    }

    /// The listening one, and those of the sessions.
    fn processes(&self) -> Vec<u32> {
        let mut processes = vec![self.process.id()];
        let mut at = 0;
        while let Some(process) = processes.get(at) {
            let below = children(*process);
            processes.extend(below);
            at += 1;
        }
        processes
    }

    /// The home of [`ACCOUNT`].
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn is_shell(process: u32) -> bool {
    let name = std::fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    matches!(name.trim(), "sh" | "dash")
}

fn send(process: u32, signal: Signal) -> rustix::io::Result<()> {
    let pid = i32::try_from(process).ok().and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process(pid.ok_or(rustix::io::Errno::SRCH)?, signal)
}

fn children(process: u32) -> Vec<u32> {
    let path = format!("/proc/{process}/task/{process}/children");
    let children = std::fs::read_to_string(path).unwrap_or_default();
    let children = children.split_whitespace();
    children.filter_map(|child| child.parse().ok()).collect()
}

fn configuration(folder: &Path, port: u16, options: &Options) -> String {
    let mut subsystem = "internal-sftp".to_owned();
    if !options.denied.is_empty() {
        subsystem = format!("{SFTP_SERVER} -P {}", options.denied.join(","));
    }
    let keys = if options.account {
        "%h/.ssh/authorized_keys".to_owned()
    } else {
        place(folder, "authorized_keys")
    };
    let mut lines = vec![
        format!("Port {port}"),
        "ListenAddress 127.0.0.1".to_owned(),
        format!("HostKey {}", place(folder, "host_key")),
        format!("AuthorizedKeysFile {keys}"),
        format!("Subsystem sftp {subsystem}"),
    ];
    let more = options.more_keys.iter();
    lines.extend(more.map(|kind| format!("HostKey {}", place(folder, &format!("host_key_{kind}")))));
    // A folder for temporary files is writable by everybody, which the strict modes do not accept.
    lines.extend(
        [
            "UsePAM no",
            "StrictModes no",
            "PidFile none",
            "PermitRootLogin yes",
            "MaxStartups 100",
        ]
        .map(str::to_owned),
    );
    lines.extend(["PasswordAuthentication yes", "KbdInteractiveAuthentication no"].map(str::to_owned));
    lines.extend(options.lines.iter().cloned());
    lines.join("\n") + "\n"
}

fn place(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().unwrap().to_owned()
}

/// Starts the server; with an account in a view of the files of its own, so that the machine's stay as they are.
fn run(folder: &Path, config: &Path, options: &Options) -> Child {
    let log = std::fs::File::create(folder.join("log")).unwrap();
    let mut command = Command::new("/usr/sbin/sshd");
    if options.account {
        add_account(folder);
        let files = [("passwd", "/etc/passwd"), ("shadow", "/etc/shadow"), ("jail", JAIL)];
        let mounts = files.map(|(name, at)| format!("mount --bind {} {at}", place(folder, name)));
        let script = format!("{} && exec /usr/sbin/sshd \"$@\"", mounts.join(" && "));
        command = Command::new("unshare");
        command.args(["-m", "--", "sh", "-ec", &script, "sh"]);
    }
    command.args(["-D", "-e", "-f"]).arg(config);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    command.spawn().unwrap()
}

fn add_account(folder: &Path) {
    let home = folder.join("home");
    std::fs::create_dir(&home).unwrap();
    std::fs::create_dir(folder.join("jail")).unwrap();
    std::os::unix::fs::chown(&home, Some(12_321), Some(12_321)).unwrap();
    let hash = Command::new("openssl")
        .args(["passwd", "-6", PASSWORD])
        .output()
        .unwrap();
    let hash = String::from_utf8(hash.stdout).unwrap();
    let add = |name: &str, line: String| {
        std::fs::copy(Path::new("/etc").join(name), folder.join(name)).unwrap();
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .open(folder.join(name))
            .unwrap();
        writeln!(file, "{line}").unwrap();
    };
    add("passwd", format!("{ACCOUNT}:x:12321:12321::{}:/bin/sh", home.display()));
    add("shadow", format!("{ACCOUNT}:{}:19000:0:99999:7:::", hash.trim()));
}

fn make_key(path: &Path, kind: &str) {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-N", "", "-t", kind, "-f"]).arg(path);
    assert!(command.status().unwrap().success(), "ssh-keygen");
}

/// Where syncing costs nothing, if there is such a place with enough room: tens of thousands of files are synced.
fn quick_place() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let room = rustix::fs::statvfs(memory).map_or(0, |found| found.f_bavail.saturating_mul(found.f_frsize));
    if room > 4 << 30 {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    }
}

/// A port that nobody listened on just now.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

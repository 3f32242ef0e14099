//! A machine of its own for a test: this one's whole filesystem below a layer that takes all changes, so that commands run
//! with the paths that an administrator types, as root, and nothing of them stays.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

/// Names the program under test, where it is built already.
pub const PROGRAM: &str = "HOLDFAST_TEST_PROGRAM";

/// Why a test that needs a world is skipped.
pub const NO_WORLD: &str = "only root may mount a layer over this machine's files, and the kernel must know overlay";

/// The program `holdfast`: the one that [`PROGRAM`] names, or else built now.
///
/// # Panics
/// When it cannot be built.
#[must_use]
pub fn program() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        if let Some(program) = std::env::var_os(PROGRAM) {
            return std::path::absolute(program).unwrap();
        }
        let tests = std::env::current_exe().unwrap();
        // `target/debug/deps/suite-0123`: the programs lie one folder higher.
        let folder = tests.parent().and_then(Path::parent).unwrap().to_owned();
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args([
            "build",
            "--quiet",
            "-p",
            "holdfast",
            "--bin",
            "holdfast",
            "--example",
            "pages",
        ]);
        build.current_dir(env!("CARGO_MANIFEST_DIR"));
        if folder.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().unwrap().success(), "holdfast does not build");
        folder.join("holdfast")
    })
}

/// The names of NethServer that the program answers to.
pub const NAMES: [&str; 8] = [
    "backup-data",
    "backup-data-wrapper",
    "backup-data-list",
    "restore-data",
    "restore-file",
    "db",
    "config",
    "signal-event",
];

/// Folders that are empty at the beginning, whatever this machine has there.
const OWN: [&str; 9] = [
    "home",
    "srv",
    "opt",
    "mnt",
    "media",
    "etc/holdfast",
    "var/lib/holdfast",
    "var/cache/holdfast",
    "var/lib/nethserver",
];

/// What a script answered.
#[derive(Debug)]
pub struct Answer {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

impl Answer {
    /// What was printed, both ways.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}{}", self.out, self.err)
    }
}

/// The machine. Scripts in it run one after the other and see what those before them left on disk.
pub struct World {
    folder: TempDir,
    variables: Vec<(String, String)>,
    alone: bool,
}

impl World {
    /// A machine with the program installed under all its names, as the package does it. `None` where this user or kernel
    /// cannot make one.
    ///
    /// # Panics
    /// When the program cannot be built.
    #[must_use]
    pub fn new() -> Option<Self> {
        let world = Self::bare()?;
        let mut lines = format!(
            "ln -s {} /usr/bin/holdfast\nmkdir -p /usr/sbin/e-smith\n",
            program().display()
        );
        for name in NAMES {
            lines += &format!("ln -s /usr/bin/holdfast /usr/sbin/e-smith/{name}\n");
        }
        world.good(&lines);
        Some(world)
    }

    /// The same without the program.
    ///
    /// # Panics
    /// When no temporary folder can be made.
    #[must_use]
    pub fn bare() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let folder = tempfile::Builder::new().prefix("holdfast-world-").tempdir().unwrap();
        for name in ["upper", "work", "merged"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        for name in OWN.iter().filter(|name| Path::new("/").join(name).exists()) {
            let own = folder.path().join("upper").join(name);
            std::fs::create_dir_all(&own).unwrap();
            // Nothing of this machine's shines through.
            let hide = rustix::fs::setxattr(&own, "trusted.overlay.opaque", b"y", rustix::fs::XattrFlags::empty());
            hide.ok()?;
        }
        let world = Self {
            folder,
            variables: Vec::new(),
            alone: false,
        };
        (world.run("true").code == Some(0)).then_some(world)
    }

    /// A NethServer.
    ///
    /// # Panics
    /// When the program cannot be built.
    #[must_use]
    pub fn nethserver() -> Option<Self> {
        let world = Self::new()?;
        world.good("mkdir -p /var/lib/nethserver/db /var/lib/nethserver/secrets /etc/backup-data.d /etc/backup-data");
        Some(world)
    }

    /// With a network and processes of its own: any address and port is free, and what a script starts ends with it.
    #[must_use]
    pub fn alone(mut self) -> Self {
        self.alone = true;
        self
    }

    /// The same, with an environment variable for all scripts to come.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs a script of bash, which ends at the first command that fails.
    ///
    /// # Panics
    /// When bash cannot be run.
    #[must_use]
    pub fn run(&self, script: &str) -> Answer {
        let output = self.command(script).output().unwrap();
        Answer::of(&output)
    }

    /// A script to run.
    #[must_use]
    pub fn command(&self, script: &str) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private"]);
        if self.alone {
            command.args(["--net", "--pid", "--fork", "--kill-child"]);
        }
        surround(&mut command)
            .args(["bash", "-c", ENTER, "enter", script])
            .current_dir(self.folder.path())
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// What a script prints, which must succeed.
    ///
    /// # Panics
    /// When it fails.
    pub fn good(&self, script: &str) -> String {
        let answer = self.run(script);
        assert_eq!(answer.code, Some(0), "{script}\n{}", answer.text());
        answer.out
    }

    /// The lines of JSON that a script prints, which must succeed.
    ///
    /// # Panics
    /// When it fails, or prints something else.
    #[must_use]
    pub fn json(&self, script: &str) -> Vec<serde_json::Value> {
        let text = self.good(script);
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        text.lines().map(parse).collect()
    }

    /// Where a file that the world has made or changed lies outside of it.
    #[must_use]
    pub fn outside(&self, path: &str) -> PathBuf {
        self.folder.path().join("upper").join(path.trim_start_matches('/'))
    }

    /// The content of such a file.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn read(&self, path: &str) -> String {
        let outside = self.outside(path);
        std::fs::read_to_string(&outside).unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}

/// Gives a command the environment of NethServer's root, and nothing of this one's.
pub fn surround(command: &mut Command) -> &mut Command {
    command
        .env_clear()
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/sbin/e-smith",
        )
        .env("HOME", "/root")
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
}

impl Answer {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code(),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }
}

/// Puts the layer on top, in a mount namespace that ends with the script.
const ENTER: &str = r#"
set -e
mount -t overlay overlay -o "lowerdir=/,upperdir=$PWD/upper,workdir=$PWD/work" merged
for folder in proc sys dev; do mount --rbind "/$folder" "merged/$folder"; done
mount -t tmpfs tmpfs merged/run
# A namespace of processes has numbers of its own, and so has its network no device that is up.
if [ $$ = 1 ]; then
    mount -t proc proc merged/proc
    if command -v ip >/dev/null; then ip link set lo up; else busybox ip link set lo up; fi
fi
here=$PWD/merged
cd /
exec chroot "$here" /bin/bash -euo pipefail -c "$1" script
"#;

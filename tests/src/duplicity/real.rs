//! A real duplicity on one repository, run with nothing of the machine's own settings.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use super::history::{Side, Step};
use super::keys::Keyring;
use super::programs::Program;

/// The name under which the archive folder keeps a repository's signatures.
pub const NAME: &str = "suite";

/// What its files on the target are wrapped in.
#[derive(Debug, Clone, Default)]
pub enum Wrap {
    /// gzip.
    #[default]
    Gzip,
    /// Nothing.
    Plain,
    /// OpenPGP, by this passphrase.
    Passphrase(String),
    /// OpenPGP, by these options and what is in the keyring there.
    Keys(Vec<String>, PathBuf),
}

impl Wrap {
    /// OpenPGP by `options`, each of which names a key of the ring.
    #[must_use]
    pub fn keys(options: &[(&str, &str)], ring: &Keyring) -> Self {
        let options = options
            .iter()
            .flat_map(|(option, key)| [(*option).to_owned(), (*key).to_owned()]);
        Self::Keys(options.collect(), ring.home().to_owned())
    }
}

/// A duplicity program with a target, and a home and an archive folder of its own.
pub struct Duplicity {
    program: Program,
    target: PathBuf,
    archive: PathBuf,
    wrap: Wrap,
    options: Vec<OsString>,
    zone: String,
    home: TempDir,
}

impl Duplicity {
    /// `program` on the repository in `target`, which is gzipped and not encrypted.
    #[must_use]
    pub fn new(program: &Program, target: &Path) -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("tmp")).unwrap();
        Self {
            program: program.clone(),
            target: target.to_owned(),
            archive: home.path().join("archive"),
            wrap: Wrap::default(),
            options: Vec::new(),
            zone: "UTC".to_owned(),
            home,
        }
    }

    /// The same, wrapping as given.
    #[must_use]
    pub fn wrapping(mut self, wrap: Wrap) -> Self {
        self.wrap = wrap;
        self
    }

    /// The same with options for every command.
    #[must_use]
    pub fn with<S: AsRef<OsStr>>(mut self, options: &[S]) -> Self {
        self.options
            .extend(options.iter().map(|option| option.as_ref().to_owned()));
        self
    }

    /// The same in another time zone.
    #[must_use]
    pub fn in_zone(mut self, zone: &str) -> Self {
        zone.clone_into(&mut self.zone);
        self
    }

    /// The same with its archive folder shared: `folder` is the one that holds this repository's files.
    ///
    /// # Panics
    /// When it is not called [`NAME`].
    #[must_use]
    pub fn sharing(mut self, folder: &Path) -> Self {
        assert_eq!(folder.file_name(), Some(OsStr::new(NAME)));
        folder.parent().unwrap().clone_into(&mut self.archive);
        self
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The folder with this repository's signatures and manifests.
    #[must_use]
    pub fn cache(&self) -> PathBuf {
        self.archive.join(NAME)
    }

    /// Forgets the signatures and manifests that it keeps.
    pub fn forget_cache(&self) {
        std::fs::remove_dir_all(self.cache()).unwrap();
    }

    /// The target as it is named on the command line.
    #[must_use]
    pub fn url(&self) -> OsString {
        let mut url = OsString::from("file://");
        url.push(&self.target);
        url
    }

    /// The command up to its action, for tests that watch or kill it.
    #[must_use]
    pub fn command(&self, action: &str) -> Command {
        let mut command = Command::new(&self.program.path);
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", self.home.path())
            .env("TMPDIR", self.home.path().join("tmp"))
            .env("TZ", &self.zone)
            .env("LC_ALL", "C.UTF-8")
            .env("PYTHONUNBUFFERED", "1")
            .arg(action);
        match &self.wrap {
            Wrap::Gzip => command.arg("--no-encryption"),
            Wrap::Plain => command.args(["--no-encryption", "--no-compression"]),
            Wrap::Passphrase(passphrase) => command.env("PASSPHRASE", passphrase),
            Wrap::Keys(options, home) => {
                command.env("PASSPHRASE", "").env("SIGN_PASSPHRASE", "");
                command.env("GNUPGHOME", home).args(options)
            }
        };
        command.arg("--archive-dir").arg(&self.archive).args(["--name", NAME]);
        command.args(&self.options);
        command
    }

    /// Runs an action, whatever comes of it.
    pub fn output<S: AsRef<OsStr>>(&self, action: &str, arguments: &[S]) -> Output {
        self.command(action).args(arguments).output().unwrap()
    }

    /// Runs an action and returns what it printed, errors included.
    ///
    /// # Panics
    /// When it fails.
    pub fn run<S: AsRef<OsStr>>(&self, action: &str, arguments: &[S]) -> String {
        let output = self.output(action, arguments);
        assert!(
            output.status.success(),
            "duplicity {:?} {action} {} failed ({})\n{}",
            self.program.version,
            words(arguments),
            output.status,
            text(&output)
        );
        text(&output)
    }

    /// Runs an action and returns what it printed, errors included.
    ///
    /// # Panics
    /// When it does not fail.
    pub fn fail<S: AsRef<OsStr>>(&self, action: &str, arguments: &[S]) -> String {
        let output = self.output(action, arguments);
        assert!(
            !output.status.success(),
            "duplicity {:?} {action} {} went well and should not\n{}",
            self.program.version,
            words(arguments),
            text(&output)
        );
        text(&output)
    }

    /// The arguments of a backup of `source` at `time`.
    #[must_use]
    pub fn backup_arguments(&self, source: &Path, time: i64) -> Vec<OsString> {
        let time = time.to_string();
        let mut arguments: Vec<OsString> = ["--volsize", "1", "--current-time", &time].map(OsString::from).to_vec();
        arguments.extend([source.as_os_str().to_owned(), self.url()]);
        arguments
    }

    /// Makes a set and returns what was printed, statistics included.
    pub fn save(&self, step: Step, source: &Path, time: i64) -> String {
        self.run(action(step), &self.backup_arguments(source, time))
    }

    /// Restores with `options` to `target`, and returns what was printed.
    pub fn restore_with<S: AsRef<OsStr>>(&self, options: &[S], target: &Path) -> String {
        let mut arguments: Vec<OsString> = options.iter().map(|option| option.as_ref().to_owned()).collect();
        arguments.extend([self.url(), target.as_os_str().to_owned()]);
        self.run("restore", &arguments)
    }

    /// Restores the one path `path`, relative to the source, to `target`.
    pub fn restore_path(&self, path: &Path, target: &Path) -> String {
        let option = if self.program.is_old() {
            "--file-to-restore"
        } else {
            "--path-to-restore"
        };
        self.restore_with(&[OsStr::new(option), path.as_os_str()], target)
    }

    /// Runs an action that takes the target alone.
    pub fn on_target<S: AsRef<OsStr>>(&self, action: &str, options: &[S]) -> String {
        let mut arguments: Vec<OsString> = options.iter().map(|option| option.as_ref().to_owned()).collect();
        arguments.push(self.url());
        self.run(action, &arguments)
    }

    /// Compares the newest state with the tree in `source`, contents included.
    ///
    /// # Panics
    /// When it finds a difference.
    pub fn verify(&self, source: &Path) {
        let arguments = [OsStr::new("--compare-data"), &self.url(), source.as_os_str()];
        let printed = self.run("verify", &arguments);
        assert!(printed.contains(" 0 difference"), "{printed}");
    }

    /// What it says about the chains.
    #[must_use]
    pub fn status(&self) -> String {
        self.on_target("collection-status", &[] as &[&str])
    }
}

impl Side for Duplicity {
    fn backup(&self, step: Step, source: &Path, time: i64) {
        self.save(step, source, time);
    }

    fn restore(&self, time: Option<i64>, _source: &Path, target: &Path) -> PathBuf {
        let time = time.map(|time| time.to_string());
        let options: Vec<&str> = time.iter().flat_map(|time| ["--time", time.as_str()]).collect();
        let printed = self.restore_with(&options, target);
        // It ends well after errors, and says so only in words.
        assert!(!printed.contains("Error '"), "{printed}");
        target.to_owned()
    }
}

/// The word for a step on the command line.
#[must_use]
pub fn action(step: Step) -> &'static str {
    match step {
        Step::Full => "full",
        Step::Incremental => "incremental",
    }
}

fn words<S: AsRef<OsStr>>(arguments: &[S]) -> String {
    let words: Vec<_> = arguments.iter().map(|word| word.as_ref().to_string_lossy()).collect();
    words.join(" ")
}

/// Both streams of a program's output.
#[must_use]
pub fn text(output: &Output) -> String {
    let parts = [&output.stdout, &output.stderr];
    parts.map(|part| String::from_utf8_lossy(part).into_owned()).join("\n")
}

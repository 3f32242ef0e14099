//! The real restic programs of this machine, run with nothing of the machine's own settings.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// More restic programs than the one on the path, separated by colons; the newest counts.
pub const PROGRAMS: &str = "HOLDFAST_TEST_RESTIC";

/// The password of every repository in the suites.
pub const PASSWORD: &str = "correct horse battery staple";

/// One restic program.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Program {
    /// Its version, such as `[0, 14, 0]`.
    pub version: Vec<u32>,
    /// Where it is.
    pub path: PathBuf,
}

/// Every restic on this machine, oldest first.
#[must_use]
pub fn programs() -> Vec<Program> {
    let more = std::env::var_os(PROGRAMS).unwrap_or_default();
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&on_path)
        .map(|folder| folder.join("restic"))
        .find(|path| path.is_file());
    let mut programs: Vec<Program> = std::env::split_paths(&more)
        .filter(|path| !path.as_os_str().is_empty())
        .chain(on_path)
        .map(identify)
        .collect();
    programs.sort();
    programs.dedup_by(|a, b| a.version == b.version);
    programs
}

/// The newest restic.
#[must_use]
pub fn newest() -> Option<Program> {
    programs().pop()
}

/// The newest restic, when it is at least of `version`.
#[must_use]
pub fn at_least(version: &[u32]) -> Option<Program> {
    newest().filter(|program| program.version.as_slice() >= version)
}

fn identify(path: PathBuf) -> Program {
    let output = Command::new(&path).arg("version").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    // `restic 0.14.0 compiled with …`
    let version = text.split(' ').nth(1).unwrap_or_default();
    let version: Vec<u32> = version.split(['.', '-']).map_while(|part| part.parse().ok()).collect();
    assert!(version.len() >= 2, "{} says {text:?} for its version", path.display());
    Program { version, path }
}

/// A restic program with a repository, a password and a home of its own.
pub struct Restic {
    program: Program,
    repository: PathBuf,
    password: String,
    home: TempDir,
    environment: Vec<(&'static str, String)>,
    options: Vec<String>,
}

impl Restic {
    /// `program` on `repository`, with [`PASSWORD`].
    #[must_use]
    pub fn new(program: &Program, repository: &Path) -> Self {
        Self {
            program: program.clone(),
            repository: repository.to_owned(),
            password: PASSWORD.to_owned(),
            home: tempfile::tempdir().unwrap(),
            environment: Vec::new(),
            options: Vec::new(),
        }
    }

    /// The same with one more variable in its environment.
    #[must_use]
    pub fn with_env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// The same with one more option of its storage.
    #[must_use]
    pub fn with_option(mut self, option: &str) -> Self {
        self.options.push(option.to_owned());
        self
    }

    /// The same with another password.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        self.password = password.to_owned();
        self
    }

    /// The program's version.
    #[must_use]
    pub fn version(&self) -> &[u32] {
        &self.program.version
    }

    /// The command before its arguments, for tests that watch or kill it.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program.path);
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", self.home.path())
            .env("TMPDIR", self.home.path())
            .env("RESTIC_CACHE_DIR", self.home.path().join("cache"))
            .env("RESTIC_REPOSITORY", &self.repository)
            .env("RESTIC_PASSWORD", &self.password)
            .env("TZ", "UTC")
            .env("LC_ALL", "C.UTF-8")
            .envs(self.environment.iter().map(|(name, value)| (*name, value)));
        for option in &self.options {
            command.arg("-o").arg(option);
        }
        command
    }

    /// Runs it, whatever comes of it.
    pub fn output<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S]) -> Output {
        self.command().args(arguments).output().unwrap()
    }

    /// Runs it and returns what it printed.
    ///
    /// # Panics
    /// When it fails.
    pub fn run<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S]) -> String {
        let output = self.output(arguments);
        assert!(
            output.status.success(),
            "{} {} failed ({})\n{}",
            self.program.path.display(),
            words(arguments),
            output.status,
            text(&output)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs it and returns what it printed, errors included.
    ///
    /// # Panics
    /// When it does not fail.
    pub fn fail<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S]) -> String {
        let output = self.output(arguments);
        assert!(
            !output.status.success(),
            "{} {} went well and should not\n{}",
            self.program.path.display(),
            words(arguments),
            text(&output)
        );
        text(&output)
    }

    /// Runs it with `--json` and reads the one value that it prints.
    pub fn json<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S]) -> serde_json::Value {
        let mut all: Vec<&std::ffi::OsStr> = vec!["--json".as_ref()];
        all.extend(arguments.iter().map(AsRef::as_ref));
        let printed = self.run(&all);
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error} in {printed}"))
    }

    /// Checks everything and reads all data.
    ///
    /// # Panics
    /// When restic finds anything wrong.
    pub fn check(&self) {
        self.run(&["check", "--read-data"]);
    }

    /// The ids of all snapshots, oldest first.
    #[must_use]
    pub fn snapshots(&self) -> Vec<String> {
        let value = self.json(&["snapshots"]);
        let list = value.as_array().cloned().unwrap_or_default();
        list.iter()
            .map(|snapshot| snapshot["id"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Restores `snapshot` to `target`.
    pub fn restore(&self, snapshot: &str, target: &Path) {
        self.run(&[
            "restore".as_ref(),
            snapshot.as_ref(),
            "--target".as_ref(),
            target.as_os_str(),
        ]);
    }

    /// Saves `paths`.
    pub fn backup(&self, paths: &[&Path]) {
        let mut arguments: Vec<&std::ffi::OsStr> = vec!["backup".as_ref(), "--host".as_ref(), "suite".as_ref()];
        arguments.extend(paths.iter().map(|path| path.as_os_str()));
        self.run(&arguments);
    }
}

fn words<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> String {
    let words: Vec<_> = arguments.iter().map(|word| word.as_ref().to_string_lossy()).collect();
    words.join(" ")
}

fn text(output: &Output) -> String {
    let parts = [&output.stdout, &output.stderr];
    parts.map(|part| String::from_utf8_lossy(part).into_owned()).join("\n")
}

//! A machine of its own for each test: a folder that holds everything.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

pub struct Machine {
    folder: tempfile::TempDir,
}

/// What a command answered.
pub struct Answer {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Machine {
    /// With the FHS paths.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("holdfast-cli-").tempdir().unwrap();
        let machine = Self { folder };
        machine.write("data/letter.txt", "Dear Ann,\n");
        machine.write("data/deep/er/numbers", &"0123456789".repeat(20_000));
        machine.write("data/empty", "");
        machine
    }

    /// With NethServer's paths.
    pub fn nethserver() -> Self {
        let machine = Self::new();
        fs::create_dir_all(machine.path("root/var/lib/nethserver/db")).unwrap();
        machine
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// The path as text.
    pub fn text(&self, below: &str) -> String {
        self.path(below).to_str().unwrap().to_owned()
    }

    pub fn write(&self, below: &str, content: &str) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub fn read(&self, below: &str) -> String {
        fs::read_to_string(self.path(below)).unwrap()
    }

    /// A call of the program, in the machine's folder.
    pub fn command(&self, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        self.command_by(&["env"], words)
    }

    /// The same, by way of another program.
    pub fn command_by(&self, by: &[&str], words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(by[0]);
        command
            .args(&by[1..])
            .arg(env!("CARGO_BIN_EXE_holdfast"))
            .args(words)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOLDFAST_ROOT", self.path("root"))
            .env("TZ", "UTC")
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, words: &[&str]) -> Answer {
        Answer::of(self.command(words).output().unwrap())
    }

    /// What it prints, when it succeeds.
    pub fn good(&self, words: &[&str]) -> String {
        let answer = self.run(words);
        assert_eq!(answer.code, Some(0), "{words:?}: {}{}", answer.out, answer.err);
        answer.out
    }

    /// The JSON lines it prints, when it ends with `code`.
    pub fn json(&self, words: &[&str], code: i32) -> Vec<Value> {
        let answer = self.run(&[words, &["--json"]].concat());
        assert_eq!(answer.code, Some(code), "{words:?}: {}{}", answer.out, answer.err);
        assert_eq!(answer.err, "", "{words:?}: JSON has everything on standard output");
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let lines: Vec<Value> = answer.out.lines().map(parse).collect();
        assert!(
            lines.iter().all(|line| line["type"].is_string()),
            "every line has a type: {}",
            answer.out
        );
        let last = lines.last().unwrap();
        assert_eq!(last["code"], code, "the last line has the exit code");
        lines
    }

    /// Backs the data up to `repo`.
    pub fn backup(&self) -> String {
        self.good(&["backup", "data", "--to", "repo"])
    }

    /// The only file whose name begins so.
    pub fn only(&self, folder: &str, prefix: &str) -> PathBuf {
        let names = fs::read_dir(self.path(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let fits = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(prefix);
        let found: Vec<_> = names.filter(fits).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        found.into_iter().next().unwrap()
    }
}

impl Answer {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The content of every file below, by relative path.
pub fn tree(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let below = path.strip_prefix(folder).unwrap().to_owned();
                files.push((below, fs::read(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

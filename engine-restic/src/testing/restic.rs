use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The password of every repository in the tests.
pub const PASSWORD: &str = "in a test";

/// A real restic program on one repository.
pub struct Restic {
    program: PathBuf,
    repository: PathBuf,
}

impl Restic {
    /// Every restic that this machine has, on `repository`; none, with a printed reason, where there is none.
    pub fn all(repository: &Path) -> Vec<Self> {
        let more = std::env::var_os("HOLDFAST_TEST_RESTIC").unwrap_or_default();
        let on_path = std::env::var_os("PATH").unwrap_or_default();
        let found: Vec<Self> = std::env::split_paths(&on_path)
            .map(|folder| folder.join("restic"))
            .find(|path| path.is_file())
            .into_iter()
            .chain(std::env::split_paths(&more).filter(|path| path.is_file()))
            .map(|program| Self {
                program,
                repository: repository.to_owned(),
            })
            .collect();
        if found.is_empty() {
            println!("skipped: restic is not installed");
        }
        found
    }

    /// Runs it.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let command = Command::new(&self.program)
            .env("RESTIC_PASSWORD", PASSWORD)
            .env("RESTIC_REPOSITORY", &self.repository)
            .arg("--no-cache")
            .args(arguments)
            .output();
        command.unwrap()
    }

    /// Whether its check with all data finds nothing; what it says when it does.
    pub fn check(&self) -> Result<(), String> {
        let output = self.run(&["check", "--read-data"]);
        if output.status.success() {
            return Ok(());
        }
        let text = [output.stdout, output.stderr].concat();
        Err(String::from_utf8_lossy(&text).into_owned())
    }
}

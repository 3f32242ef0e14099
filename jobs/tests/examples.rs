//! The examples, run as somebody who reads them would. Cargo builds them with the tests of their package.

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    fn run(name: &str, words: &[&Path]) -> String {
        let tests = std::env::current_exe().unwrap();
        let built = tests.parent().and_then(Path::parent).unwrap();
        let program = built.join("examples").join(name);
        let output = Command::new(program).args(words).output().unwrap();
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(output.status.success(), "{out}{err}");
        out.into_owned()
    }

    #[test]
    fn a_job_is_run_and_every_step_heard() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("data")).unwrap();
        std::fs::write(path("data/letter"), "Dear Ann,\n").unwrap();
        for _ in 0..2 {
            let out = run("run_job", &[&path("state"), &path("destination"), &path("data")]);
            assert!(out.contains("Backup status: SUCCESS"), "{out}");
        }
        let latest = path("destination/latest").join(path("data/letter").strip_prefix("/").unwrap());
        assert_eq!(std::fs::read(latest).unwrap(), b"Dear Ann,\n");
    }

    #[test]
    fn a_storage_of_ones_own_keeps_the_contract_and_carries_a_repository() {
        let out = run("own_storage", &[Path::new(env!("CARGO_MANIFEST_DIR"))]);
        assert!(out.contains("16 checks passed, 0 do not apply"), "{out}");
        assert!(out.ends_with(" 0 errors\n"), "{out}");
    }
}

//! Taking turns with rsync_tmbackup: what it leaves is taken for what it is.

use std::os::unix::fs::symlink;

use super::*;

impl Bench {
    /// A snapshot as the script makes it, of the name.
    fn script(&self, name: &str, link_to: Option<&str>) -> PathBuf {
        let folder = self.place.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let mut command = Command::new("rsync");
        command.args([
            "-D",
            "--numeric-ids",
            "--links",
            "--hard-links",
            "--times",
            "--recursive",
        ]);
        command.args(["--perms", "--owner", "--group", "--relative"]);
        if let Some(before) = link_to {
            command.arg(format!("--link-dest={}", self.place.path().join(before).display()));
        }
        let run = command.arg(self.source.path()).arg(&folder).status().unwrap();
        assert!(run.success());
        folder.join(self.source.path().strip_prefix("/").unwrap())
    }

    fn point_latest(&self, name: &str) {
        let _ = std::fs::remove_file(self.place.path().join("latest"));
        symlink(name, self.place.path().join("latest")).unwrap();
    }

    fn dated(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.place.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with("20"))
            .collect();
        names.sort();
        names
    }
}

#[test]
fn what_the_script_saved_is_linked() {
    let mut bench = Bench::zoo();
    let old = bench.script("2020-01-01-000000", None);
    bench.point_latest("2020-01-01-000000");
    let (new, report) = bench.backup();
    // The script fills holes, and what is the same is shared with it.
    bench.assert_same_but(&new, false);
    assert_eq!(report.parent.unwrap().0, "2020-01-01-000000");
    for name in ["files/random", "files/regular", "names/--", "many/000007"] {
        assert_eq!(inode(&old.join(name)), inode(&new.join(name)), "{name}");
    }
    // It keeps no attributes, so what has some is new.
    assert_ne!(inode(&old.join("attributes/file")), inode(&new.join("attributes/file")));
    let (_, report) = bench.backup();
    assert_eq!((report.files.new, report.files.changed), (0, 0));
}

#[test]
fn the_script_links_what_we_saved() {
    let mut bench = Bench::zoo();
    let (ours, report) = bench.backup();
    let name = report.snapshot.unwrap().0;
    let theirs = bench.script("2099-01-01-000000", Some(&name));
    for file in [
        "files/random",
        "files/regular",
        "many/000007",
        "modes/setuid",
        "times/nanoseconds",
    ] {
        assert_eq!(inode(&ours.join(file)), inode(&theirs.join(file)), "{file}");
    }
}

#[test]
fn its_interrupted_run_is_resumed() {
    let mut bench = Bench::zoo();
    let good = bench.script("2020-01-01-000000", None);
    bench.point_latest("2020-01-01-000000");
    let before = inode(&good.join("files/regular"));
    let half = bench.script("2020-01-02-000000", Some("2020-01-01-000000"));
    std::fs::remove_dir_all(half.join("names")).unwrap();
    std::fs::write(half.join("attributes/.file.AbCdEf"), "a temporary file of rsync's").unwrap();
    // No process has this number: it is above the kernel's limit.
    std::fs::write(bench.place.path().join("backup.inprogress"), "1073741824\n").unwrap();
    let (new, report) = bench.backup();
    bench.assert_same_but(&new, false);
    assert_eq!(report.parent.unwrap().0, "2020-01-01-000000");
    assert_eq!(
        bench.dated(),
        ["2020-01-01-000000".to_owned(), report.snapshot.unwrap().0]
    );
    assert_eq!(
        (inode(&good.join("files/regular")), inode(&new.join("files/regular"))),
        (before, before)
    );
    assert!(!bench.place.path().join("backup.inprogress").exists());
}

#[test]
fn a_good_snapshot_is_not_taken_for_an_interrupted_run() {
    let mut bench = Bench::zoo();
    bench.script("2020-01-01-000000", None);
    bench.point_latest("2020-01-01-000000");
    // The script died when only its mark was left to be removed.
    std::fs::write(bench.place.path().join("backup.inprogress"), "1073741824\n").unwrap();
    let (_, report) = bench.backup();
    assert_eq!(report.parent.unwrap().0, "2020-01-01-000000");
    assert_eq!(bench.dated().len(), 2);
    // The same with one of ours that `latest` does not lead to yet.
    bench.point_latest("2020-01-01-000000");
    std::fs::write(bench.place.path().join("backup.inprogress"), "1073741824\n").unwrap();
    bench.backup();
    assert_eq!(bench.dated().len(), 3);
}

#[test]
fn a_take_over_that_was_cut_short_is_finished() {
    let mut bench = Bench::zoo();
    bench.script("2020-01-01-000000", None);
    bench.script("2020-01-02-000000", Some("2020-01-01-000000"));
    bench.point_latest("2020-01-01-000000");
    // The mark is gone, the folder is not.
    let own = bench.place.path().join(".holdfast");
    std::fs::create_dir(&own).unwrap();
    std::fs::write(own.join("taking-over"), "2020-01-02-000000").unwrap();
    let (new, report) = bench.backup();
    bench.assert_same_but(&new, false);
    assert_eq!(
        bench.dated(),
        ["2020-01-01-000000".to_owned(), report.snapshot.unwrap().0]
    );
    assert!(!own.join("taking-over").exists());
}

use jiff::tz::TimeZone;

use super::*;
use crate::esmith::Record;
use crate::layout::{Layout, Surroundings};

struct Machine {
    folder: tempfile::TempDir,
    context: Context,
    data: PathBuf,
}

fn machine() -> Machine {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    let surroundings = Surroundings {
        root: Some(root),
        ..Surroundings::default()
    };
    let layout = Layout::find(&surroundings).unwrap();
    fs::create_dir_all(&layout.lists).unwrap();
    fs::create_dir_all(&layout.job_lists).unwrap();
    let data = folder.path().join("data");
    fs::create_dir_all(data.join("inner")).unwrap();
    let context = Context {
        layout,
        host: "h".into(),
        user: "u".into(),
        zone: TimeZone::UTC,
    };
    Machine { folder, context, data }
}

impl Machine {
    fn list(&self, file: &str, content: &str) {
        fs::write(self.context.layout.lists.join(file), content).unwrap();
    }

    fn own(&self, file: &str, content: &str) {
        fs::write(self.context.layout.job_lists.join(file), content).unwrap();
    }

    fn chosen(&self) -> Result<Selection> {
        of_job(
            &self.context,
            &JobName::new("b").unwrap(),
            Some(&self.folder.path().join("repo")),
        )
    }

    fn includes(&self) -> Vec<String> {
        let selection = self.chosen().unwrap();
        selection
            .includes
            .into_iter()
            .map(|line| String::from_utf8(line).unwrap())
            .collect()
    }

    fn excludes(&self) -> Vec<String> {
        let selection = self.chosen().unwrap();
        selection
            .excludes
            .into_iter()
            .map(|line| String::from_utf8(line).unwrap())
            .collect()
    }
}

#[test]
fn all_packages_lists_are_put_together_once_each() {
    let machine = machine();
    let data = machine.data.display();
    machine.list("b.include", &format!("# comment\n\n  \n{data}  \n/nowhere/*"));
    machine.list("a.include", &format!("{data}/inner\n{data}\n"));
    machine.list("a.exclude", "*.iso\n*.iso\n leading\n");
    machine.list("a.include.rpmsave", "/not/this\n");
    assert_eq!(
        machine.includes(),
        [format!("{data}/inner"), data.to_string(), "/nowhere/*".into()]
    );
    assert_eq!(machine.excludes()[..2], ["*.iso", " leading"]);
    assert!(machine.chosen().unwrap().exclude_caches);
}

#[test]
fn a_jobs_own_list_replaces_the_common_ones_each_for_itself() {
    let machine = machine();
    let data = machine.data.display();
    machine.list("a.include", &format!("{data}\n"));
    machine.list("a.exclude", "*.iso\n");
    machine.own("b.include", &format!("{data}/inner\n"));
    assert_eq!(machine.includes(), [format!("{data}/inner")]);
    assert_eq!(machine.excludes()[0], "*.iso");
    machine.own("b.exclude", "");
    assert!(!machine.excludes().contains(&"*.iso".to_owned()));
}

/// D52: caches, secrets and the destination are left out whatever the lists say.
#[test]
fn what_must_not_be_saved_is_never_saved() {
    let machine = machine();
    let folder = machine.folder.path().display();
    machine.own("b.include", &format!("{folder}\n"));
    machine.own("b.exclude", "");
    let excludes = machine.excludes();
    let never = [
        "root/var/lib/holdfast/secrets",
        "root/var/cache/holdfast/restic",
        "root/var/cache/holdfast/duplicity",
        "repo",
    ];
    for path in never {
        assert!(excludes.contains(&format!("{folder}/{path}")), "{path}: {excludes:?}");
    }
}

#[test]
fn the_destination_is_left_out_under_every_name_it_has() {
    let machine = machine();
    let link = machine.folder.path().join("link");
    std::os::unix::fs::symlink(machine.folder.path(), &link).unwrap();
    machine.own("b.include", &format!("{}/\n", link.display()));
    assert!(machine.excludes().contains(&link.join("repo").display().to_string()));
}

#[test]
fn logs_are_added_when_the_machine_says_so() {
    let machine = machine();
    machine.list("a.include", &format!("{}\n", machine.data.display()));
    let record = Record::of_kind("configuration").with("IncludeLogs", "enabled");
    let file = machine.context.configuration();
    file.update(|database| {
        database
            .set(b"backup-data", &record)
            .map_err(|misfit| file.unfit(misfit))
    })
    .unwrap();
    assert_eq!(machine.includes()[1], "/var/log");
    machine.own("b.include", &format!("{}\n", machine.data.display()));
    assert_eq!(machine.includes().len(), 1, "a list of its own replaces this too");
}

#[test]
fn nothing_to_save_is_an_error_that_says_where_it_looked() {
    let machine = machine();
    let text = machine.chosen().unwrap_err().to_string();
    assert!(
        text.starts_with("Nothing to backup: ") && text.ends_with("*.include names no path"),
        "{text}"
    );
    machine.own("b.include", "\n  \n# nothing\n");
    assert!(
        machine
            .chosen()
            .unwrap_err()
            .to_string()
            .ends_with("b.include names no path")
    );
    machine.own("b.include", "/does/not/exist\n");
    assert!(machine.chosen().unwrap_err().to_string().contains("no path of "));
}

#[test]
fn a_relative_include_is_named_with_its_line() {
    let machine = machine();
    machine.own("b.include", "\n/root\nhome/x\n");
    let text = machine.chosen().unwrap_err().to_string();
    assert!(
        text.starts_with("line 3 of ") && text.ends_with("`home/x` does not begin with `/`"),
        "{text}"
    );
}

#[test]
fn an_include_inside_the_destination_is_refused() {
    let machine = machine();
    let inner = machine.folder.path().join("repo/data");
    fs::create_dir_all(&inner).unwrap();
    machine.own("b.include", &format!("{}\n", inner.display()));
    assert!(matches!(machine.chosen(), Err(Error::InsideDestination { .. })));
}

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

/// Caches, secrets and the destination are left out whatever the lists say.
#[test]
fn d52_an_empty_exclude_list_lets_no_secret_in() {
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

/// The secrets of a NethServer's own are left out too, unless a list names them.
#[test]
fn d52_secrets_of_the_machine_are_saved_only_where_they_are_named() {
    let mut machine = machine();
    let root = machine.folder.path().join("server");
    fs::create_dir_all(root.join("var/lib/nethserver/db")).unwrap();
    fs::create_dir_all(root.join("root/.ssh")).unwrap();
    let surroundings = Surroundings {
        root: Some(root.clone()),
        ..Surroundings::default()
    };
    machine.context.layout = Layout::find(&surroundings).unwrap();
    fs::create_dir_all(&machine.context.layout.job_lists).unwrap();
    machine.own("b.exclude", "");
    let kept_out = |machine: &Machine| {
        let excludes = machine.excludes();
        let names = [
            "root/.ssh",
            "var/lib/nethserver/db",
            "var/lib/nethserver/secrets",
            "var/lib/nethserver/backup/backup.key",
        ];
        names.map(|name| excludes.contains(&root.join(name).display().to_string()))
    };
    machine.own("b.include", &format!("{}\n", root.display()));
    assert_eq!(kept_out(&machine), [true; 4]);
    machine.own("b.include", &format!("{0}\n{0}/root/.ssh\n", root.display()));
    assert_eq!(kept_out(&machine), [false, true, true, true]);
}

/// What NethServer's template wrote once does not count, the setting does.
#[test]
fn d80_the_setting_for_logs_takes_effect_at_once() {
    let machine = machine();
    machine.list("a.include", &format!("{}\n", machine.data.display()));
    machine.list(
        "nethserver-backup-data.include",
        "/var/log/\n/srv/added by a template\n",
    );
    assert_eq!(machine.includes()[1..], ["/srv/added by a template"]);
    let file = machine.context.configuration();
    for (value, logs) in [("enabled", true), ("disabled", false)] {
        let record = Record::of_kind("configuration").with("IncludeLogs", value);
        let set = file.update(|database| {
            database
                .set(b"backup-data", &record)
                .map_err(|misfit| file.unfit(misfit))
        });
        set.unwrap();
        assert_eq!(machine.includes().contains(&"/var/log".to_owned()), logs);
    }
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

impl Machine {
    fn explained(&self, path: &Path) -> Verdict {
        let rules = Rules::of_job(
            &self.context,
            &JobName::new("b").unwrap(),
            Some(&self.folder.path().join("repo")),
        );
        Explainer::new(rules.unwrap()).unwrap().explain(path).verdict
    }

    fn make(&self, below: &str) -> PathBuf {
        let path = self.data.join(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "x").unwrap();
        path
    }
}

#[test]
fn why_a_path_is_in_or_out() {
    let machine = machine();
    let data = &machine.data;
    for file in [
        "inner/letter",
        "inner/film.iso",
        "tmp/a/b",
        "cache/x",
        "cache/kept/y",
        "beside",
    ] {
        machine.make(file);
    }
    fs::write(
        data.join("cache/CACHEDIR.TAG"),
        "Signature: 8a477f597d28d172789f06886806bc55",
    )
    .unwrap();
    let shown = data.display();
    machine.own(
        "b.include",
        &format!("# mine\n{shown}/inner\n{shown}/tmp\n{shown}/cache\n{shown}/cache/kept\n"),
    );
    machine.list("x.exclude", "\n*.iso\ntmp/a\n");
    let lines = |verdict: Verdict| match verdict {
        Verdict::Saved { by: Some(rule) } => format!("in by {}", of(&rule)),
        Verdict::LeftOut { by, at } => format!("out by {} at {}", of(&by), at.strip_prefix(data).unwrap().display()),
        Verdict::Way { to } => format!("way to {}", to.strip_prefix(data).unwrap().display()),
        Verdict::Cache { folder } => format!("cache {}", folder.strip_prefix(data).unwrap().display()),
        other => format!("{other:?}"),
    };
    let cases = [
        ("inner/letter", "in by 2 b.include"),
        ("inner/film.iso", "out by 2 x.exclude at inner/film.iso"),
        ("inner/nothing.iso", "out by 2 x.exclude at inner/nothing.iso"),
        ("tmp/a/b", "out by 3 x.exclude at tmp/a"),
        ("tmp", "in by 3 b.include"),
        ("cache/x", "cache cache"),
        ("cache/CACHEDIR.TAG", "in by 4 b.include"),
        ("cache/kept/y", "in by 4 b.include"),
        ("beside", "NotIncluded"),
        ("beside/film.iso", "NotIncluded"),
    ];
    for (path, answer) in cases {
        assert_eq!(lines(machine.explained(&data.join(path))), answer, "{path}");
    }
    assert!(matches!(machine.explained(data), Verdict::Way { .. }));
    assert_eq!(machine.explained(Path::new("/proc")), Verdict::NotIncluded);
}

/// Line and name of a list.
fn of(rule: &Rule) -> String {
    match &rule.source {
        Source::Line { list, line } => format!("{line} {}", list.file_name().unwrap().display()),
        other => other.to_string(),
    }
}

#[test]
fn behind_a_symbolic_link_it_is_the_real_path_that_counts() {
    let machine = machine();
    machine.make("real/box/mail");
    let link = machine.data.join("link");
    std::os::unix::fs::symlink(machine.data.join("real"), &link).unwrap();
    machine.own("b.include", &format!("{}/box\n", link.display()));
    for path in ["link/box/mail", "real/box/mail", "link"] {
        let verdict = machine.explained(&machine.data.join(path));
        assert!(matches!(verdict, Verdict::Saved { by: Some(_) }), "{path}: {verdict:?}");
    }
    machine.list("x.exclude", &format!("{}/box/mail\n", link.display()));
    assert!(
        machine.explained(&link.join("box/mail")).is_saved(),
        "an exclude means the real path"
    );
}

/// For every path of a tree, the explanation says what the walk does.
#[test]
fn the_explanation_and_the_run_agree() {
    let machine = machine();
    let data = machine.data.display().to_string();
    for file in [
        "a/x.iso",
        "a/b/c/x",
        "a/b/keep",
        "b/c/x.iso",
        "b/tmp/x",
        "c/tmp",
        "tmp/b/c",
        "c/cache/x",
        "c/cache/in/y",
    ] {
        machine.make(file);
    }
    fs::write(
        machine.data.join("c/cache/CACHEDIR.TAG"),
        "Signature: 8a477f597d28d172789f06886806bc55",
    )
    .unwrap();
    let includes = [
        format!("{data}/*"),
        format!("{data}/a/b\n{data}/c/cache/in"),
        format!("{data}/**/c\n{data}/tmp/"),
        format!("{data}/c\n{data}/c/cache/in\n{data}/[ab]/?"),
        format!("{data}/nothing\n{data}"),
    ];
    let excludes = ["", "*.iso", "tmp/", "b/c\n/nowhere", "**c/x**\ncache/"];
    for include in &includes {
        for exclude in excludes {
            machine.own("b.include", include);
            machine.own("b.exclude", exclude);
            agree(&machine, &format!("{include} without {exclude}"));
        }
    }
}

fn agree(machine: &Machine, which: &str) {
    let rules = Rules::of_job(&machine.context, &JobName::new("b").unwrap(), None).unwrap();
    let mut saved = HashSet::new();
    let previewed = preview(&rules, &mut |step| {
        if let Preview::Entry { path, .. } = step {
            saved.insert(path.to_owned());
        }
        std::ops::ControlFlow::Continue(())
    });
    previewed.unwrap();
    let explainer = Explainer::new(rules).unwrap();
    let mut folders = vec![machine.data.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let verdict = explainer.explain(&path).verdict;
            assert_eq!(
                verdict.is_saved(),
                saved.contains(&path),
                "{}: {verdict:?}, {which}",
                path.display()
            );
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
}

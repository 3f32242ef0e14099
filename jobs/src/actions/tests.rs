use std::cell::Cell;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Instant;

use super::*;

fn script(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn call(text: &str, words: &[&str], limit: Duration, cancelled: &dyn Fn() -> bool) -> (Ending, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let program = script(folder.path(), "action", text);
    let words: Words = words.iter().map(Into::into).collect();
    let call = Call {
        program: &program,
        words: &words,
        environment: Environment::NethServer,
        input: None,
        limit,
    };
    let mut lines = Vec::new();
    let ending = run(&call, cancelled, &mut |line| lines.push(line.to_owned()));
    (ending, lines)
}

const LONG: Duration = Duration::from_mins(1);

#[test]
fn words_language_output_and_exit_code_go_through() {
    let text = "#!/bin/sh\necho \"$1|$2|$LANG|$LC_ALL\"\necho to stderr >&2\nprintf 'no end'\nexit 7\n";
    let (ending, lines) = call(text, &["a b", "$(x)"], LONG, &|| false);
    assert_eq!(ending, Ending::Exit(7));
    assert_eq!(lines, ["a b|$(x)|en_US.utf8|", "to stderr", "no end"]);
}

#[test]
fn a_script_without_its_first_line_is_the_shells() {
    let (ending, lines) = call("echo \"$1\"\n", &["word"], LONG, &|| false);
    assert_eq!((ending, lines), (Ending::Exit(0), vec!["word".to_owned()]));
}

#[test]
fn what_hangs_is_stopped_with_all_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    // The inner one takes no notice of SIGTERM; the outer one waits for it.
    let text = format!(
        "#!/bin/sh\n(trap '' TERM; echo $$ >/dev/null; exec sleep 1000) &\necho $! > {}\necho begun\nwait\n",
        pid.display()
    );
    let begin = Instant::now();
    let (ending, lines) = call(&text, &[], Duration::from_millis(300), &|| false);
    assert_eq!(ending, Ending::TimedOut(Duration::from_millis(300)));
    assert_eq!(lines, ["begun"]);
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
    let id = fs::read_to_string(pid).unwrap();
    let state = |id: &str| fs::read_to_string(format!("/proc/{}/stat", id.trim())).unwrap_or_default();
    let gone = || state(&id).is_empty() || state(&id).contains(") Z ");
    let patience = Instant::now();
    while !gone() {
        assert!(patience.elapsed() < LONG, "process {id} lives on");
        std::thread::yield_now();
    }
}

#[test]
fn a_wish_to_stop_is_heard() {
    let asked = Cell::new(0);
    let cancelled = || {
        asked.set(asked.get() + 1);
        asked.get() > 2
    };
    let (ending, _) = call("#!/bin/sh\nexec sleep 1000\n", &[], LONG, &cancelled);
    assert_eq!(ending, Ending::Cancelled);
}

#[test]
fn megabytes_of_output_are_counted_and_not_kept() {
    let text = "#!/bin/sh\nyes 0123456789 | head -c 8000000\nhead -c 3000000 /dev/zero | tr '\\0' x\n";
    let (ending, lines) = call(text, &[], LONG, &|| false);
    assert_eq!(ending, Ending::Exit(0));
    let told: usize = lines.iter().map(String::len).sum();
    assert!(told < 80_000, "{told}");
    let last = lines.last().unwrap();
    assert!(last.ends_with("of output left out)") && last.contains("MiB"), "{last}");
}

#[test]
fn a_daemon_that_keeps_the_pipe_does_not_keep_us() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let text = format!("#!/bin/sh\nsleep 1000 &\necho $! > {}\necho done\n", pid.display());
    let begin = Instant::now();
    let (ending, lines) = call(&text, &[], LONG, &|| false);
    let id = fs::read_to_string(pid).unwrap().trim().parse().unwrap();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(id).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    assert_eq!((ending, lines), (Ending::Exit(0), vec!["done".to_owned()]));
    assert!(begin.elapsed() < Duration::from_secs(20));
}

#[test]
fn actions_have_an_order_and_folders_are_none() {
    let folder = tempfile::tempdir().unwrap();
    script(folder.path(), "S90last", "");
    script(folder.path(), "S10first", "");
    fs::write(folder.path().join("README"), "").unwrap();
    fs::create_dir(folder.path().join("S50folder")).unwrap();
    std::os::unix::fs::symlink("/nowhere/at/all", folder.path().join("S20broken")).unwrap();
    let found = in_folder(folder.path()).unwrap();
    let names: Vec<_> = found
        .iter()
        .map(|found| (found.name.as_str(), found.executable))
        .collect();
    let expected = [
        ("README", false),
        ("S10first", true),
        ("S20broken", true),
        ("S90last", true),
    ];
    assert_eq!(names, expected);
    assert!(in_folder(&folder.path().join("none")).is_err());
}

#[test]
fn what_is_left_behind_and_prints_for_ever_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let text = format!("#!/bin/sh\nyes &\necho $! > {}\n", pid.display());
    let (ending, lines) = call(&text, &[], LONG, &|| false);
    assert_eq!(ending, Ending::Exit(0));
    let told: usize = lines.iter().map(String::len).sum();
    assert!(told <= 64 << 10, "{told} bytes");
    // Nobody reads what it prints any more, and that ends it.
    let id = fs::read_to_string(pid).unwrap();
    let begin = Instant::now();
    while Path::new("/proc").join(id.trim()).exists() {
        let state = fs::read_to_string(format!("/proc/{}/stat", id.trim())).unwrap_or_default();
        if state.contains(") Z ") {
            break;
        }
        assert!(begin.elapsed() < LONG, "process {id} lives on");
        std::thread::yield_now();
    }
}

#[test]
fn a_program_reads_what_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let program = script(folder.path(), "action", "#!/bin/sh\ncat\n");
    fs::write(folder.path().join("input"), "one\ntwo\n").unwrap();
    let input = fs::File::open(folder.path().join("input")).unwrap();
    let call = Call {
        program: &program,
        words: &Words::new(),
        environment: Environment::Plain,
        input: Some(&input),
        limit: LONG,
    };
    let mut lines = Vec::new();
    let ending = run(&call, &|| false, &mut |line| lines.push(line.to_owned()));
    assert_eq!(
        (ending, lines),
        (Ending::Exit(0), vec!["one".to_owned(), "two".to_owned()])
    );
}

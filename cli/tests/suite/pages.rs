//! Completions and manual pages name every command.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::machine::Machine;

/// The commands that the help lists, and those below them: `job`, `job add`.
fn commands(machine: &Machine) -> BTreeSet<String> {
    let below = |words: &[&str]| -> Vec<String> {
        let help = machine.good(&[words, &["--help"]].concat());
        let list = help.split("Commands:\n").nth(1).unwrap_or_default();
        let names = list.lines().take_while(|line| !line.is_empty());
        let names = names.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        let names = names.filter_map(|line| line.split_whitespace().next());
        names.filter(|name| *name != "help").map(str::to_owned).collect()
    };
    let mut all = BTreeSet::new();
    for name in below(&[]) {
        // Help is an argument to these like any other.
        if name != "db" && name != "config" {
            all.extend(below(&[&name]).iter().map(|second| format!("{name} {second}")));
        }
        all.insert(name);
    }
    assert!(all.len() > 20 && all.contains("job add"), "{all:?}");
    all
}

/// Asks the shell itself whether it can read the script; `None` where the shell is not installed.
fn read_by(shell: &str, script: &Path) -> Option<()> {
    let checked = Command::new(shell).arg("-n").arg(script).output().ok()?;
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    Some(())
}

#[test]
fn completions_name_every_command() {
    // A user without a home is served, too: it is what a package's build is.
    let machine = Machine::new();
    let commands = commands(&machine);
    for shell in ["bash", "zsh", "fish"] {
        let script = machine.good(&["completions", shell]);
        for name in commands.iter().flat_map(|command| command.split(' ')) {
            assert!(script.contains(name), "{shell}: {name}");
        }
        machine.write(shell, &script);
        if read_by(shell, &machine.path(shell)).is_none() {
            eprintln!("the script for {shell} is not tried: there is none here");
        }
    }
    let unknown = machine.run(&["completions", "tcsh"]);
    assert_eq!(unknown.code, Some(2), "{}", unknown.err);
}

#[test]
fn bash_completes_what_begins_so() {
    let machine = Machine::new();
    machine.write("script", &machine.good(&["completions", "bash"]));
    let complete = |words: &str| {
        let line = format!(
            "source ./script; COMP_WORDS=({words} ''); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _holdfast holdfast '' ''; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        let folder = machine.path("");
        let shell = Command::new("bash")
            .args(["-c", &line])
            .current_dir(folder)
            .output()
            .unwrap();
        String::from_utf8(shell.stdout).unwrap()
    };
    let first = complete("holdfast");
    assert!(first.lines().any(|line| line == "snapshots"), "{first}");
    let second = complete("holdfast job add");
    assert!(second.lines().any(|line| line == "--keep-within"), "{second}");
}

#[test]
fn every_command_has_a_manual_page() {
    let machine = Machine::new();
    let pages = machine.path("pages");
    // Cargo builds the examples of a package with its tests.
    let program = Path::new(env!("CARGO_BIN_EXE_holdfast"))
        .with_file_name("examples")
        .join("pages");
    let made = Command::new(program).arg(&pages).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut expected: BTreeSet<PathBuf> = commands(&machine)
        .iter()
        .map(|command| pages.join(format!("holdfast-{}.1", command.replace(' ', "-"))))
        .collect();
    expected.insert(pages.join("holdfast.1"));
    let found: BTreeSet<PathBuf> = fs::read_dir(&pages).unwrap().map(|page| page.unwrap().path()).collect();
    assert_eq!(found, expected);
    let page = fs::read_to_string(pages.join("holdfast-job-add.1")).unwrap();
    assert!(
        page.contains("holdfast job add nightly /etc /home") && page.contains("keep\\-within"),
        "{page}"
    );
    for page in found {
        let Ok(read) = Command::new("groff")
            .args(["-K", "utf8", "-man", "-Tutf8", "-ww", "-z"])
            .arg(&page)
            .output()
        else {
            eprintln!("the pages are not formatted: there is no groff here");
            return;
        };
        assert_eq!(String::from_utf8_lossy(&read.stderr), "", "{}", page.display());
    }
}

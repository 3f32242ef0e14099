//! The guide, typed line by line on a machine of its own.
//!
//! All blocks of a page marked `sh` run in one shell, in their order; so do the comments marked `sh`, which prepare what a
//! reader has at home already. A block marked `sh no-run: REASON` does not, and is counted.

use std::fs;
use std::path::{Path, PathBuf};

use holdfast_tests::need;
use holdfast_tests::server::program;
use holdfast_tests::world::{NO_WORLD, World};

/// What is typed of a page, and how many blocks are not.
struct Page {
    script: String,
    blocks: usize,
    left_out: Vec<String>,
}

impl Page {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let mut page = Self {
            script: String::new(),
            blocks: 0,
            left_out: Vec::new(),
        };
        let mut end = None;
        for line in text.lines() {
            match end {
                Some(marker) if line == marker => end = None,
                Some(_) if line.is_empty() => {}
                Some(_) => page.script += &format!("{line}\n"),
                None if line == "<!-- sh" => end = Some("-->"),
                None if line == "```sh" => {
                    page.blocks += 1;
                    end = Some("```");
                }
                None => {
                    let reason = line.strip_prefix("```sh no-run: ");
                    page.left_out.extend(reason.map(str::to_owned));
                    assert!(
                        reason.is_some() || !line.starts_with("```sh"),
                        "{}: {line:?} is no mark of a block",
                        path.display()
                    );
                }
            }
        }
        assert!(end.is_none(), "{}: a block has no end", path.display());
        page
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide")
}

fn run(name: &str) {
    let page = Page::read(&folder().join(name));
    assert!(page.blocks > 0);
    let mut world = need!(World::new(), NO_WORLD).alone();
    if page.script.contains("$RCLONE") {
        let rclone = need!(program("rclone"), "rclone is not installed");
        need!(program("sshd"), "sshd is not installed");
        world = world.with_variable("RCLONE", rclone.to_str().unwrap());
    }
    let answer = world.run(&format!("set -x\n{}", page.script));
    assert_eq!(answer.code, Some(0), "{name}\n{}\n{}", answer.out, answer.err);
}

macro_rules! pages {
    ($($test:ident: $name:literal,)*) => {
        $(#[test]
        fn $test() {
            run($name);
        })*

        const PAGES: &[&str] = &[$($name),*];
    };
}

pages! {
    first_backup: "first-backup.md",
    several_backups: "several-backups.md",
    engines: "engines.md",
    storages: "storages.md",
    what_is_saved: "what-is-saved.md",
    restore: "restore.md",
    usb_disks: "usb-disks.md",
    disaster_recovery: "disaster-recovery.md",
    looking_after: "looking-after.md",
}

/// A page that nobody types would soon be wrong.
#[test]
fn every_page_is_typed() {
    let mut left_out = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let page = Page::read(&path);
        assert!(
            page.blocks == 0 || PAGES.contains(&name),
            "{name} has commands that no test types"
        );
        left_out += page.left_out.len();
        for reason in page.left_out {
            println!("not typed in {name}: {reason}");
        }
    }
    assert!(
        left_out <= 4,
        "{left_out} blocks are not typed: too many to trust the guide"
    );
}

/// What a page leads to is there.
#[test]
fn links_lead_somewhere() {
    let docs = folder().join("..");
    let pages = [docs.clone(), folder()]
        .into_iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap());
    for path in pages
        .map(|entry| entry.unwrap().path())
        .chain([docs.join("../README.md")])
    {
        if path.extension().is_none_or(|end| end != "md") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            assert!(path.with_file_name(file).exists(), "{}: {link}", path.display());
        }
    }
}

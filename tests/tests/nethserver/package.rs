//! The Debian package: built, looked at, installed, used and removed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use holdfast_tests::world::{NAMES, NO_WORLD, World, program};
use holdfast_tests::{need, skip};

const NO_DPKG: &str = "packages are built and installed on Debian";

fn build(out: &Path) -> PathBuf {
    let pages = program().with_file_name("examples").join("pages");
    let built = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/deb/build"))
        .arg("--program")
        .arg(program())
        .arg("--pages")
        .arg(pages)
        .arg("--out")
        .arg(out)
        .args(["--compress", "gzip"])
        .output()
        .unwrap();
    let (text, errors) = (
        String::from_utf8_lossy(&built.stdout),
        String::from_utf8_lossy(&built.stderr),
    );
    assert!(built.status.success(), "{text}{errors}");
    PathBuf::from(text.lines().last().unwrap())
}

/// The package; `None` where there is no dpkg.
fn package() -> Option<&'static Path> {
    static BUILT: OnceLock<Option<(tempfile::TempDir, PathBuf)>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        Command::new("dpkg-deb").arg("--version").output().ok()?;
        let folder = tempfile::tempdir().unwrap();
        let package = build(folder.path());
        Some((folder, package))
    });
    built.as_ref().map(|(_, package)| package.as_path())
}

fn dpkg_deb(words: &[&str], package: &Path) -> String {
    let output = Command::new("dpkg-deb").args(words).arg(package).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn everything_is_in_it_with_the_right_owners_and_modes() {
    let package = need!(package(), NO_DPKG);
    let content = dpkg_deb(&["--contents"], package);
    let mut paths = Vec::new();
    for line in content.lines() {
        // `-rwxr-xr-x root/root 123 2026-01-01 00:00 ./usr/bin/holdfast`
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[1], "root/root", "{line}");
        let is_program = words[5] == "./usr/bin/holdfast";
        let mode = match line.as_bytes()[0] {
            b'd' => "drwxr-xr-x",
            b'l' => "lrwxrwxrwx",
            _ if is_program => "-rwxr-xr-x",
            _ => "-rw-r--r--",
        };
        assert_eq!(words[0], mode, "{line}");
        paths.push(words[5].trim_start_matches('.').to_owned());
    }
    let has = |path: &str| assert!(paths.iter().any(|found| found == path), "{path} is not in\n{content}");
    NAMES.iter().for_each(|name| has(&format!("/usr/sbin/e-smith/{name}")));
    for path in [
        "/usr/bin/holdfast",
        "/usr/sbin/backup-data",
        "/usr/share/man/man1/holdfast.1.gz",
        "/usr/share/man/man1/holdfast-job-add.1.gz",
        "/usr/share/man/man1/restore-file.1.gz",
        "/usr/share/bash-completion/completions/holdfast",
        "/usr/share/zsh/vendor-completions/_holdfast",
        "/usr/share/fish/vendor_completions.d/holdfast.fish",
        "/usr/lib/systemd/system/holdfast@.service",
        "/etc/logrotate.d/holdfast",
        "/usr/share/doc/holdfast/copyright",
        "/usr/share/doc/holdfast/licences.gz",
        "/usr/share/doc/holdfast/guide/index.md",
    ] {
        has(path);
    }
    // Words that other programs may want stand in NethServer's own folder only.
    for name in ["db", "config", "signal-event"] {
        let elsewhere = format!("/{name}");
        let found: Vec<_> = paths.iter().filter(|path| path.ends_with(&elsewhere)).collect();
        assert_eq!(found, [&format!("/usr/sbin/e-smith/{name}")]);
    }
}

/// The original let a whole group of users run `restore-file` as root.
#[test]
fn d83_the_package_makes_nobody_root() {
    let package = need!(package(), NO_DPKG);
    let content = dpkg_deb(&["--contents"], package);
    for line in content.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert!(
            !words[0].contains(['s', 't']),
            "nobody becomes another user by it: {line}"
        );
        for place in ["sudoers", "polkit", "pam.d", "capability"] {
            assert!(!words[5].contains(place), "{line}");
        }
    }
    // Nor by scripts of its own, of which it has none.
    let control = dpkg_deb(&["--info"], package);
    assert!(
        !control.contains("postinst") && !control.contains("preinst"),
        "{control}"
    );
    // And who is not root is let at nobody else's files, whatever is asked.
    let world = need!(World::new(), NO_WORLD);
    let answer = world.run(
        r#"
mkdir -p /srv/data /mnt/disk && echo secret >/srv/data/file && chmod 600 /srv/data/file
holdfast job add b1 /srv/data --to /mnt/disk/backup
holdfast backup -b b1
echo changed >/srv/data/file
setpriv --reuid nobody --regid nogroup --clear-groups restore-file -b b1 / /srv/data/file && exit 9
grep -x changed /srv/data/file
"#,
    );
    assert_eq!(answer.code, Some(0), "{}", answer.text());
}

#[test]
fn it_names_every_crate_and_its_licence() {
    let package = need!(package(), NO_DPKG);
    let folder = tempfile::tempdir().unwrap();
    let extracted = Command::new("dpkg-deb")
        .arg("-x")
        .arg(package)
        .arg(folder.path())
        .status();
    assert!(extracted.unwrap().success());
    let doc = folder.path().join("usr/share/doc/holdfast");
    let copyright = std::fs::read_to_string(doc.join("copyright")).unwrap();
    for line in [" clap 4", " rustls 0", " zstd-sys ", " ring 0"] {
        let found = copyright.lines().find(|found| found.starts_with(line));
        let licence = found
            .unwrap_or_else(|| panic!("{line} is not in\n{copyright}"))
            .split(": ")
            .nth(1);
        assert!(licence.is_some_and(|licence| !licence.is_empty()), "{found:?}");
    }
    let texts = Command::new("gzip")
        .arg("-dc")
        .arg(doc.join("licences.gz"))
        .output()
        .unwrap();
    let texts = String::from_utf8_lossy(&texts.stdout);
    assert!(texts.matches("==== ").count() > 20 && texts.contains("Permission is hereby granted"));
}

#[test]
fn two_builds_are_the_same_bytes() {
    let package = need!(package(), NO_DPKG);
    let folder = tempfile::tempdir().unwrap();
    let again = build(folder.path());
    assert!(std::fs::read(package).unwrap() == std::fs::read(again).unwrap());
}

#[test]
fn installed_it_runs_and_removed_it_leaves_what_is_not_its_own() {
    let package = need!(package(), NO_DPKG);
    let world = need!(World::bare(), NO_WORLD);
    std::fs::copy(package, world.outside("/holdfast.deb")).unwrap();
    world.good("dpkg -i /holdfast.deb");
    let version = world.good("holdfast --version");
    assert!(version.starts_with("holdfast "), "{version}");
    world.good(
        "mkdir -p /srv/data && echo 'Dear Ann,' >/srv/data/letter
         mkdir -p /etc/holdfast/backup-data.d && echo /srv/data >/etc/holdfast/backup-data.d/custom.include
         /sbin/e-smith/db backups set b1 rsync VFSType local LocalDirectory /mnt/backup status enabled
         backup-data -b b1 | grep '^Backup status: SUCCESS'
         echo spoiled >/srv/data/letter
         restore-data -b b1
         grep Ann /srv/data/letter
         backup-data-list -f -b b1 | grep /srv/data/letter",
    );
    world.good("dpkg --verify holdfast && dpkg --purge holdfast");
    let gone = world.good("ls -d /usr/bin/holdfast /usr/sbin/e-smith /etc/logrotate.d/holdfast 2>/dev/null || true");
    assert_eq!(gone, "");
    world.good("test -f /mnt/backup/latest/srv/data/letter && test -f /etc/holdfast/backup-data.d/custom.include");
}

#[test]
fn logs_of_more_than_a_year_go() {
    let package = need!(package(), NO_DPKG);
    let world = need!(World::bare(), NO_WORLD);
    std::fs::copy(package, world.outside("/holdfast.deb")).unwrap();
    if world.run("command -v logrotate").code != Some(0) {
        skip::note("logs_of_more_than_a_year_go", "logrotate is not installed");
        return;
    }
    let left = world.good(
        "dpkg -i /holdfast.deb >/dev/null
         mkdir -p /var/log/holdfast && cd /var/log/holdfast && chmod 750 .
         touch -d '-400 days' backup-b1-202401010100.log
         touch -d '-300 days' backup-b1-202404010100.log
         for log in *; do echo x | tee -a $log >/dev/null; done
         touch -d '-400 days' backup-b1-202401010100.log
         touch -d '-300 days' backup-b1-202404010100.log
         # What was seen yesterday may go today.
         { echo 'logrotate state -- version 2'
           for log in *; do echo \"\\\"$PWD/$log\\\" $(date -d '-2 days' +%Y-%-m-%-d-%-H:%M:%S)\"; done; } >/state
         logrotate -s /state /etc/logrotate.d/holdfast
         ls",
    );
    assert_eq!(left, "backup-b1-202404010100.log\n");
}

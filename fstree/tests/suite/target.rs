//! The restorer: it never leaves its folder, never writes through a link, and says what it could not do.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use engine_api::{Metadata, Xattr};
use fstree::testing::Dice;
use fstree::{Made, Target, TargetOptions};

use crate::support::{as_nobody, folder, grow, is_root};

fn target(root: &Path) -> Target {
    Target::open(root, TargetOptions::default()).unwrap()
}

fn sparse(root: &Path) -> Target {
    Target::open(
        root,
        TargetOptions {
            sparse: true,
            ..TargetOptions::default()
        },
    )
    .unwrap()
}

/// The metadata of a plain file that belongs to whoever runs the tests.
fn plain(dir: &Path) -> Metadata {
    grow(dir, &[".plain"]);
    target(dir).metadata(".plain".as_ref()).unwrap().0
}

fn write(target: &Target, rel: &str, content: &[u8], metadata: &Metadata) {
    let file = target.create_file(rel.as_ref(), content.len() as u64).unwrap();
    file.write_at(content, 0).unwrap();
    assert_eq!(file.finish(metadata), []);
}

#[test]
fn no_link_leads_out() {
    let (dir, outside) = (folder(), folder());
    grow(outside.path(), &["kept", "folder/"]);
    symlink(outside.path(), dir.path().join("out")).unwrap();
    symlink(outside.path().join("kept"), dir.path().join("file")).unwrap();
    let (target, metadata) = (target(dir.path()), plain(dir.path()));
    for rel in ["out/new", "out/kept", "out/folder/x"] {
        let rel = Path::new(rel);
        assert!(target.create_file(rel, 1).is_err());
        assert!(target.update_file(rel, 1).is_err());
        assert!(target.make_dir(rel, true).is_err());
        assert!(target.symlink(rel, "x".as_ref()).is_err());
        assert!(target.fifo(rel).is_err());
        assert!(target.hard_link(".plain".as_ref(), rel).is_err());
        assert!(target.hard_link(rel, "stolen".as_ref()).is_err());
        assert!(target.remove(rel).is_err());
        assert!(target.stat(rel).is_err());
        assert!(target.open_existing(rel).is_err());
        assert_eq!(target.set_metadata(rel, &metadata).len(), 1);
    }
    assert!(target.list("out".as_ref()).is_err());
    write(&target, "file", b"new", &metadata);
    assert_eq!(fs::read(outside.path().join("kept")).unwrap(), b"kept");
    assert_eq!(fs::read(dir.path().join("file")).unwrap(), b"new");
    // The link itself may be replaced, and then the way is free.
    assert!(target.make_dir("out".as_ref(), false).is_err());
    assert_eq!(target.make_dir("out".as_ref(), true).unwrap(), Made::Created);
    write(&target, "out/kept", b"inside", &metadata);
    assert_eq!(fs::read(outside.path().join("kept")).unwrap(), b"kept");
    assert_eq!(fs::read(dir.path().join("out/kept")).unwrap(), b"inside");
}

#[test]
fn no_dots_lead_out() {
    let dir = folder();
    let inner = dir.path().join("inner");
    let target = target(&inner);
    for rel in ["..", "../x", "a/../../x", "a/.."] {
        assert!(target.create_file(rel.as_ref(), 0).is_err(), "{rel}");
        assert!(target.remove(rel.as_ref()).is_err(), "{rel}");
    }
    target.make_dir("/a".as_ref(), false).unwrap();
    target.make_dir("./a/./b".as_ref(), false).unwrap();
    assert!(inner.join("a/b").is_dir());
    assert_eq!(target.make_dir("".as_ref(), true).unwrap(), Made::Existed);
}

#[test]
fn another_name_of_a_file_is_never_written_through() {
    let dir = folder();
    grow(dir.path(), &["one"]);
    fs::hard_link(dir.path().join("one"), dir.path().join("two")).unwrap();
    let (target, metadata) = (target(dir.path()), plain(dir.path()));
    let file = target.update_file("two".as_ref(), 3).unwrap();
    assert!(file.is_new());
    file.write_at(b"new", 0).unwrap();
    assert_eq!(file.finish(&metadata), []);
    assert_eq!(fs::read(dir.path().join("one")).unwrap(), b"one");
    assert_eq!(fs::read(dir.path().join("two")).unwrap(), b"new");
}

#[test]
fn a_file_is_changed_in_place() {
    let dir = folder();
    let before = Dice::new(3).bytes(50_000);
    for target in [target(dir.path()), sparse(dir.path())] {
        let metadata = plain(dir.path());
        fs::write(dir.path().join("file"), &before).unwrap();
        let inode = fs::metadata(dir.path().join("file")).unwrap().ino();
        let file = target.update_file("file".as_ref(), 45_000).unwrap();
        assert!(!file.is_new());
        file.write_at(&[0; 12_000], 10_000).unwrap();
        file.write_at(b"end", 44_997).unwrap();
        assert_eq!(file.finish(&metadata), []);
        let mut expected = before[..45_000].to_vec();
        expected[10_000..22_000].fill(0);
        expected[44_997..].copy_from_slice(b"end");
        assert!(fs::read(dir.path().join("file")).unwrap() == expected);
        assert_eq!(fs::metadata(dir.path().join("file")).unwrap().ino(), inode);
        // It may have to grow, too, and with zeros.
        let file = target.update_file("file".as_ref(), 60_000).unwrap();
        file.write_at(&[0; 15_000], 45_000).unwrap();
        assert_eq!(file.finish(&metadata), []);
        expected.resize(60_000, 0);
        assert!(fs::read(dir.path().join("file")).unwrap() == expected);
        fs::remove_file(dir.path().join("file")).unwrap();
    }
}

#[test]
fn pieces_may_come_in_any_order_from_many_threads() {
    let dir = folder();
    let mut content = Dice::new(4).bytes(3_000_000);
    content[500_000..1_700_001].fill(0);
    for (target, most_blocks) in [(target(dir.path()), u64::MAX), (sparse(dir.path()), 2_000_000 / 512)] {
        let metadata = plain(dir.path());
        let file = target.create_file("file".as_ref(), content.len() as u64).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (file, content) = (&file, &content);
                scope.spawn(move || {
                    for (number, piece) in content
                        .chunks(70_001)
                        .enumerate()
                        .filter(|(number, _)| number % 4 == thread)
                    {
                        file.write_at(piece, number as u64 * 70_001).unwrap();
                    }
                });
            }
        });
        assert_eq!(file.finish(&metadata), []);
        assert!(fs::read(dir.path().join("file")).unwrap() == content);
        assert!(fs::metadata(dir.path().join("file")).unwrap().blocks() <= most_blocks);
        let file = target.create_file("zeros".as_ref(), 1 << 20).unwrap();
        file.write_at(&vec![0; 1 << 20], 0).unwrap();
        assert_eq!(file.finish(&metadata), []);
        assert!(fs::read(dir.path().join("zeros")).unwrap() == vec![0; 1 << 20]);
    }
}

#[test]
fn nothing_is_open_to_others_before_it_is_finished() {
    let dir = folder();
    let root = dir.path().join("root/below");
    let target = target(&root);
    let mut metadata = plain(dir.path());
    metadata.mode = 0o644;
    let file = target.create_file("file".as_ref(), 0).unwrap();
    target.make_dir("folder".as_ref(), false).unwrap();
    target.fifo("fifo".as_ref()).unwrap();
    let mode = |name: &str| fs::symlink_metadata(root.join(name)).unwrap().mode() & 0o7777;
    assert_eq!(
        [mode(""), mode("file"), mode("folder"), mode("fifo")],
        [0o700, 0o600, 0o700, 0o600]
    );
    assert_eq!(file.finish(&metadata), []);
    assert_eq!(mode("file"), 0o644);
}

#[test]
fn what_is_in_the_way_is_replaced_but_not_a_full_folder() {
    let dir = folder();
    grow(dir.path(), &["file", "empty/", "full/x"]);
    let (target, metadata) = (target(dir.path()), plain(dir.path()));
    for name in ["file", "empty"] {
        let name = Path::new(name);
        target.symlink(name, "somewhere".as_ref()).unwrap();
        target.symlink(name, "elsewhere".as_ref()).unwrap();
        assert_eq!(fs::read_link(dir.path().join(name)).unwrap(), Path::new("elsewhere"));
        target.fifo(name).unwrap();
        write(&target, name.to_str().unwrap(), b"x", &metadata);
        target.hard_link(".plain".as_ref(), name).unwrap();
        target.hard_link(".plain".as_ref(), name).unwrap();
        assert!(target.make_dir(name, false).is_err());
        assert_eq!(target.make_dir(name, true).unwrap(), Made::Created);
        assert_eq!(target.make_dir(name, true).unwrap(), Made::Existed);
    }
    assert!(target.create_file("full".as_ref(), 0).is_err());
    assert!(target.symlink("full".as_ref(), "x".as_ref()).is_err());
    assert_eq!(target.list("full".as_ref()).unwrap(), ["x"]);
    assert_eq!(target.remove("full".as_ref()).unwrap(), 2);
    assert_eq!(target.stat("full".as_ref()).unwrap(), None);
    assert_eq!(target.stat("no/such/folder".as_ref()).unwrap(), None);
}

#[test]
fn there_is_no_room_for_a_file_that_is_too_large() {
    let dir = folder();
    let target = target(dir.path());
    assert!(target.create_file("huge".as_ref(), 1 << 50).is_err());
    assert_eq!(target.list("".as_ref()).unwrap(), [] as [&str; 0]);
}

#[test]
fn owner_mode_attributes_and_times_come_in_the_right_order() {
    let dir = folder();
    let (target, mut metadata) = (target(dir.path()), plain(dir.path()));
    metadata.mode = 0o6755;
    metadata.mtime.seconds = -5;
    metadata.xattrs = vec![Xattr {
        name: "user.kept".into(),
        value: b"1".to_vec(),
    }];
    if is_root() {
        (metadata.uid, metadata.gid) = (4321, 1234);
        metadata.user = None;
        metadata.group = None;
    }
    write(&target, "file", b"x", &metadata);
    let set = |name: &str| rustix::fs::lsetxattr(dir.path().join("file"), name, b"2", rustix::fs::XattrFlags::empty());
    set("user.extra").unwrap();
    set("user.kept").unwrap();
    let is_label_set = set("security.policy").is_ok();
    assert_eq!(target.set_metadata("file".as_ref(), &metadata), []);
    let (mut there, problems) = target.metadata("file".as_ref()).unwrap();
    assert_eq!(problems, []);
    assert_eq!(
        (there.mode, there.uid, there.gid),
        (metadata.mode, metadata.uid, metadata.gid)
    );
    assert_eq!((there.mtime, there.atime), (metadata.mtime, metadata.atime));
    // The system's own labels are left alone.
    assert_eq!(
        there.xattrs.iter().any(|xattr| xattr.name == "security.policy"),
        is_label_set
    );
    there.xattrs.retain(|xattr| xattr.name != "security.policy");
    assert_eq!(there.xattrs, metadata.xattrs);
}

#[test]
fn owners_are_taken_by_name_first() {
    if !is_root() {
        eprintln!("skipped: only root can give files away");
        return;
    }
    let dir = folder();
    let mut metadata = plain(dir.path());
    (metadata.uid, metadata.gid) = (4321, 1234);
    metadata.user = Some("daemon".into());
    metadata.group = Some("no such group".into());
    for (numeric_ids, expected) in [(false, (1, 1234)), (true, (4321, 1234))] {
        let target = Target::open(
            dir.path(),
            TargetOptions {
                numeric_ids,
                ..TargetOptions::default()
            },
        )
        .unwrap();
        write(&target, "file", b"", &metadata);
        let there = target.stat("file".as_ref()).unwrap().unwrap();
        assert_eq!((there.uid, there.gid), expected);
    }
    let target = Target::open(
        dir.path(),
        TargetOptions {
            owners: false,
            ..TargetOptions::default()
        },
    )
    .unwrap();
    metadata.mode = 0o6755;
    write(&target, "file", b"", &metadata);
    let there = target.stat("file".as_ref()).unwrap().unwrap();
    assert_eq!(
        (there.uid, there.gid, there.mode),
        (0, 0, 0o755),
        "nobody gets the rights of somebody else"
    );
}

#[test]
fn an_acl_that_a_folder_hands_down_does_not_stay() {
    let dir = folder();
    let (target, metadata) = (target(dir.path()), plain(dir.path()));
    target.make_dir("folder".as_ref(), false).unwrap();
    write(&target, "folder/before", b"", &metadata);
    let mut folder = target.metadata("folder".as_ref()).unwrap().0;
    let entry = |tag: u8, permissions: u8| [tag, 0, permissions, 0, 0xff, 0xff, 0xff, 0xff];
    let mut value = vec![2, 0, 0, 0];
    value.extend(entry(1, 7));
    value.extend([2, 0, 7, 0, 0x39, 0x30, 0, 0]);
    value.extend([entry(4, 7), entry(16, 7), entry(32, 0)].concat());
    folder.xattrs = vec![Xattr {
        name: "system.posix_acl_default".into(),
        value,
    }];
    assert_eq!(target.set_metadata("folder".as_ref(), &folder), []);
    write(&target, "folder/after", b"", &metadata);
    target.make_dir("folder/below".as_ref(), false).unwrap();
    assert!(!target.metadata("folder/below".as_ref()).unwrap().0.xattrs.is_empty());
    folder.xattrs.clear();
    assert_eq!(target.set_metadata("folder/below".as_ref(), &folder), []);
    for name in ["folder/before", "folder/after", "folder/below"] {
        assert_eq!(target.metadata(name.as_ref()).unwrap().0.xattrs, [], "{name}");
    }
    assert_eq!(
        target.stat("folder/after".as_ref()).unwrap().unwrap().mode,
        metadata.mode
    );
}

#[test]
fn each_failure_is_its_own_problem_and_the_rest_is_done() {
    let dir = folder();
    let (target, mut metadata) = (target(dir.path()), plain(dir.path()));
    metadata.xattrs = ["bogus.one", "bogus.two", "user.fine"]
        .map(|name| Xattr {
            name: name.into(),
            value: b"x".to_vec(),
        })
        .to_vec();
    metadata.mode = 0o640;
    let file = target.create_file("file".as_ref(), 0).unwrap();
    let problems = file.finish(&metadata);
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert_eq!(
        (problems[0].action, &problems[0].path),
        ("set an extended attribute", &dir.path().join("file"))
    );
    assert!(problems[0].cause.starts_with("bogus.one: "), "{}", problems[0].cause);
    let there = target.metadata("file".as_ref()).unwrap().0;
    assert_eq!(
        (there.mode, there.mtime, there.xattrs.len()),
        (0o640, metadata.mtime, 1)
    );
    metadata.kind = engine_api::EntryKind::Dir;
    assert_eq!(
        target.set_metadata("file".as_ref(), &metadata)[0].cause,
        "something else is there now"
    );
}

#[test]
fn removing_stops_at_another_filesystem() {
    let dir = folder();
    grow(dir.path(), &["a/b/mounted/", "a/b/x"]);
    let mounted = dir.path().join("a/b/mounted");
    if !is_root()
        || !Command::new("mount")
            .args(["-t", "tmpfs", "none"])
            .arg(&mounted)
            .status()
            .unwrap()
            .success()
    {
        eprintln!("skipped: only root can mount");
        return;
    }
    grow(&mounted, &["precious"]);
    let target = target(dir.path());
    let seen = ["a/b/mounted", "a/b", "a"].map(|rel| target.is_mount_point(rel.as_ref()).unwrap());
    let removed = target.remove("a".as_ref());
    let is_kept = mounted.join("precious").exists();
    assert!(Command::new("umount").arg(&mounted).status().unwrap().success());
    assert!(removed.is_err() && is_kept);
    assert_eq!(seen, [true, false, false]);
}

#[test]
fn a_user_restores_what_users_can() {
    if is_root() {
        return as_nobody("target::a_user_restores_what_users_can");
    }
    let dir = folder();
    let (target, mut metadata) = (target(dir.path()), plain(dir.path()));
    (metadata.uid, metadata.gid, metadata.mode) = (0, 0, 0o6755);
    metadata.user = Some("root".into());
    metadata.group = Some("root".into());
    metadata.xattrs = ["security.label", "trusted.root", "user.mine"]
        .map(|name| Xattr {
            name: name.into(),
            value: b"x".to_vec(),
        })
        .to_vec();
    write(&target, "file", b"x", &metadata);
    let there = target.metadata("file".as_ref()).unwrap().0;
    assert_eq!((there.mode, there.mtime), (0o755, metadata.mtime));
    assert_eq!(there.xattrs.len(), 1);
    // An attribute may only be given to what may be written.
    metadata.mode = 0o444;
    write(&target, "read-only", b"x", &metadata);
    metadata.xattrs.push(Xattr {
        name: "user.more".into(),
        value: b"x".to_vec(),
    });
    assert_eq!(target.set_metadata("read-only".as_ref(), &metadata), []);
    let there = target.metadata("read-only".as_ref()).unwrap().0;
    assert_eq!(
        (there.mode, there.mtime, there.xattrs.len()),
        (0o444, metadata.mtime, 2)
    );
    // What is closed to its owner can be restored into again, and read anew.
    target.make_dir("closed".as_ref(), false).unwrap();
    metadata.xattrs.clear();
    metadata.mode = 0;
    write(&target, "closed/file", b"x", &metadata);
    assert_eq!(target.set_metadata("closed/file".as_ref(), &metadata), []);
    let mut folder = target.metadata("closed".as_ref()).unwrap().0;
    folder.mode = 0o500;
    assert_eq!(target.set_metadata("closed".as_ref(), &folder), []);
    assert!(target.create_file("closed/more".as_ref(), 0).is_err());
    assert_eq!(target.make_dir("closed".as_ref(), false).unwrap(), Made::Existed);
    let file = target.update_file("closed/file".as_ref(), 3).unwrap();
    assert!(file.is_new());
    file.write_at(b"new", 0).unwrap();
    metadata.mode = 0o600;
    assert_eq!(file.finish(&metadata), []);
    let mut content = String::new();
    target
        .open_existing("closed/file".as_ref())
        .unwrap()
        .read_to_string(&mut content)
        .unwrap();
    assert_eq!(content, "new");
    fs::set_permissions(dir.path().join("closed"), fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a_root_that_cannot_be_used_is_refused() {
    let dir = folder();
    grow(dir.path(), &["file"]);
    let open = |path: &Path, create| {
        Target::open(
            path,
            TargetOptions {
                create,
                ..TargetOptions::default()
            },
        )
    };
    let missing = dir.path().join("missing");
    let error = open(&missing, false).err().unwrap();
    assert_eq!(
        error.to_string(),
        format!("cannot open the folder {}", missing.display())
    );
    assert!(open(&dir.path().join("file"), true).is_err());
    assert!(open(&dir.path().join("file"), false).is_err());
    open(&missing, true).unwrap().sync().unwrap();
}

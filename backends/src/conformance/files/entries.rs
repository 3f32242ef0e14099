use engine_api::{EntryKind, Folder, StoreErrorKind};

use super::super::{expect, expect_kind};
use super::{Bench, Outcome, failed, make, names};

pub(super) fn folders(bench: &Bench<'_>) -> Outcome {
    let (store, top) = (bench.store, &bench.folder);
    let inner = make(store, top, b"inner")?;
    make(store, &inner, b"deeper")?;
    bench.write(b"file", b"x")?;
    expect_kind(
        store.make_folder(top, b"inner"),
        StoreErrorKind::AlreadyExists,
        "making a folder twice",
    )?;
    let listed = bench.names()?;
    expect(listed == [b"file".to_vec(), b"inner".to_vec()], || {
        format!("the folder lists {listed:?}")
    })?;
    let mut kinds = Vec::new();
    store
        .list(top, &mut |entry| {
            let told = entry.kind.or(entry.stat.map(|stat| stat.kind));
            kinds.extend(told.map(|kind| (entry.name.to_vec(), kind)));
            std::ops::ControlFlow::Continue(())
        })
        .map_err(failed)?;
    let right = kinds
        .iter()
        .all(|(name, kind)| (*kind == EntryKind::Dir) == (name == b"inner"));
    expect(right, || format!("the listing tells {kinds:?}"))?;
    expect(bench.stat(b"inner")?.kind == EntryKind::Dir, || {
        "a folder is told as something else".to_owned()
    })?;
    expect(store.remove(top, b"inner").is_err(), || {
        "a folder was removed as a file".to_owned()
    })?;
    let refused = store.remove_folder(top, b"inner");
    expect(refused.is_err(), || {
        "a folder with something in it was removed".to_owned()
    })?;
    store.remove_folder(&inner, b"deeper").map_err(failed)?;
    store.remove_folder(top, b"inner").map_err(failed)?;
    let listed = bench.names()?;
    expect(listed == [b"file".to_vec()], || {
        format!("after the removal the folder lists {listed:?}")
    })?;
    Ok(None)
}

pub(super) fn missing(bench: &Bench<'_>) -> Outcome {
    let (store, top) = (bench.store, &bench.folder);
    let nowhere = top.child(b"nowhere").map_err(|error| error.to_string())?;
    let absent = store.stat(top, b"gone").map_err(failed)?;
    expect(absent.is_none(), || {
        "something is told of a name that is not there".to_owned()
    })?;
    let missing = StoreErrorKind::NotFound;
    expect_kind(store.open(top, b"gone").map(drop), missing, "opening what is not there")?;
    expect_kind(store.remove(top, b"gone"), missing, "removing what is not there")?;
    expect_kind(
        store.remove_folder(top, b"gone"),
        missing,
        "removing a folder that is not there",
    )?;
    expect_kind(
        store.rename((top, b"gone"), (top, b"there")),
        missing,
        "renaming what is not there",
    )?;
    expect_kind(
        store.list(&nowhere, &mut |_| std::ops::ControlFlow::Continue(())),
        missing,
        "listing no folder",
    )?;
    expect_kind(
        store.create(&nowhere, b"file").map(drop),
        missing,
        "creating in no folder",
    )?;
    expect_kind(
        store.make_folder(&nowhere, b"folder"),
        missing,
        "making a folder in no folder",
    )?;
    Ok(None)
}

pub(super) fn bad_names(bench: &Bench<'_>) -> Outcome {
    let (store, top) = (bench.store, &bench.folder);
    for name in [&b""[..], b".", b"..", b"a/b", b"../x", b"a\0b"] {
        let refused = [
            store.stat(top, name).is_err(),
            store.create(top, name).is_err(),
            store.open(top, name).is_err(),
            store.make_folder(top, name).is_err(),
            store.symlink(top, name, b"x").is_err(),
            store.remove(top, name).is_err(),
            store.remove_folder(top, name).is_err(),
            store.rename((top, name), (top, b"x")).is_err(),
        ];
        expect(refused.iter().all(|refused| *refused), || {
            format!(
                "the name {:?} was taken by some method: {refused:?}",
                String::from_utf8_lossy(name)
            )
        })?;
    }
    Ok(None)
}

pub(super) fn odd_names(bench: &Bench<'_>) -> Outcome {
    if !bench.store.capabilities().any_name {
        return Ok(Some("the place does not take every name"));
    }
    let long = "n".repeat(200);
    let all: [&[u8]; 11] = [
        b"a b",
        b"\xff\xfe\x01",
        "caf\u{e9}".as_bytes(),
        b".hidden",
        b"...",
        b"quote'\"\\",
        b"-dash",
        b"tab\tand\nnewline",
        b"*?[a]:",
        b" ",
        long.as_bytes(),
    ];
    for name in all {
        bench.write(name, name)?;
    }
    for name in all {
        let read = bench.read(name)?;
        expect(read == name, || {
            format!("{:?} came back different", String::from_utf8_lossy(name))
        })?;
    }
    let mut wanted: Vec<Vec<u8>> = all.iter().map(|name| name.to_vec()).collect();
    wanted.sort();
    let listed = bench.names()?;
    expect(listed == wanted, || format!("odd names are listed as {listed:?}"))?;
    Ok(None)
}

pub(super) fn deep(bench: &Bench<'_>) -> Outcome {
    let mut folder = bench.folder.clone();
    for level in 0..40 {
        folder = make(bench.store, &folder, format!("level {level:030}").as_bytes())?;
    }
    let file = bench.store.create(&folder, b"bottom").map_err(failed)?;
    file.close().map_err(failed)?;
    // By a way that nothing was noted on yet.
    let mut again = bench.folder.clone();
    for level in 0..40 {
        let name = format!("level {level:030}");
        again = again.child(name.as_bytes()).map_err(|error| error.to_string())?;
    }
    let listed = names(bench.store, &again)?;
    expect(listed == [b"bottom".to_vec()], || {
        format!("the deepest folder lists {listed:?}")
    })?;
    Ok(None)
}

pub(super) fn stops(bench: &Bench<'_>) -> Outcome {
    for number in 0..20 {
        bench.write(format!("{number}").as_bytes(), b"")?;
    }
    let mut seen = 0;
    bench
        .store
        .list(&bench.folder, &mut |_| {
            seen += 1;
            if seen == 5 {
                std::ops::ControlFlow::Break(())
            } else {
                std::ops::ControlFlow::Continue(())
            }
        })
        .map_err(failed)?;
    expect(seen == 5, || {
        format!("the listing went on to {seen} names after it was stopped at 5")
    })?;
    Ok(None)
}

pub(super) fn rename(bench: &Bench<'_>) -> Outcome {
    let (store, top) = (bench.store, &bench.folder);
    let other = make(store, top, b"other")?;
    bench.write(b"new", b"new content")?;
    bench.write(b"old", b"old")?;
    store.rename((top, b"new"), (top, b"old")).map_err(failed)?;
    let read = bench.read(b"old")?;
    expect(read == b"new content", || "a rename did not replace".to_owned())?;
    store
        .rename_durably((top, b"old"), (&other, b"moved"))
        .map_err(failed)?;
    let listed = names(store, &other)?;
    expect(listed == [b"moved".to_vec()], || {
        format!("after a move the folder lists {listed:?}")
    })?;
    store
        .rename_durably((top, b"other"), (top, b"renamed"))
        .map_err(failed)?;
    let listed = bench.names()?;
    expect(listed == [b"renamed".to_vec()], || {
        format!("after all that the folder lists {listed:?}")
    })?;
    Ok(None)
}

pub(super) fn hard_links(bench: &Bench<'_>) -> Outcome {
    let (store, top) = (bench.store, &bench.folder);
    if !store.capabilities().hard_links {
        return Ok(Some("the place has no hard links"));
    }
    let other = make(store, top, b"other")?;
    bench.write(b"first", b"content")?;
    store.hard_link((top, b"first"), (&other, b"second")).map_err(failed)?;
    let (first, second) = (bench.stat(b"first")?, store.stat(&other, b"second").map_err(failed)?);
    let one = second.is_some_and(|second| first.identity == second.identity && first.links == second.links);
    expect(one && first.links.is_none_or(|links| links == 2), || {
        format!("{first:?} and {second:?} are not one file")
    })?;
    let again = store.hard_link((top, b"first"), (&other, b"second"));
    expect_kind(again, StoreErrorKind::AlreadyExists, "linking to a name that is there")?;
    store.remove(top, b"first").map_err(failed)?;
    let left = Bench { store, folder: other }.read(b"second")?;
    expect(left == b"content", || {
        "the second name did not keep the content".to_owned()
    })?;
    Ok(None)
}

pub(super) fn symlinks(bench: &Bench<'_>) -> Outcome {
    let (store, top) = (bench.store, &bench.folder);
    if !store.capabilities().symlinks {
        return Ok(Some("the place has no symbolic links"));
    }
    bench.write(b"file", b"content")?;
    for (name, target) in [
        (&b"good"[..], &b"file"[..]),
        (b"dangling", b"/nowhere/at \xff"),
        (b"up", b".."),
    ] {
        store.symlink(top, name, target).map_err(failed)?;
        let read = store.read_link(top, name).map_err(failed)?;
        expect(read == target, || format!("a link to {target:?} came back as {read:?}"))?;
        expect(bench.stat(name)?.kind == EntryKind::Symlink, || {
            "a link is told as something else".to_owned()
        })?;
    }
    expect_kind(
        store.symlink(top, b"good", b"x"),
        StoreErrorKind::AlreadyExists,
        "making a link twice",
    )?;
    expect(store.open(top, b"good").is_err(), || {
        "a link was followed to be opened".to_owned()
    })?;
    expect(store.create(top, b"dangling").is_err(), || {
        "a link was followed to be created".to_owned()
    })?;
    store.remove(top, b"good").map_err(failed)?;
    expect(bench.read(b"file")? == b"content", || {
        "a link was followed to be removed".to_owned()
    })?;
    Ok(None)
}

pub(super) fn nodes(bench: &Bench<'_>) -> Outcome {
    let (store, top) = (bench.store, &bench.folder);
    if !store.capabilities().fifos {
        return Ok(Some("the place has no named pipes"));
    }
    store.make_node(top, b"pipe", EntryKind::Fifo, 0).map_err(failed)?;
    expect(bench.stat(b"pipe")?.kind == EntryKind::Fifo, || {
        "a pipe is told as something else".to_owned()
    })?;
    expect(store.open(top, b"pipe").is_err(), || {
        "a pipe was opened as a file".to_owned()
    })?;
    let wrong = store.make_node(top, b"folder", EntryKind::Dir, 0);
    expect_kind(wrong, StoreErrorKind::Unsupported, "making a node that is none")?;
    if !store.capabilities().devices {
        return Ok(None);
    }
    store
        .make_node(top, b"device", EntryKind::BlockDevice, 0x0701)
        .map_err(failed)?;
    let stat = bench.stat(b"device")?;
    expect(stat.kind == EntryKind::BlockDevice && stat.rdev == 0x0701, || {
        format!("a device came back as {stat:?}")
    })?;
    Ok(None)
}

pub(super) fn threads(bench: &Bench<'_>) -> Outcome {
    let work = |thread: usize| {
        for number in 0..50 {
            let name = format!("{thread}-{number}");
            bench.write(name.as_bytes(), name.as_bytes())?;
            let folder: Folder = make(bench.store, &bench.folder, format!("{name} folder").as_bytes())?;
            bench
                .store
                .rename((&bench.folder, name.as_bytes()), (&folder, b"inside"))
                .map_err(failed)?;
        }
        Ok::<_, String>(())
    };
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (0..6).map(|thread| scope.spawn(move || work(thread))).collect();
        threads.into_iter().try_for_each(super::super::concurrent::finished)
    })?;
    let listed = bench.names()?;
    expect(listed.len() == 300, || {
        format!("{} of 300 folders are listed", listed.len())
    })?;
    Ok(None)
}

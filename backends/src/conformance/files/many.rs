//! What is asked for many names at once does for each what is asked for one.

use engine_api::{Folder, NewMetadata, StoreError, StoreErrorKind};

use super::super::{expect, expect_kind};
use super::{Bench, Outcome, all_well, failed, names};

fn child(folder: &Folder, name: &[u8]) -> Result<Folder, String> {
    folder.child(name).map_err(|error| error.to_string())
}

fn kinds<T: std::fmt::Debug>(results: &[Result<T, StoreError>]) -> Vec<String> {
    let shown = |result: &Result<T, StoreError>| match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("{:?}", error.kind),
    };
    results.iter().map(shown).collect()
}

pub(super) fn folders(bench: &Bench<'_>) -> Outcome {
    let outer = child(&bench.folder, b"outer")?;
    let (inner, other) = (child(&outer, b"inner")?, child(&outer, b"other")?);
    let deepest = child(&inner, b"deepest")?;
    let (chain, all) = ([&outer, &inner, &deepest], [&outer, &inner, &deepest, &other]);
    let no = "AlreadyExists";
    for (asked, expected) in [
        (&chain[..], &["()", "()", "()"][..]),
        (&chain, &[no, no, no]),
        (&all, &[no, no, no, "()"]),
        (&all, &[no, no, no, no]),
    ] {
        let made = kinds(&bench.store.make_folders(asked));
        expect(made == expected, || format!("folders in one another: {made:?}"))?;
    }
    let nowhere = child(&bench.folder, b"nowhere")?;
    let made = kinds(
        &bench
            .store
            .make_folders(&[&child(&nowhere, b"a")?, &child(&nowhere, b"b")?]),
    );
    expect(made == ["NotFound", "NotFound"], || {
        format!("folders in no folder: {made:?}")
    })?;
    let listed = names(bench.store, &outer)?;
    expect(listed == [b"inner".to_vec(), b"other".to_vec()], || {
        format!("the folder lists {listed:?}")
    })?;
    Ok(None)
}

pub(super) fn links(bench: &Bench<'_>) -> Outcome {
    let (store, top) = (bench.store, &bench.folder);
    if !store.capabilities().hard_links {
        return Ok(Some("hard links are not kept"));
    }
    bench.write(b"one", b"first")?;
    bench.write(b"two", b"second")?;
    let to = super::make(store, top, b"to")?;
    let asked: [&[u8]; 3] = [b"one", b"gone", b"two"];
    let linked = store.hard_links_if(top, &to, &asked, &|place, stat| place == 0 && stat.size == 5);
    let linked = kinds(&linked);
    expect(linked == ["true", "false", "false"], || {
        format!("a link that fits, one to nothing and one that does not fit: {linked:?}")
    })?;
    let listed = names(store, &to)?;
    expect(listed == [b"one".to_vec()], || format!("links were left: {listed:?}"))?;
    let again = kinds(&store.hard_links_if(top, &to, &[b"one", b"two"], &|_, _| true));
    expect(again == ["AlreadyExists", "true"], || {
        format!("a link whose name is taken, and one whose is not: {again:?}")
    })?;
    if store.capabilities().symlinks {
        store.symlink(top, b"alias", b"to").map_err(failed)?;
        let alias = child(top, b"alias")?;
        super::make(store, top, b"new")?;
        let led = store.hard_links_if(&alias, &child(top, b"new")?, &[b"one"], &|_, _| true);
        let into = store.hard_links_if(top, &alias, &[b"alias"], &|_, _| true);
        let followed = led.into_iter().chain(into).any(|result| matches!(result, Ok(true)));
        let listed = (names(store, &child(top, b"new")?)?, names(store, &to)?);
        expect(!followed && listed.0.is_empty() && listed.1.len() == 2, || {
            "links were made through a symbolic link".to_owned()
        })?;
    }
    let removed = kinds(&store.remove_all(&to, &[b"one", b"gone", b"two"]));
    expect(removed == ["()", "NotFound", "()"], || {
        format!("two that are there and one that is not were removed: {removed:?}")
    })?;
    Ok(None)
}

/// What a store may know of a folder from the links before is no answer when that was changed.
pub(super) fn changed_links(bench: &Bench<'_>) -> Outcome {
    const FILES: usize = 150;
    let (store, top) = (bench.store, &bench.folder);
    if !store.capabilities().hard_links {
        return Ok(Some("hard links are not kept"));
    }
    let own: Vec<Vec<u8>> = (0..FILES).map(|number| format!("{number}").into_bytes()).collect();
    for name in &own {
        bench.write(name, b"old")?;
    }
    let asked: Vec<&[u8]> = own.iter().map(Vec::as_slice).collect();
    let (first, second) = asked.split_at(FILES / 2);
    let to = super::make(store, top, b"to")?;
    let is_old = |_, stat: &engine_api::FileStat| stat.size == 3;
    let linked = kinds(&store.hard_links_if(top, &to, first, &is_old));
    expect(linked.iter().all(|result| result == "true"), || {
        format!("links to files of one folder: {linked:?}")
    })?;
    let [removed, again, ..] = second else {
        return Err("too few files".to_owned());
    };
    let gone = kinds(&store.remove_all(top, &[removed]));
    expect(gone == ["()"], || format!("one was removed: {gone:?}"))?;
    store.remove(top, again).map_err(failed)?;
    bench.write(again, b"made again")?;
    let linked = kinds(&store.hard_links_if(top, &to, second, &is_old));
    let expected = |place: usize| if place < 2 { "false" } else { "true" };
    let is_right = linked
        .iter()
        .enumerate()
        .all(|(place, result)| result == expected(place));
    expect(is_right, || {
        format!("one that is gone, one that was made anew, and the rest: {linked:?}")
    })?;
    let listed = names(store, &to)?.len();
    expect(listed == FILES - 2, || format!("{listed} of {FILES} links were made"))?;
    Ok(None)
}

pub(super) fn whole_files(bench: &Bench<'_>) -> Outcome {
    let (store, top) = (bench.store, &bench.folder);
    let file = store.create(top, b"file").map_err(failed)?;
    file.write_at(0, b"some content").map_err(failed)?;
    let modes = store.capabilities().modes;
    let new = NewMetadata {
        mode: modes.then_some(0o640),
        ..NewMetadata::default()
    };
    all_well(file.complete(&new, true).map_err(failed)?)?;
    let mode = bench.stat(b"file")?.mode;
    expect(!modes || mode == 0o640, || format!("the mode is {mode:o}"))?;
    for (most, expected) in [
        (4, &b"some"[..]),
        (12, b"some content"),
        (100, b"some content"),
        (0, b""),
    ] {
        let (stat, start) = store.read_start(top, b"file", most).map_err(failed)?;
        expect(start == expected && stat.size == 12, || {
            format!("the first {most} bytes are {start:?} of {}", stat.size)
        })?;
    }
    let missing = store.read_start(top, b"gone", 10).map(drop);
    expect_kind(missing, StoreErrorKind::NotFound, "reading what is not there")?;
    super::make(store, top, b"folder")?;
    let folder = store.read_start(top, b"folder", 10);
    expect(folder.is_err(), || "a folder was read".to_owned())?;
    Ok(None)
}

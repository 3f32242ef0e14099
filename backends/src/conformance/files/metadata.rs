use std::ffi::OsString;

use engine_api::{NewMetadata, Timestamp, Xattr};

use super::super::expect;
use super::{Bench, Outcome, all_well, failed, make};

const NOTHING: NewMetadata<'_> = NewMetadata {
    owner: None,
    mode: None,
    mtime: None,
    atime: None,
    xattrs: None,
};

pub(super) fn modes(bench: &Bench<'_>) -> Outcome {
    let (store, top) = (bench.store, &bench.folder);
    if !store.capabilities().modes {
        return Ok(Some("the place has no modes"));
    }
    make(store, top, b"folder")?;
    bench.write(b"file", b"")?;
    expect(bench.stat(b"file")?.mode == 0o600, || {
        "a new file is open to others".to_owned()
    })?;
    expect(bench.stat(b"folder")?.mode & 0o077 == 0, || {
        "a new folder is open to others".to_owned()
    })?;
    for (name, mode) in [
        (&b"file"[..], 0o4755),
        (b"file", 0o400),
        (b"folder", 0o1777),
        (b"folder", 0o755),
    ] {
        let new = NewMetadata {
            mode: Some(mode),
            ..NOTHING
        };
        all_well(store.set_metadata(top, name, &new))?;
        let stat = bench.stat(name)?;
        expect(stat.mode == mode, || {
            format!("the mode {mode:o} came back as {:o}", stat.mode)
        })?;
    }
    Ok(None)
}

pub(super) fn owners(bench: &Bench<'_>) -> Outcome {
    let (store, top) = (bench.store, &bench.folder);
    if !store.capabilities().owners {
        return Ok(Some("nothing can be given to others there"));
    }
    bench.write(b"file", b"")?;
    let new = NewMetadata {
        owner: Some((1234, 2345)),
        mode: Some(0o6755),
        ..NOTHING
    };
    all_well(store.set_metadata(top, b"file", &new))?;
    let stat = bench.stat(b"file")?;
    let right = (stat.uid, stat.gid) == (1234, 2345) && (stat.mode == 0o6755 || !store.capabilities().modes);
    expect(right, || {
        format!("the owner 1234:2345 and mode 6755 came back as {stat:?}")
    })?;
    if store.capabilities().symlinks && store.capabilities().link_metadata {
        store.symlink(top, b"link", b"file").map_err(failed)?;
        let new = NewMetadata {
            owner: Some((7, 8)),
            mode: Some(0o600),
            ..NOTHING
        };
        all_well(store.set_metadata(top, b"link", &new))?;
        let (link, file) = (bench.stat(b"link")?, bench.stat(b"file")?);
        expect((link.uid, file.uid) == (7, 1234) && file.mode == stat.mode, || {
            "a link was followed to be given away".to_owned()
        })?;
    }
    Ok(None)
}

pub(super) fn times(bench: &Bench<'_>) -> Outcome {
    let (store, top) = (bench.store, &bench.folder);
    let unit = i64::from(store.capabilities().time_unit.max(1));
    let time = Timestamp {
        seconds: 1_234_567_891,
        nanos: 123_456_789,
    };
    let total = |time: Timestamp| time.seconds * 1_000_000_000 + i64::from(time.nanos);
    make(store, top, b"folder")?;
    let file = store.create(top, b"file").map_err(failed)?;
    file.write_at(0, b"content").map_err(failed)?;
    let new = NewMetadata {
        mtime: Some(time),
        ..NOTHING
    };
    all_well(file.set_metadata(&new))?;
    file.close().map_err(failed)?;
    all_well(store.set_metadata(top, b"folder", &new))?;
    let mut all = vec![&b"file"[..], b"folder"];
    if store.capabilities().symlinks && store.capabilities().link_metadata {
        store.symlink(top, b"link", b"file").map_err(failed)?;
        all_well(store.set_metadata(top, b"link", &new))?;
        all.push(b"link");
    }
    for name in all {
        let stat = bench.stat(name)?;
        let off = (total(stat.mtime) - total(time)).abs();
        expect(off < unit, || {
            format!(
                "{}: the time {time:?} came back as {:?}",
                String::from_utf8_lossy(name),
                stat.mtime
            )
        })?;
    }
    Ok(None)
}

pub(super) fn xattrs(bench: &Bench<'_>) -> Outcome {
    let (store, top) = (bench.store, &bench.folder);
    bench.write(b"file", b"")?;
    if !store.capabilities().xattrs {
        let none = store.xattrs(top, b"file").map_err(failed)?;
        expect(none.is_empty(), || {
            format!("there are {none:?} where the place has none")
        })?;
        return Ok(Some("the place has no extended attributes"));
    }
    let xattr = |name: &str, value: &[u8]| Xattr {
        name: OsString::from(name),
        value: value.to_vec(),
    };
    let all = [
        xattr("user.empty", b""),
        xattr("user.long", &[b'x'; 1500]),
        xattr("user.one", b"\0\xff"),
    ];
    for wanted in [&all[..], all.get(1..2).unwrap_or_default(), &[]] {
        let new = NewMetadata {
            xattrs: Some(wanted),
            ..NOTHING
        };
        all_well(store.set_metadata(top, b"file", &new))?;
        let mut read = store.xattrs(top, b"file").map_err(failed)?;
        read.retain(|xattr| xattr.name.to_string_lossy().starts_with("user."));
        expect(read == wanted, || format!("{wanted:?} came back as {read:?}"))?;
    }
    Ok(None)
}

use std::io::{BufReader, Read};
use std::ops::ControlFlow;

use engine_api::{Key, ObjectMeta, StoreErrorKind};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};

use super::layout::{CONFIG, FOLDERS, key_of, remote_name};
use super::{Rest, VERSION_2, is_rclone};
use crate::http::Failure;

type Each<'a> = dyn FnMut(ObjectMeta) -> ControlFlow<()> + 'a;

/// Hands over the objects at or below `folder`, which ends in no slash.
pub(super) fn list(rest: &Rest, folder: &str, each: &mut Each<'_>) -> Result<(), Failure> {
    if folder.is_empty() {
        if single(rest, CONFIG, each)?.is_break() {
            return Ok(());
        }
        for name in FOLDERS {
            if whole(rest, name, each)?.is_break() {
                return Ok(());
            }
        }
        return Ok(());
    }
    if FOLDERS.contains(&folder) {
        return whole(rest, folder, each).map(|_| ());
    }
    match folder.strip_prefix("data/") {
        Some(first_two) if first_two.len() == 2 => {
            let below = format!("{folder}/");
            whole(rest, "data", &mut |object: ObjectMeta| {
                if object.key.as_bytes().starts_with(below.as_bytes()) {
                    each(object)
                } else {
                    ControlFlow::Continue(())
                }
            })
            .map(|_| ())
        }
        _ => single(rest, folder, each).map(|_| ()),
    }
}

/// `name` may be one object.
fn single(rest: &Rest, name: &str, each: &mut Each<'_>) -> Result<ControlFlow<()>, Failure> {
    let Some((key, remote)) = Key::new(name).ok().and_then(|key| {
        let remote = remote_name(&key)?;
        Some((key, remote))
    }) else {
        return Ok(ControlFlow::Continue(()));
    };
    match rest.size(&remote) {
        Ok(size) => Ok(each(ObjectMeta { key, size })),
        Err(failure) if failure.kind() == StoreErrorKind::NotFound => Ok(ControlFlow::Continue(())),
        Err(failure) => Err(failure),
    }
}

/// Hands over all objects of one of the repository's folders.
fn whole(rest: &Rest, folder: &str, each: &mut Each<'_>) -> Result<ControlFlow<()>, Failure> {
    let answer = rest.ask("GET", &format!("{folder}/"))?;
    if answer.status == 404 {
        // rclone's server says that for faults of its own, too, and never for a folder that is not there.
        if is_rclone(&answer) {
            return Err(answer.refusal().into());
        }
        return answer.finish().map(|()| ControlFlow::Continue(()));
    }
    let answer = answer.expect(&[200])?;
    let version_2 = answer
        .header("content-type")
        .is_some_and(|kind| kind.trim() == VERSION_2);
    let mut reader = BufReader::new(answer.reader());
    if version_2 {
        return with_sizes(&mut reader, folder, each);
    }
    let names: Vec<String> = serde_json::from_reader(&mut reader).map_err(nonsense)?;
    for name in names {
        if let Some(key) = key_of(folder, &name)
            && single(rest, &key.to_string(), each)?.is_break()
        {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// One object as version 2 lists it.
#[derive(Deserialize)]
struct Item {
    name: String,
    size: u64,
}

/// Hands the objects over while they are read, for a list of a million would not be small.
fn with_sizes(reader: &mut impl Read, folder: &str, each: &mut Each<'_>) -> Result<ControlFlow<()>, Failure> {
    let mut flow = ControlFlow::Continue(());
    let mut take = |item: Item| {
        if let Some(key) = key_of(folder, &item.name) {
            flow = each(ObjectMeta { key, size: item.size });
        }
        flow
    };
    let mut deserializer = serde_json::Deserializer::from_reader(&mut *reader);
    let parsed = Items(&mut take)
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end());
    match parsed {
        // The rest is not wanted.
        _ if flow.is_break() => Ok(flow),
        Ok(()) => Ok(flow),
        Err(error) => Err(nonsense(error)),
    }
}

struct Items<'a>(&'a mut dyn FnMut(Item) -> ControlFlow<()>);

impl<'de> DeserializeSeed<'de> for Items<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        // Go's way to write an empty list.
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element()? {
            if (self.0)(item).is_break() {
                return Err(A::Error::custom("enough"));
            }
        }
        Ok(())
    }
}

fn nonsense(error: serde_json::Error) -> Failure {
    if error.is_io() {
        return std::io::Error::from(error).into();
    }
    Failure::Nonsense(format!("the server's list cannot be read ({error})"))
}

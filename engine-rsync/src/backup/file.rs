//! Saving one file: linked to the snapshot before where nothing changed, else copied.

use std::fs::File;
use std::sync::Arc;

use engine_api::{Change, EntryKind, Event, FileStat, Metadata, Problem, StoreError};
use fstree::Stat;

use super::batch::{Item, Saved, Tools};
use super::copy::{self, Copied, Failed};
use super::level::Level;
use super::{Context, stored};
use crate::error::Result;
use crate::manifest::Record;
use crate::removal::remove_tree;

/// How often a file is copied that changes meanwhile.
const TRIES: usize = 3;

/// Saves a file.
pub fn save(level: &Arc<Level>, item: &Item, context: &Context<'_>, tools: &mut Tools) -> Result<Saved> {
    if let Some(saved) = save_untouched(level, item, context)? {
        return Ok(saved);
    }
    if context.dry_run {
        return Ok(foresee(item, context));
    }
    context.progress.event(Event::Started(item.found.path()));
    let mut tries = 1;
    loop {
        let (file, stat) = match item.found.open() {
            Ok(opened) => opened,
            Err(problem) => return unreadable(level, item, problem, context),
        };
        let saved = match save_open(level, item, &file, &stat, context, tools)? {
            Ok(saved) => saved,
            Err(problem) => return unreadable(level, item, problem, context),
        };
        if !has_changed(&file, &stat) {
            return Ok(saved);
        }
        if tries == TRIES {
            context.counters.problem(Problem {
                path: item.found.path().to_owned(),
                action: "read",
                cause: format!("it changed while it was copied, {TRIES} times; the copy may be of no one moment"),
            });
            return Ok(saved);
        }
        tries += 1;
        clear_again(level, item, context)?;
    }
}

/// Links the file if nothing of it was touched since the snapshot before.
fn save_untouched(level: &Arc<Level>, item: &Item, context: &Context<'_>) -> Result<Option<Saved>> {
    let Some(before) = untouched(item, context) else {
        return Ok(None);
    };
    if !context.dry_run && !link_before(level, item, context)? {
        return Ok(None);
    }
    Ok(Some(linked(item, before, context)))
}

/// What the snapshot before has, if nothing of the file was touched since.
fn untouched<'a>(item: &'a Item, context: &Context<'_>) -> Option<&'a Record> {
    let (Some(base), Some(before)) = (context.base, &item.before) else {
        return None;
    };
    let stat = item.found.stat();
    let known = before.digest.is_some() && !context.force_read && base.is_untouched(before, stat);
    (known && !is_relinked(before, stat, context)).then_some(before)
}

fn linked(item: &Item, before: &Record, context: &Context<'_>) -> Saved {
    let stat = item.found.stat();
    context.progress.event(Event::Bytes(stat.size));
    let mut record = before.clone();
    renew(&mut record.metadata, stat, context);
    Saved::As(Box::new(record), Change::Unchanged)
}

/// Whether a link is all that there is to do for the entry, and nothing else depends on it.
pub fn is_only_linked(item: &Item, context: &Context<'_>) -> bool {
    let stat = item.found.stat();
    let plain = stat.kind == EntryKind::File && stat.links < 2 && !context.resumes && !context.dry_run;
    plain && untouched(item, context).is_some()
}

/// Links entries of one folder at once; `None` for each that has to be saved in another way.
pub fn link_together(level: &Arc<Level>, items: &[Item], context: &Context<'_>) -> Result<Vec<Option<Saved>>> {
    let linked = link_all(level, items, context)?;
    let outcome = |(item, is_linked): (&Item, bool)| {
        let before = item.before.as_ref().filter(|_| is_linked)?;
        Some(self::linked(item, before, context))
    };
    Ok(items.iter().zip(linked).map(outcome).collect())
}

/// Links entries of one folder, where nothing of an earlier run lies, to what the snapshot before has under their paths;
/// `false` for each that is not there as it was saved, or cannot be linked once more.
fn link_all(level: &Arc<Level>, items: &[Item], context: &Context<'_>) -> Result<Vec<bool>> {
    let Some(folder) = &level.base else {
        return Ok(vec![false; items.len()]);
    };
    let to = level.ready(context)?;
    let names: Vec<&[u8]> = items.iter().map(Item::name).collect();
    let before = |place: usize| items.get(place).and_then(|item| item.before.as_ref());
    let fits = |place: usize, stat: &FileStat| before(place).is_some_and(|before| is_as_saved(stat, before, context));
    let results = context.store.hard_links_if(folder, to, &names, &fits);
    let outcome = |result: std::result::Result<bool, StoreError>| match result {
        Err(error) if !stored::is_of_one_entry(&error) => Err(error.into()),
        other => Ok(other.unwrap_or(false)),
    };
    results.into_iter().map(outcome).collect()
}

/// What `lstat` tells beside what proved the file untouched.
fn renew(metadata: &mut Metadata, stat: &Stat, context: &Context<'_>) {
    metadata.atime = stat.atime;
    metadata.device = stat.device;
    metadata.links = stat.links;
    metadata.user = context.names.user(stat.uid);
    metadata.group = context.names.group(stat.gid);
}

/// Whether the name was one of a group of hard links and is one of another now, or the other way round: then it must not
/// share its inode with the old ones.
fn is_relinked(before: &Record, stat: &Stat, context: &Context<'_>) -> bool {
    let saved = &before.metadata;
    let told = context.base.is_some_and(|base| base.from_source);
    told && saved.links.max(stat.links) > 1 && (saved.inode != stat.inode || stat.links == 1)
}

/// Saves an open file; the inner error is one of the source.
fn save_open(
    level: &Arc<Level>,
    item: &Item,
    file: &File,
    stat: &Stat,
    context: &Context<'_>,
    tools: &mut Tools,
) -> Result<Result<Saved, Problem>> {
    let (metadata, problems) = item.found.metadata_of(file, stat, &context.names);
    problems
        .into_iter()
        .for_each(|problem| context.counters.problem(problem));
    let mut record = item.record(metadata);
    match take_over(level, item, file, &mut record, context, tools)? {
        Ok(false) => {}
        Ok(true) => {
            context.progress.event(Event::Bytes(record.metadata.size));
            return Ok(Ok(Saved::As(Box::new(record), Change::Unchanged)));
        }
        Err(problem) => return Ok(Err(problem)),
    }
    let before = item
        .before
        .as_ref()
        .filter(|before| !is_relinked(before, stat, context));
    let copied = match copy::copy(level, item, before, file, &record.metadata, context, tools) {
        Ok(copied) => copied,
        Err(Failed::Source(error)) => return Ok(Err(problem(item, &error))),
        Err(Failed::Stored(error)) if stored::is_of_one_entry(&error) => {
            context.counters.problem(stored::problem(item.found.path(), &error));
            return Ok(Ok(Saved::LeftOut));
        }
        Err(Failed::Stored(error)) => return Err(error.into()),
        Err(Failed::Run(error)) => return Err(error),
    };
    let Copied {
        digest,
        size,
        sparse,
        linked,
        mtime,
    } = copied;
    record.digest = Some(digest);
    record.metadata.size = size;
    record.metadata.mtime = mtime.unwrap_or(record.metadata.mtime);
    record.sparse = sparse;
    let change = if linked { Change::Unchanged } else { item.change() };
    Ok(Ok(Saved::As(Box::new(record), change)))
}

/// Links the file when its times say that the content is the same, and so is all else that the place keeps.
fn take_over(
    level: &Arc<Level>,
    item: &Item,
    file: &File,
    record: &mut Record,
    context: &Context<'_>,
    tools: &mut Tools,
) -> Result<Result<bool, Problem>> {
    let (Some(base), Some(before)) = (context.base, &item.before) else {
        return Ok(Ok(false));
    };
    let wanted = &record.metadata;
    // A file that was changed while the backup before ran may have changed after it was read, within one tick of its time.
    let trusted = !base.from_source || wanted.ctime < base.began || wanted.mtime.seconds + 1 < base.began.seconds;
    let same = !context.force_read
        && trusted
        && before.metadata.size == wanted.size
        && same_mtime(before, wanted, base.from_source)
        && context.keeps.same_metadata(&before.metadata, wanted)
        && !is_relinked(before, item.found.stat(), context);
    if !same {
        return Ok(Ok(false));
    }
    let (digest, sparse) = match before.digest {
        Some(digest) => (digest, before.sparse),
        None => match copy::digest(file, wanted.size, context, tools) {
            Ok(known) => known,
            Err(Failed::Source(error)) => return Ok(Err(problem(item, &error))),
            Err(Failed::Stored(error)) => return Err(error.into()),
            Err(Failed::Run(error)) => return Err(error),
        },
    };
    if !link_before(level, item, context)? {
        return Ok(Ok(false));
    }
    record.digest = Some(digest);
    record.sparse = sparse;
    Ok(Ok(true))
}

/// Whether the content is that of the same moment. A tree that a program copied that knows no nanoseconds has whole
/// seconds.
fn same_mtime(before: &Record, wanted: &Metadata, exact: bool) -> bool {
    let saved = before.metadata.mtime;
    saved == wanted.mtime || (!exact && saved.seconds == wanted.mtime.seconds)
}

/// Links the entry to what the snapshot before has under its path; `false` when that is not as it was saved, or cannot be
/// linked once more.
pub fn link_before(level: &Arc<Level>, item: &Item, context: &Context<'_>) -> Result<bool> {
    let (Some(folder), Some(before)) = (&level.base, &item.before) else {
        return Ok(false);
    };
    let name = item.name();
    if !context.resumes {
        let linked = link_all(level, std::slice::from_ref(item), context)?;
        return Ok(linked.first().copied().unwrap_or(false));
    }
    let stat = match context.store.stat(folder, name) {
        Ok(Some(stat)) if is_as_saved(&stat, before, context) => stat,
        Err(error) if !stored::is_of_one_entry(&error) => return Err(error.into()),
        _ => return Ok(false),
    };
    let to = level.ready(context)?;
    if level.take_existing(context, name).is_some() {
        let there = context.store.stat(to, name)?;
        if there.is_some_and(|there| there.identity.is_some() && there.identity == stat.identity) {
            return Ok(true);
        }
        remove_tree(context.store, to, name, context.progress)?;
    }
    match context.store.hard_link((folder, name), (to, name)) {
        Ok(()) => Ok(true),
        Err(error) if stored::is_of_one_entry(&error) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether what is stored is what was, as far as a look tells.
fn is_as_saved(stat: &FileStat, before: &Record, context: &Context<'_>) -> bool {
    let saved = &before.metadata;
    stat.kind == saved.kind
        && stat.size == saved.size
        && (saved.kind != EntryKind::File || context.keeps.same_time(stat.mtime, saved.mtime))
}

/// Removes what an earlier run left under the name.
pub fn clear(level: &Arc<Level>, item: &Item, context: &Context<'_>) -> Result<()> {
    if level.take_existing(context, item.name()).is_some() {
        clear_again(level, item, context)?;
    }
    Ok(())
}

fn clear_again(level: &Arc<Level>, item: &Item, context: &Context<'_>) -> Result<()> {
    let folder = level.ready(context)?;
    remove_tree(context.store, folder, item.name(), context.progress)?;
    Ok(())
}

/// The version of the snapshot before stays when the file cannot be read now; what has vanished is left out.
fn unreadable(level: &Arc<Level>, item: &Item, problem: Problem, context: &Context<'_>) -> Result<Saved> {
    if problem.cause == std::io::Error::from_raw_os_error(rustix::io::Errno::NOENT.raw_os_error()).to_string() {
        return Ok(Saved::LeftOut);
    }
    context.counters.problem(problem);
    match &item.before {
        Some(before) if link_before(level, item, context)? => {
            let text = format!(
                "{}: cannot be read now; the snapshot has the version of the one before",
                item.found.path().display()
            );
            context.progress.event(Event::Notice(&text));
            Ok(Saved::As(Box::new(before.clone()), Change::Unchanged))
        }
        _ => Ok(Saved::LeftOut),
    }
}

fn problem(item: &Item, error: &std::io::Error) -> Problem {
    Problem {
        path: item.found.path().to_owned(),
        action: "read",
        cause: error.to_string(),
    }
}

/// Whether the file was written to since it was opened.
fn has_changed(file: &File, before: &Stat) -> bool {
    rustix::fs::fstat(file)
        .map(Stat::from)
        .is_ok_and(|now| (now.size, now.mtime) != (before.size, before.mtime))
}

/// What a dry run can say of a file without reading it.
fn foresee(item: &Item, context: &Context<'_>) -> Saved {
    let (metadata, _) = item.found.metadata(&context.names);
    let same = item.before.as_ref().is_some_and(|before| {
        before.metadata.size == metadata.size
            && same_mtime(before, &metadata, context.base.is_some_and(|base| base.from_source))
            && context.keeps.same_metadata(&before.metadata, &metadata)
    });
    if !same {
        context.counters.added(metadata.size);
    }
    let change = if same { Change::Unchanged } else { item.change() };
    Saved::As(Box::new(item.record(metadata)), change)
}

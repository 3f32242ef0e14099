//! The threads of a backup and the queues between them.

use crossbeam_channel::{Receiver, Sender, bounded};

use super::Context;
use super::assemble::{Assembler, ToPack};
use super::file::{self, FileTask};
use super::journal::{Growing, Journal};
use super::message::Pending;
use super::plan::Plan;
use super::segment::Packer;
use super::spool::Spools;
use super::volume;
use crate::archive::Archive;
use crate::error::{Error, Result};
use crate::format::Container;

/// Entries that wait for being put in order.
const ENTRIES: usize = 1024;

/// What the threads made.
pub struct Made {
    pub spools: Spools,
    pub journal: Journal,
}

/// Runs them all to their ends. What goes into the set comes from `produce`, on this thread: in order to the one end, and
/// files that are to be read to the other.
pub fn run(
    context: &Context<'_>,
    archive: &Archive,
    plan: &Plan,
    produce: impl FnOnce(Sender<Pending>, Sender<FileTask>) -> Result<()>,
) -> Result<Made> {
    let (journal, spools) = begin(context, archive, plan)?;
    let threads = context.settings.threads.max(1);
    let (pending_in, pending) = bounded(ENTRIES);
    let (files_in, files) = bounded(ENTRIES);
    let (to_pack_in, to_pack) = bounded(threads);
    let (in_order_in, in_order) = bounded(threads * 2 + 2);
    let (full_in, full) = bounded(0);
    let first = plan.resume.as_ref().map_or(1, |resume| resume.next_volume());
    let (spools, journal) = std::thread::scope(|scope| {
        for _ in 0..threads {
            let (files, to_pack) = (files.clone(), to_pack.clone());
            scope.spawn(move || context.note(read_all(&files, context)));
            scope.spawn(move || context.note(pack_all(&to_pack, context)));
        }
        // Only the workers hold these ends now: when they are gone, whoever sends to them learns it.
        drop((files, to_pack));
        let assembler = Assembler::new(context, spools, to_pack_in, in_order_in);
        let assembled = scope.spawn(move || context.note(assembler.run(&pending)));
        scope.spawn(move || context.note(volume::fill(context, &in_order, &full_in, first)));
        let stored = scope.spawn(move || context.note(volume::store(context, &full, journal)));
        context.note(produce(pending_in, files_in));
        (assembled.join().ok().flatten(), stored.join().ok().flatten())
    });
    match (context.take_failure(), spools, journal) {
        (None, Some(spools), Some(journal)) => Ok(Made { spools, journal }),
        (Some(error), ..) => Err(error),
        _ => Err(Error::Interrupted),
    }
}

fn begin(context: &Context<'_>, archive: &Archive, plan: &Plan) -> Result<(Journal, Spools)> {
    let settings = &plan.fingerprint;
    let Some(resume) = &plan.resume else {
        let (journal, growing) = Journal::create(archive, plan.set, settings, plan.manifest.clone(), context.dry_run)?;
        let Growing { signatures, files } = growing;
        return Ok((journal, Spools::new(signatures, files)));
    };
    let (journal, growing) = Journal::resume(archive, &resume.noted, settings, plan.manifest.clone())?;
    let position = resume.mark().map(|mark| mark.spools.clone()).unwrap_or_default();
    let spools = Spools::resume(growing.signatures, growing.files, &position)?;
    let spools = spools.ok_or_else(|| Error::resume("its signature file is not what it was"))?;
    Ok((journal, spools))
}

fn read_all(files: &Receiver<FileTask>, context: &Context<'_>) -> Result<()> {
    for task in files {
        context.failed()?;
        file::read(task, context)?;
    }
    Ok(())
}

fn pack_all(segments: &Receiver<ToPack>, context: &Context<'_>) -> Result<()> {
    let mut packer = Packer::new(context.container == Container::Gzip);
    for ToPack { segment, packed } in segments {
        let done = segment.pack(&mut packer)?;
        context.hand(&packed, done)?;
    }
    Ok(())
}

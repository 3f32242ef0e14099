//! Doing what was planned.

use std::path::Path;
use std::sync::Arc;

use crossbeam_channel::Receiver;
use engine_api::{Change, EntryKind, FileStat, Folder, Overwrite, StoreError, Timestamp};

use super::Context;
use super::copy::{Buffers, Failure, Source, copy};
use super::existing::Decision;
use super::job::{Batch, First, Job, Task};
use crate::error::{Error, Result, is_out_of_reach};
use crate::manifest::Record;
use crate::time::same_time;

/// Up to this size a file that is far away is read at once.
const SMALL: u64 = 64 << 10;

/// What a worker keeps from job to job.
struct Worker<'a, 'c> {
    context: &'a Context<'c>,
    buffers: Buffers,
}

/// Does all jobs of all batches until there are no more.
pub fn run(context: &Context<'_>, batches: &Receiver<Batch>) -> Result<()> {
    let mut worker = Worker {
        context,
        buffers: Buffers::default(),
    };
    for batch in batches {
        context.go_on()?;
        for job in batch.jobs {
            let folder = Arc::clone(&job.folder);
            let outcome = worker.job(job);
            folder.done(context);
            outcome?;
        }
    }
    Ok(())
}

impl Worker<'_, '_> {
    fn job(&mut self, job: Job) -> Result<()> {
        match &job.task {
            Task::File(Decision::Right, _named) => {
                self.right(&job.record, &job.path);
                Ok(())
            }
            Task::File(decision, _named) => self.write(&job, *decision == Decision::Update),
            Task::Link(first) => self.link(&job, first),
        }
    }

    /// The content is there already.
    fn right(&self, record: &Record, path: &Path) {
        let counters = &self.context.counters;
        let size = record.metadata.size;
        counters.problems(self.context.target.set_metadata(path, &record.metadata));
        counters.bytes(0, size);
        counters.finished(path, EntryKind::File, Change::Unchanged, size);
    }

    fn write(&mut self, job: &Job, update: bool) -> Result<()> {
        let (record, path) = (&job.record, job.path.as_path());
        let context = self.context;
        let permit = (record.metadata.size > SMALL).then(|| context.readers.take(1));
        let (source, stat) = match self.open(record, &job.stored) {
            Ok(opened) => opened,
            Err(Error::Store(error)) => return self.unreadable(path, error),
            Err(error) => return Err(error),
        };
        let mut metadata = record.metadata.clone();
        let unit = self.context.store.capabilities().time_unit;
        let touched = stat.size != metadata.size || !same_time(stat.mtime, metadata.mtime, unit);
        let from_manifest = self.context.stored.manifest.is_some();
        if touched && from_manifest {
            let cause = "it was changed after it was saved; it is restored as it is now";
            self.context.counters.failed(path, "restore as it was", &cause);
            (metadata.size, metadata.mtime) = (stat.size, stat.mtime);
        }
        let digest = record.digest.filter(|_| !touched);
        let written = self.write_from(&source, path, metadata, (record.sparse, digest), update);
        if permit.is_some() && context.is_far() {
            // Of many threads few need large buffers at a time.
            self.buffers = Buffers::default();
        }
        written
    }

    fn open(&self, record: &Record, folder: &Folder) -> Result<(Source, FileStat)> {
        let name = record.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let store = self.context.store;
        if self.context.is_far() && !record.sparse && record.metadata.size <= SMALL {
            let most = usize::try_from(record.metadata.size).unwrap_or(0) + 1;
            let (stat, content) = store.read_start(folder, name, most)?;
            // One that has grown is read in another way.
            if content.len() < most && stat.size == content.len() as u64 {
                return Ok((Source::Read(content), stat));
            }
        }
        let file = store.open(folder, name)?;
        let stat = file.stat()?;
        Ok((Source::Open(file), stat))
    }

    /// One file that cannot be read does not end the restore, a place that cannot be reached does.
    fn unreadable(&self, path: &Path, error: StoreError) -> Result<()> {
        if is_out_of_reach(&error) {
            return Err(error.into());
        }
        let cause = engine_api::Error::from(error).chain();
        self.context.counters.failed(path, "read what is stored of", &cause);
        Ok(())
    }

    fn write_from(
        &mut self,
        source: &Source,
        path: &Path,
        mut metadata: engine_api::Metadata,
        (sparse, digest): (bool, Option<crate::manifest::Digest>),
        update: bool,
    ) -> Result<()> {
        let context = self.context;
        let target = if sparse { &context.sparse } else { &context.target };
        let size = metadata.size;
        let made = if update {
            target.update_file(path, size)
        } else {
            target.create_file(path, size)
        };
        let file = match made {
            Ok(file) => file,
            Err(error) => {
                context.counters.failed(path, "create", &error);
                return Ok(());
            }
        };
        let existing = if file.is_new() {
            None
        } else {
            context.target.open_existing(path).ok()
        };
        let copied = copy(
            context,
            source,
            &file,
            existing.as_ref(),
            (size, sparse),
            &mut self.buffers,
        );
        let whole = match copied {
            Ok(found) if found.is_none() || digest.is_none() || found == digest => true,
            Ok(_) => {
                let cause = "what is stored is damaged: its digest is not that of what was saved";
                context.counters.failed(path, "restore as it was", &cause);
                false
            }
            Err(Failure::Stop(error)) => return Err(error),
            Err(Failure::Read(error)) => {
                self.unreadable(path, error)?;
                false
            }
            Err(Failure::Write(error)) => {
                context.counters.failed(path, "write", &error);
                false
            }
        };
        if !whole {
            // The time tells that it is not what was saved.
            metadata.mtime = Timestamp::now();
        }
        context.counters.problems(file.finish(&metadata));
        context.counters.finished(path, EntryKind::File, Change::Changed, size);
        Ok(())
    }

    fn link(&mut self, job: &Job, first: &First) -> Result<()> {
        let existing = first.wait();
        let context = self.context;
        let kind = job.record.metadata.kind;
        if context.dry_run {
            return Ok(());
        }
        let look = |path: &Path| context.target.stat(path).ok().flatten();
        let other = look(&job.path);
        if let (Some(one), Some(other)) = (look(existing), other) {
            let newer = context.overwrite == Overwrite::IfNewer && other.mtime >= one.mtime;
            if one.same_inode(&other) || newer || context.overwrite == Overwrite::Never {
                context.counters.finished(&job.path, kind, Change::Unchanged, 0);
                return Ok(());
            }
        }
        match context.target.hard_link(existing, &job.path) {
            Ok(()) => {
                context.counters.finished(&job.path, kind, Change::New, 0);
                Ok(())
            }
            // Better twice than not at all.
            Err(_) if kind == EntryKind::File => self.write(job, false),
            Err(error) => {
                context.counters.failed(&job.path, "link", &error);
                Ok(())
            }
        }
    }
}

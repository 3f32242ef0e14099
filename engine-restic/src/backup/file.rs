//! Saving one file: read, cut, and its chunks stored.

use std::fs::File;
use std::io::Read;
use std::sync::{Arc, Mutex};

use engine_api::{Change, EntryKind, Event, Metadata, Problem};
use fstree::Found;

use super::folder::{Place, Ready, Tools};
use super::pool::Pool;
use super::{Context, node};
use crate::Id;
use crate::chunker::{self, Chunks, ReadChunk};
use crate::error::{Error, Result};
use crate::format::{BlobKind, Node};
use crate::repository::lock;

/// A file to be read.
pub struct FileTask {
    pub found: Found,
    /// What the snapshot before has under this name.
    pub before: Option<Node>,
    pub place: Place,
}

/// A chunk of a large file that another worker may store.
pub struct ChunkTask {
    data: Vec<u8>,
    position: usize,
    file: Arc<LargeFile>,
}

/// A file of several chunks on their way.
struct LargeFile {
    state: Mutex<State>,
}

struct State {
    /// `None` once the file is complete.
    task: Option<FileTask>,
    metadata: Option<Metadata>,
    chunks: Vec<Option<Id>>,
    size: u64,
    /// Whether the last chunk was cut.
    ended: bool,
    problem: Option<Problem>,
    missing: usize,
}

/// Reads a file and stores its chunks, a large file's with the help of other workers.
pub fn read_file(task: FileTask, pool: &Pool, context: &Context<'_>, tools: &mut Tools) -> Result<Option<Id>> {
    context.progress.event(Event::Started(task.found.path()));
    let (file, stat) = match task.found.open() {
        Ok(opened) => opened,
        Err(problem) => return leave_out(task, problem, context, tools),
    };
    let (mut metadata, problems) = task.found.metadata_of(&file, &stat, &context.names);
    problems
        .into_iter()
        .for_each(|problem| context.counters.problem(problem));
    if stat.size >= chunker::MIN as u64 {
        return read_large(task, file, metadata, pool, context, tools);
    }
    let mut data = pool.buffer();
    let outcome = match read_small(&file, stat.size, &mut data) {
        Ok(true) => {
            metadata.size = data.len() as u64;
            context.progress.event(Event::Bytes(metadata.size));
            let content = save_small(&data, context, tools)?;
            let node = Node {
                content,
                ..node::make(&task.found, metadata)
            };
            finish(task, node, context, tools)
        }
        // It has grown meanwhile.
        Ok(false) => match task.found.open() {
            Ok((file, _)) => read_large(task, file, metadata, pool, context, tools),
            Err(problem) => leave_out(task, problem, context, tools),
        },
        Err(error) => {
            let problem = read_problem(&task.found, &error);
            leave_out(task, problem, context, tools)
        }
    };
    pool.recycle(data);
    outcome
}

/// Reads a whole file that is below the size of a chunk; `false` when it is not any more.
fn read_small(file: &File, size: u64, data: &mut Vec<u8>) -> std::io::Result<bool> {
    data.clear();
    // One byte more than expected, so that the end shows without another read.
    data.reserve(usize::try_from(size).unwrap_or(0) + 1);
    let read = file.take(chunker::MIN as u64).read_to_end(data)?;
    Ok(read < chunker::MIN)
}

fn save_small(data: &[u8], context: &Context<'_>, tools: &mut Tools) -> Result<Vec<Id>> {
    if data.is_empty() {
        return Ok(Vec::new());
    }
    Ok(vec![
        context
            .saver
            .save(BlobKind::Data, data, &mut tools.sealer, &mut tools.sealed)?
            .id,
    ])
}

fn read_large(
    task: FileTask,
    file: File,
    metadata: Metadata,
    pool: &Pool,
    context: &Context<'_>,
    tools: &mut Tools,
) -> Result<Option<Id>> {
    let found = task.found.clone();
    let state = State {
        task: Some(task),
        metadata: Some(metadata),
        chunks: Vec::new(),
        size: 0,
        ended: false,
        problem: None,
        missing: 0,
    };
    let large = Arc::new(LargeFile {
        state: Mutex::new(state),
    });
    let mut chunks = Chunks::new(&context.scanner, file);
    loop {
        if context.progress.cancelled() {
            return Err(Error::Interrupted);
        }
        pool.check()?;
        let mut data = pool.buffer();
        match chunks.next(&mut data) {
            Ok(ReadChunk::Chunk) => {
                let task = large.add(data);
                if let Some(task) = pool.share(task) {
                    save_chunk(task, pool, context, tools)?;
                }
            }
            Ok(ReadChunk::End) => return large.end(None, context, tools),
            Err(error) => return large.end(Some(read_problem(&found, &error)), context, tools),
        }
    }
}

/// Stores a chunk; completes its file if it is the last one.
pub fn save_chunk(task: ChunkTask, pool: &Pool, context: &Context<'_>, tools: &mut Tools) -> Result<Option<Id>> {
    let ChunkTask { data, position, file } = task;
    let saved = context
        .saver
        .save(BlobKind::Data, &data, &mut tools.sealer, &mut tools.sealed)?;
    context.progress.event(Event::Bytes(data.len() as u64));
    pool.recycle(data);
    let mut state = lock(&file.state);
    if let Some(chunk) = state.chunks.get_mut(position) {
        *chunk = Some(saved.id);
    }
    state.missing -= 1;
    drop(state);
    file.complete(context, tools)
}

impl LargeFile {
    fn add(self: &Arc<Self>, data: Vec<u8>) -> ChunkTask {
        let mut state = lock(&self.state);
        let position = state.chunks.len();
        state.chunks.push(None);
        state.missing += 1;
        state.size += data.len() as u64;
        ChunkTask {
            data,
            position,
            file: Arc::clone(self),
        }
    }

    fn end(&self, problem: Option<Problem>, context: &Context<'_>, tools: &mut Tools) -> Result<Option<Id>> {
        let mut state = lock(&self.state);
        state.ended = true;
        state.problem = problem;
        drop(state);
        self.complete(context, tools)
    }

    fn complete(&self, context: &Context<'_>, tools: &mut Tools) -> Result<Option<Id>> {
        let mut state = lock(&self.state);
        if !state.ended || state.missing > 0 {
            return Ok(None);
        }
        let (Some(task), Some(mut metadata)) = (state.task.take(), state.metadata.take()) else {
            return Ok(None);
        };
        metadata.size = state.size;
        let content = state.chunks.drain(..).flatten().collect();
        let problem = state.problem.take();
        drop(state);
        if let Some(problem) = problem {
            return leave_out(task, problem, context, tools);
        }
        let node = Node {
            content,
            ..node::make(&task.found, metadata)
        };
        finish(task, node, context, tools)
    }
}

fn read_problem(found: &Found, error: &std::io::Error) -> Problem {
    Problem {
        path: found.path().to_owned(),
        action: "read",
        cause: error.to_string(),
    }
}

/// The file is in the snapshot.
fn finish(task: FileTask, node: Node, context: &Context<'_>, tools: &mut Tools) -> Result<Option<Id>> {
    let same = task.before.as_ref() == Some(&node);
    let change = match &task.before {
        _ if same => Change::Unchanged,
        Some(before) if before.metadata.kind == EntryKind::File => Change::Changed,
        _ => Change::New,
    };
    context
        .counters
        .finished(task.found.path(), EntryKind::File, change, node.metadata.size);
    task.place.fill(Ready { node: Some(node), same }, context, tools)
}

/// The file is not in the snapshot, and the report says so.
fn leave_out(task: FileTask, problem: Problem, context: &Context<'_>, tools: &mut Tools) -> Result<Option<Id>> {
    context.counters.problem(problem);
    task.place.fill(
        Ready {
            node: None,
            same: false,
        },
        context,
        tools,
    )
}

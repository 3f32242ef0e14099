//! The pieces of a set, one by one.

use std::thread::Scope;

use crossbeam_channel::{Receiver, bounded};

use super::message::{Batch, Doubt, Item, Message};
use super::set::{Beside, SetReader};
use super::{SetPlan, Source, Wanted};
use crate::error::Result;
use crate::format::TreePath;
use crate::format::extras::Record;
use crate::members::Unpackers;

/// Batches that wait for being used.
const WAITING: usize = 4;
/// Sets that are read on threads of their own; further ones are read when they are needed.
const THREADS: usize = 8;
/// Bytes of data that all batches together hold, about.
const MEMORY: usize = 12 << 20;
/// Members that are unpacked ahead, of all sets together.
const AHEAD: usize = 8;
/// Bytes that are unpacked by whoever reads them: for so few no thread is started.
const FEW: u64 = 1 << 20;

/// A piece of an item's data.
#[derive(Debug)]
pub(crate) enum Piece {
    /// The next bytes.
    Data(Vec<u8>),
    /// There are no more.
    End,
    /// What would follow is lost.
    Broken(String),
}

/// Something that concerns no single item.
#[derive(Debug)]
pub(crate) enum Notice {
    /// A volume is lost: what is wrong with it.
    Gap(String),
    /// It is not known what a lost volume held.
    Doubt(Doubt),
    /// An entry that cannot be used, and why.
    Dropped(TreePath, &'static str),
}

/// Hands over the items of a set.
pub(crate) struct Feed<'s, 'e> {
    from: From<'s, 'e>,
    waiting: std::vec::IntoIter<Message>,
    head: Option<Item>,
    /// Whether the item that was taken has been read to its end.
    at_end: bool,
    /// The private records that stand at its end.
    tail: Vec<Record>,
    ended: bool,
    notices: Vec<Notice>,
}

enum From<'s, 'e> {
    Thread(Receiver<Result<Batch>>),
    Here(Box<SetReader<'s, 'e>>),
}

impl<'s, 'e> Feed<'s, 'e> {
    /// Begins to read the sets, each from its first wanted volume.
    pub(crate) fn open_all(
        source: Source<'e>,
        scope: &'s Scope<'s, 'e>,
        plans: Vec<SetPlan>,
        wanted: &'e Wanted,
    ) -> Vec<Self> {
        let most_bytes = (MEMORY / plans.len().max(1) / WAITING).clamp(32 << 10, 1 << 20);
        // The largest sets gain most.
        let mut sizes: Vec<u64> = plans.iter().map(bytes).collect();
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        let least = sizes.get(THREADS - 1).copied().unwrap_or(0);
        let unpackers = unpackers(scope, &sizes);
        // Each set has a volume that is read and one that is fetched.
        let source = source.among(2 * sizes.len().min(THREADS));
        let mut threads = 0;
        let open = |plan: SetPlan| {
            let threaded = bytes(&plan) >= least && threads < THREADS;
            threads += usize::from(threaded);
            if !threaded {
                let reader = SetReader::new(source, None, plan, wanted, most_bytes);
                return Self::new(From::Here(Box::new(reader)));
            }
            let beside = Beside {
                scope,
                unpackers: unpackers.clone(),
            };
            let reader = SetReader::new(source, Some(beside), plan, wanted, most_bytes);
            Self::new(From::Thread(spawn(scope, reader)))
        };
        plans.into_iter().map(open).collect()
    }

    fn new(from: From<'s, 'e>) -> Self {
        Self {
            from,
            waiting: Vec::new().into_iter(),
            head: None,
            at_end: true,
            tail: Vec::new(),
            ended: false,
            notices: Vec::new(),
        }
    }

    /// The item that comes next; `None` at the end. What is left of the one before is passed over.
    pub(crate) fn head(&mut self) -> Result<Option<&Item>> {
        while self.head.is_none() && !self.ended {
            match self.message()? {
                Some(Message::Item(item)) => {
                    self.head = Some(*item);
                    self.tail.clear();
                    self.at_end = false;
                }
                Some(Message::Gap(why)) => self.notices.push(Notice::Gap(why)),
                Some(Message::Doubt(doubt)) => self.notices.push(Notice::Doubt(*doubt)),
                Some(Message::Dropped(path, why)) => self.notices.push(Notice::Dropped(path, why)),
                Some(Message::Data(_) | Message::End(_) | Message::Broken(_)) => {}
                None => self.ended = true,
            }
        }
        Ok(self.head.as_ref())
    }

    /// Takes the item that comes next; its data follows from [`Feed::piece`].
    pub(crate) fn take(&mut self) -> Option<Item> {
        self.head.take()
    }

    /// The next piece of the data of the item that was taken.
    pub(crate) fn piece(&mut self) -> Result<Piece> {
        while !self.at_end {
            match self.message()? {
                Some(Message::Data(data)) => return Ok(Piece::Data(data)),
                Some(Message::Broken(why)) => {
                    self.at_end = true;
                    return Ok(Piece::Broken(why));
                }
                Some(Message::Dropped(path, why)) => self.notices.push(Notice::Dropped(path, why)),
                Some(Message::End(tail)) => {
                    self.tail = tail;
                    self.at_end = true;
                }
                Some(_) | None => self.at_end = true,
            }
        }
        Ok(Piece::End)
    }

    /// The private records at the end of the item that was read to its end.
    pub(crate) fn tail(&self) -> &[Record] {
        &self.tail
    }

    /// What happened beside the items since the last call.
    pub(crate) fn notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    fn message(&mut self) -> Result<Option<Message>> {
        loop {
            if let Some(message) = self.waiting.next() {
                return Ok(Some(message));
            }
            let batch = match &mut self.from {
                From::Thread(receiver) => receiver.recv().ok().transpose()?,
                From::Here(reader) => reader.next_batch()?,
            };
            match batch {
                Some(batch) => self.waiting = batch.into_iter(),
                None => return Ok(None),
            }
        }
    }
}

/// Threads that unpack for all sets; none where there is little to do, or one core for all.
fn unpackers<'s>(scope: &'s Scope<'s, '_>, sizes: &[u64]) -> Option<Unpackers> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from).min(4);
    let worth_it = cores > 1 && sizes.iter().sum::<u64>() > FEW;
    let readers = sizes.len().clamp(1, THREADS);
    worth_it.then(|| Unpackers::start(scope, cores, (AHEAD / readers).clamp(1, cores + 1)))
}

fn bytes(plan: &SetPlan) -> u64 {
    let sizes = plan
        .volumes
        .iter()
        .filter_map(|volume| Some(volume.file.as_ref()?.size));
    sizes.sum()
}

fn spawn<'s, 'e>(scope: &'s Scope<'s, 'e>, mut reader: SetReader<'s, 'e>) -> Receiver<Result<Batch>> {
    let (sender, receiver) = bounded(WAITING);
    scope.spawn(move || {
        loop {
            let batch = match reader.next_batch() {
                Ok(Some(batch)) => Ok(batch),
                Ok(None) => break,
                Err(error) => Err(error),
            };
            let failed = batch.is_err();
            // Nobody listens any more when the operation has ended.
            if sender.send(batch).is_err() || failed {
                break;
            }
        }
    });
    receiver
}

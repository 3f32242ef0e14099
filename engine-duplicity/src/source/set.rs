//! Reading a set volume by volume.

use std::collections::VecDeque;
use std::io;
use std::ops::ControlFlow;
use std::thread::{Scope, ScopedJoinHandle};

use engine_api::{EntryKind, StoreError};

use super::fetch::Fetched;
use super::message::{Batch, Doubt, Item, ItemKind, Message};
use super::{PartKind, PartName, SetPlan, Source, VolumePlan, Wanted, fetch};
use crate::container::{Unwrapped, buffered, gunzip, opening, unwrap};
use crate::error::{Error, Result};
use crate::format::extras::Record;
use crate::format::{Container, SetId, TreePath};
use crate::members::{Members, Unpackers};
use crate::tar::{Header, TarError, TarReader};

/// Bytes of data in one message at the most.
const PIECE: usize = 256 << 10;
/// Messages in one batch at the most.
const MESSAGES: usize = 512;

type Tar<'e> = TarReader<Unwrapped<'e>>;

/// Reads the volumes of a set one after the other and tells what they say.
pub(super) struct SetReader<'s, 'e> {
    source: Source<'e>,
    /// What is done beside it; everything is done when it is needed when `None`.
    beside: Option<Beside<'s, 'e>>,
    set: SetId,
    wanted: &'e Wanted,
    volumes: VecDeque<VolumePlan>,
    ahead: Option<ScopedJoinHandle<'s, Result<Fetched<'e>>>>,
    open: Option<Open<'e>>,
    current: Option<Current>,
    /// The greatest path that was told of.
    last: Option<TreePath>,
    /// Parts without their beginning are nothing to worry about: that was lost, or not asked for.
    torn: bool,
    batch: Batch,
    bytes: usize,
    most_bytes: usize,
    done: bool,
}

/// Threads for a reader.
pub(super) struct Beside<'s, 'e> {
    /// Where the next volume is fetched.
    pub scope: &'s Scope<'s, 'e>,
    /// Who unpacks, where it is not the reader.
    pub unpackers: Option<Unpackers>,
}

/// The volume that is being read.
struct Open<'e> {
    volume: VolumePlan,
    tar: Tar<'e>,
    /// Bytes left of the entry whose data is being told.
    left: u64,
}

/// The item that is being told.
struct Current {
    path: TreePath,
    kind: ItemKind,
    in_parts: bool,
    /// Whether it was told of; what is not wanted is only read over.
    told: bool,
    /// Private records of the last part.
    tail: Vec<Record>,
}

impl<'s, 'e> SetReader<'s, 'e> {
    pub(super) fn new(
        source: Source<'e>,
        beside: Option<Beside<'s, 'e>>,
        plan: SetPlan,
        wanted: &'e Wanted,
        most_bytes: usize,
    ) -> Self {
        Self {
            source,
            beside,
            set: plan.set,
            wanted,
            torn: plan.volumes.first().is_some_and(|volume| volume.number > 1),
            volumes: plan.volumes.into(),
            ahead: None,
            open: None,
            current: None,
            last: None,
            batch: Vec::new(),
            bytes: 0,
            most_bytes,
            done: false,
        }
    }

    /// The next pieces; `None` at the end.
    pub(super) fn next_batch(&mut self) -> Result<Option<Batch>> {
        while !self.done && self.batch.len() < MESSAGES && self.bytes < self.most_bytes {
            self.step()?;
        }
        self.bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        Ok(Some(batch).filter(|batch| !batch.is_empty()))
    }

    fn step(&mut self) -> Result<()> {
        let Some(open) = &mut self.open else {
            return self.next_volume();
        };
        let outcome = if open.left > 0 {
            self.data()
        } else {
            match open.tar.next() {
                Ok(Some(header)) => self.entry(header),
                Ok(None) => {
                    self.open = None;
                    return Ok(());
                }
                Err(error) => Err(error),
            }
        };
        match (outcome, self.open.take()) {
            (Err(error), Some(open)) => {
                let error = failure(&open.volume, error);
                self.lose(&open.volume, error, true)
            }
            (_, open) => {
                self.open = open;
                Ok(())
            }
        }
    }

    fn next_volume(&mut self) -> Result<()> {
        self.source.go_on()?;
        let Some(volume) = self.volumes.pop_front() else {
            self.end_item();
            self.done = true;
            return Ok(());
        };
        let fetched = match self.ahead.take() {
            Some(ahead) => {
                let fetched = ahead.join().unwrap_or(Err(Error::Interrupted));
                self.fetch_ahead();
                fetched
            }
            None => {
                // Nothing is unpacked before the first has proved right, so the second is fetched beside it.
                self.fetch_ahead();
                fetch(self.source, &volume)
            }
        };
        match fetched.and_then(|fetched| self.unwrap(&volume, fetched)) {
            Ok(stream) => {
                self.open = Some(Open {
                    volume,
                    tar: TarReader::new(stream),
                    left: 0,
                });
                Ok(())
            }
            Err(error) => self.lose(&volume, error, false),
        }
    }

    /// Begins to fetch the volume after the one that was taken.
    fn fetch_ahead(&mut self) {
        if let (Some(Beside { scope, .. }), Some(next)) = (&self.beside, self.volumes.front()) {
            let (source, next) = (self.source, next.clone());
            self.ahead = Some(scope.spawn(move || fetch(source, &next)));
        }
    }

    fn unwrap(&self, volume: &VolumePlan, fetched: Fetched<'e>) -> Result<Unwrapped<'e>> {
        let (name, container) = match &volume.file {
            Some(file) => (file.key.to_string(), file.container),
            None => return Ok(buffered(fetched.reader())),
        };
        match (&self.beside, container) {
            (
                Some(Beside {
                    unpackers: Some(unpackers),
                    ..
                }),
                Container::Gzip,
            ) => Ok(Box::new(Members::beside(fetched.reader(), unpackers.clone()))),
            // Those with a thread of their own are few.
            (Some(_), Container::Gzip) => Ok(gunzip(fetched.reader(), true)),
            _ => unwrap(&name, container, fetched.reader(), self.source.cipher),
        }
    }

    fn entry(&mut self, header: Header) -> Result<(), TarError> {
        let name = PartName::in_volume(&header.name).map_err(|why| TarError::Read(io::Error::other(why)))?;
        let kind = match name.kind {
            PartKind::Diff => ItemKind::Diff,
            PartKind::Deleted => ItemKind::Deleted,
            PartKind::Snapshot | PartKind::Signature => ItemKind::Snapshot,
        };
        if let Some(open) = &mut self.open {
            open.left = header.size;
        }
        let goes_on = |current: &Current| {
            current.in_parts && name.part.is_some() && current.kind == kind && current.path == name.path
        };
        if let Some(current) = self.current.as_mut().filter(|current| goes_on(current)) {
            current.tail = header.private;
            return Ok(());
        }
        self.end_item();
        let in_order = self.last.as_ref().is_none_or(|last| *last < name.path);
        let headless = self.torn && name.part.is_some_and(|part| part > 1);
        let usable = in_order && !headless && (self.wanted.holds(&name.path) || self.wanted.leads(&name.path));
        if !in_order && !self.torn {
            let why = "it stands in the wrong place of the volume, so the original cannot restore it either";
            self.batch.push(Message::Dropped(name.path.clone(), why));
        }
        if in_order && !headless {
            self.torn = false;
            self.last = Some(name.path.clone());
        }
        self.current = Some(Current {
            path: name.path.clone(),
            kind,
            in_parts: name.part.is_some(),
            told: usable,
            tail: Vec::new(),
        });
        if usable {
            self.bytes += 200;
            self.batch.push(Message::Item(Box::new(Item {
                path: name.path,
                kind,
                header,
            })));
        }
        Ok(())
    }

    fn data(&mut self) -> Result<(), TarError> {
        let Some(open) = &mut self.open else { return Ok(()) };
        if !self.current.as_ref().is_some_and(|current| current.told) {
            // The reader passes over what was not read.
            open.left = 0;
            return Ok(());
        }
        let length = usize::try_from(open.left).unwrap_or(PIECE).min(PIECE);
        let piece = open.tar.read(length)?;
        open.left -= length as u64;
        self.bytes += length;
        self.batch.push(Message::Data(piece));
        Ok(())
    }

    fn end_item(&mut self) {
        if let Some(current) = self.current.take().filter(|current| current.told) {
            self.batch.push(Message::End(current.tail));
        }
    }

    /// A volume is lost from where the reader is; the signature file tells what that means.
    fn lose(&mut self, volume: &VolumePlan, error: Error, begun: bool) -> Result<()> {
        if !error.is_loss() {
            return Err(error);
        }
        let why = error.chain();
        let hits_current = |current: &Current| begun || volume.info.start.path == current.path;
        match self.current.take() {
            Some(current) if current.told && hits_current(&current) => self.batch.push(Message::Broken(why.clone())),
            Some(current) if current.told => self.batch.push(Message::End(current.tail)),
            _ => {}
        }
        self.batch.push(Message::Gap(why.clone()));
        let (start, end) = (&volume.info.start.path, &volume.info.end.path);
        let from = self.last.clone().filter(|last| begun || last >= start);
        let mut items = Vec::new();
        let told = self.source.lost.items(self.set, &mut |item| {
            if item.path > *end {
                return ControlFlow::Break(());
            }
            let after = from.as_ref().map_or(item.path >= *start, |from| item.path > *from);
            if after && (self.wanted.holds(&item.path) || self.wanted.leads(&item.path)) {
                items.push(item);
            }
            ControlFlow::Continue(())
        });
        match told {
            Ok(()) => {
                for item in items {
                    self.last = Some(item.path.clone());
                    self.batch
                        .extend([Message::Item(Box::new(item)), Message::End(Vec::new())]);
                }
            }
            Err(error) if error.is_loss() => self.batch.push(Message::Doubt(Box::new(Doubt {
                from: from.unwrap_or_else(|| start.clone()),
                to: end.clone(),
                why,
            }))),
            Err(error) => return Err(error),
        }
        if self.last.as_ref().is_none_or(|last| last < end) {
            self.last = Some(end.clone());
        }
        self.torn = true;
        Ok(())
    }
}

/// What a failure in the middle of a volume means: the storage's own errors stay what they are.
fn failure(volume: &VolumePlan, error: TarError) -> Error {
    let name = volume
        .file
        .as_ref()
        .map_or_else(|| format!("volume {}", volume.number), |file| file.key.to_string());
    match error {
        TarError::Read(error) if error.kind() == io::ErrorKind::PermissionDenied => opening(&name, &error),
        TarError::Read(error) => match error.downcast::<StoreError>() {
            Ok(error) => Error::Store(error),
            Err(error) => Error::damaged(name, error.to_string()),
        },
        error => Error::damaged(name, error.to_string()),
    }
}

/// What a signature file's entry says of a volume's.
pub(crate) fn lost_item(name: PartName, header: Header) -> Item {
    let kind = match name.kind {
        PartKind::Deleted => ItemKind::Deleted,
        PartKind::Snapshot if header.kind != EntryKind::File => ItemKind::Snapshot,
        _ => ItemKind::Lost,
    };
    Item {
        path: name.path,
        kind,
        header,
    }
}

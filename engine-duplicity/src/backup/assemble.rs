//! The thread that puts entries in order into segments of volumes, the signature file and the list of files.

use std::path::PathBuf;

use crossbeam_channel::{Receiver, Sender, bounded};
use engine_api::{Change, EntryKind};
use sha2::{Digest, Sha256};

use super::Context;
use super::entry::{Entry, Place, deletion};
use super::message::{Pending, Piece};
use super::segment::{Cut, Packed, Segment};
use super::spool::Spools;
use crate::error::{Error, Result};
use crate::format::{ChangedFile, Difference, PathEnd, TreePath};
use crate::tar::{pad, write_header};

/// Bytes of a part of a file.
pub const PART: usize = 65536;

/// A segment on its way to be packed, and where it goes then.
pub struct ToPack {
    pub segment: Segment,
    pub packed: Sender<Packed>,
}

pub struct Assembler<'a, 'c> {
    context: &'a Context<'c>,
    spools: Spools,
    segment: Segment,
    to_pack: Sender<ToPack>,
    in_order: Sender<Receiver<Packed>>,
    /// The last path that is complete in all three.
    complete: Option<TreePath>,
    resumed: Option<Cut>,
}

/// A file of which parts are written.
struct Open {
    path: TreePath,
    diff: bool,
    entry: Box<Entry>,
    data: Vec<u8>,
    /// Parts that are written.
    parts: u64,
    /// Of all data that went into them.
    hash: Sha256,
}

impl<'a, 'c> Assembler<'a, 'c> {
    pub fn new(
        context: &'a Context<'c>,
        spools: Spools,
        to_pack: Sender<ToPack>,
        in_order: Sender<Receiver<Packed>>,
    ) -> Self {
        Self {
            context,
            spools,
            segment: Segment::default(),
            to_pack,
            in_order,
            complete: context.resume.and_then(|resume| resume.complete.clone()),
            resumed: context.resume.and_then(|resume| resume.cut.clone()),
        }
    }

    /// Takes everything that comes, in order; gives the signature file and the list of files back.
    pub fn run(mut self, pending: &Receiver<Pending>) -> Result<Spools> {
        for pending in pending {
            match pending {
                Pending::Gone { path, file } => self.gone(path, file)?,
                Pending::Bare { path, entry } => self.bare(path, &entry)?,
                Pending::File {
                    path,
                    change,
                    pieces,
                    permit,
                } => {
                    self.file(path, change, &pieces)?;
                    drop(permit);
                }
            }
        }
        self.context.failed()?;
        if self.resumed.is_some() {
            return Err(Error::resume("the file it was cut in is gone"));
        }
        self.cut(None, true)?;
        Ok(self.spools)
    }

    fn gone(&mut self, path: TreePath, file: bool) -> Result<()> {
        self.not_resumed()?;
        write_header(&mut self.segment.bytes, &deletion(name(b"deleted/", &path, false)));
        self.spools.entry(&deletion(name(b"deleted/", &path, false)), &[])?;
        if file {
            self.changed(Difference::Deleted, &path)?;
        }
        self.mark(&path, None);
        self.done(path)
    }

    fn bare(&mut self, path: TreePath, entry: &Entry) -> Result<()> {
        self.not_resumed()?;
        let is_dir = entry.header.kind == EntryKind::Dir;
        let header = entry.in_volume(snapshot_name(&path, is_dir), 0, Place::Last);
        write_header(&mut self.segment.bytes, &header);
        let signed = entry.in_signatures(name(b"snapshot/", &path, is_dir), 0);
        self.spools.entry(&signed, &[])?;
        self.mark(&path, None);
        self.done(path)
    }

    fn changed(&mut self, how: Difference, path: &TreePath) -> Result<()> {
        self.spools.changed(&ChangedFile {
            how,
            path: path.clone(),
        })
    }

    fn file(&mut self, path: TreePath, change: Change, pieces: &Receiver<Piece>) -> Result<()> {
        let mut open: Option<Open> = None;
        loop {
            self.context.failed()?;
            let piece = pieces.recv().map_err(|_| Error::Interrupted)?;
            match (piece, &mut open) {
                (Piece::Begin { entry, diff }, _) => {
                    open = Some(Open {
                        path: path.clone(),
                        diff,
                        entry,
                        data: Vec::new(),
                        parts: 0,
                        hash: Sha256::new(),
                    });
                }
                (Piece::Data(data), Some(open)) => {
                    self.context.counters.added(data.len() as u64);
                    self.data(open, data)?;
                }
                (Piece::End { entry, signature }, _) => {
                    if let Some(open) = open.take() {
                        self.end(open, *entry, &signature, change)?;
                    }
                    return Ok(());
                }
                (Piece::Nothing(same), _) => {
                    self.not_resumed()?;
                    if let Some(size) = same {
                        self.finished(&path, Change::Unchanged, size);
                    }
                    return Ok(());
                }
                (Piece::Data(_), None) => {}
            }
        }
    }

    fn finished(&self, path: &TreePath, change: Change, size: u64) {
        let absolute: PathBuf = path.under(self.context.base);
        let counters = &self.context.counters;
        counters.finished(&absolute, EntryKind::File, change, size);
    }

    fn data(&mut self, open: &mut Open, data: Vec<u8>) -> Result<()> {
        if open.data.is_empty() {
            open.data = data;
        } else {
            open.data.extend_from_slice(&data);
        }
        let data = std::mem::take(&mut open.data);
        let (parts, rest) = data.as_chunks::<PART>();
        for part in parts {
            self.part(open, part)?;
        }
        open.data = rest.to_vec();
        Ok(())
    }

    /// Writes a part that others follow.
    fn part(&mut self, open: &mut Open, data: &[u8]) -> Result<()> {
        open.parts += 1;
        open.hash.update(data);
        if self.is_in_volumes(open)? {
            return Ok(());
        }
        let place = if open.parts == 1 { Place::First } else { Place::Middle };
        let header = open.entry.in_volume(part_name(open), data.len() as u64, place);
        self.write(&header, data);
        self.mark(&open.path, Some(open.parts));
        let cut = || Cut {
            path: open.path.clone(),
            parts: open.parts,
            hash: open.hash.clone().finalize().into(),
        };
        if self.segment.bytes.len() >= self.context.segment_len {
            return self.cut(Some(cut()), false);
        }
        Ok(())
    }

    /// Whether the part was written by the run that is gone on with.
    fn is_in_volumes(&mut self, open: &Open) -> Result<bool> {
        let Some(cut) = &self.resumed else {
            return Ok(false);
        };
        if cut.path != open.path {
            return Err(Error::resume("the file it was cut in is gone"));
        }
        if open.parts < cut.parts {
            return Ok(true);
        }
        let hash: [u8; 32] = open.hash.clone().finalize().into();
        if hash != cut.hash {
            return Err(Error::resume("the file it was cut in has changed"));
        }
        self.resumed = None;
        Ok(true)
    }

    fn end(&mut self, mut open: Open, mut entry: Entry, signature: &[u8], change: Change) -> Result<()> {
        self.not_resumed()?;
        let data = std::mem::take(&mut open.data);
        if !open.diff && self.context.settings.extras && entry.extras.sha256.is_none() {
            let hash = open.hash.clone().chain_update(&data).finalize();
            entry.extras.sha256 = Some(hash.into());
        }
        let prefix: &[u8] = if open.diff { b"diff/" } else { b"snapshot/" };
        let name_in_volume = if open.parts == 0 {
            name(prefix, &open.path, false)
        } else {
            open.parts += 1;
            part_name(&open)
        };
        self.write(&entry.in_volume(name_in_volume, data.len() as u64, Place::Last), &data);
        let signed = entry.in_signatures(name(b"signature/", &open.path, false), signature.len() as u64);
        self.spools.entry(&signed, signature)?;
        // As the original counts: a file where a folder or a link was is new.
        let how = if open.diff {
            Difference::Changed
        } else {
            Difference::New
        };
        self.changed(how, &open.path)?;
        self.mark(&open.path, None);
        self.finished(&open.path, change, entry.extras.size.unwrap_or(0));
        self.done(open.path)
    }

    fn write(&mut self, header: &crate::tar::Header, data: &[u8]) {
        let out = &mut self.segment.bytes;
        write_header(out, header);
        out.extend_from_slice(data);
        pad(out, data.len() as u64);
    }

    /// Nothing but the parts of the file it was cut in can come first after a resume.
    fn not_resumed(&self) -> Result<()> {
        if self.resumed.is_some() {
            return Err(Error::resume("the file it was cut in has changed"));
        }
        Ok(())
    }

    /// The entry that was just written is the segment's last.
    fn mark(&mut self, path: &TreePath, part: Option<u64>) {
        let end = PathEnd {
            path: path.clone(),
            part,
        };
        if self.segment.start.is_none() {
            self.segment.start = Some(end.clone());
        }
        self.segment.end = Some(end);
    }

    fn done(&mut self, path: TreePath) -> Result<()> {
        self.complete = Some(path);
        if self.segment.bytes.len() >= self.context.segment_len {
            return self.cut(None, false);
        }
        Ok(())
    }

    /// Sends the segment on, if there is something in it.
    fn cut(&mut self, cut: Option<Cut>, last: bool) -> Result<()> {
        let fresh = Segment {
            bytes: Vec::with_capacity(if last {
                0
            } else {
                self.context.segment_len + PART + 4096
            }),
            ..Segment::default()
        };
        let mut segment = std::mem::replace(&mut self.segment, fresh);
        if segment.bytes.is_empty() {
            return Ok(());
        }
        self.spools.flush()?;
        segment.mark.complete.clone_from(&self.complete);
        segment.mark.cut = cut;
        segment.mark.spools = self.spools.position();
        let (packed, receiver) = bounded(1);
        self.context.hand(&self.in_order, receiver)?;
        self.context.hand(&self.to_pack, ToPack { segment, packed })
    }
}

/// The name of a path's entry; a folder's ends in a slash.
fn name(prefix: &[u8], path: &TreePath, is_dir: bool) -> Vec<u8> {
    let slash: &[u8] = if is_dir && !path.is_root() { b"/" } else { b"" };
    [prefix, path.as_bytes(), slash].concat()
}

/// In volumes the root is a dot.
fn snapshot_name(path: &TreePath, is_dir: bool) -> Vec<u8> {
    if path.is_root() && is_dir {
        return b"snapshot/./".to_vec();
    }
    name(b"snapshot/", path, is_dir)
}

fn part_name(open: &Open) -> Vec<u8> {
    let prefix: &[u8] = if open.diff {
        b"multivol_diff/"
    } else {
        b"multivol_snapshot/"
    };
    let path: &[u8] = if open.path.is_root() {
        b"."
    } else {
        open.path.as_bytes()
    };
    [prefix, path, format!("/{}", open.parts).as_bytes()].concat()
}

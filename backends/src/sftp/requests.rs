//! The requests by name, and their answers by type.

use std::sync::Arc;

use engine_api::Space;

use super::answers::Awaited;
use super::errors::Problem;
use super::link::Link;
use super::wire::{Attributes, Decoder, Malformed, Packet, Status, kind};

/// An answer on its way; taking it waits for it.
pub(super) struct Answer(Awaited);

/// One name of a folder, or of a path.
pub(super) struct Name {
    pub(super) name: Vec<u8>,
    pub(super) attributes: Attributes,
    /// The entry as `ls -l` would show it, for people.
    pub(super) shown: Vec<u8>,
}

/// An open file or folder of the server, closed when it is dropped.
pub(super) struct Handle {
    link: Arc<Link>,
    bytes: Vec<u8>,
    closed: bool,
}

/// What a filesystem tells of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Filesystem {
    pub(super) space: Space,
    /// The same number as long as the same filesystem is there.
    pub(super) id: u64,
    pub(super) read_only: bool,
    /// No more files can be made, however small.
    pub(super) no_names: bool,
}

impl Answer {
    pub(super) const fn new(awaited: Awaited) -> Self {
        Self(awaited)
    }

    /// The answer is that it was done.
    pub(super) fn done(self) -> Result<(), Problem> {
        let bytes = self.0.wait()?;
        let (kind, mut rest) = open(&bytes)?;
        match kind {
            kind::STATUS => match Status::decode(&mut rest).map_err(broken)? {
                status if status.code == Status::OK => Ok(()),
                status => Err(Problem::Status(status)),
            },
            _ => Err(unexpected()),
        }
    }

    fn handle(self, link: &Arc<Link>) -> Result<Handle, Problem> {
        let bytes = self.0.wait()?;
        let mut rest = expect(&bytes, kind::HANDLE)?;
        Ok(Handle {
            link: Arc::clone(link),
            bytes: rest.string().map_err(broken)?.to_vec(),
            closed: false,
        })
    }

    pub(super) fn attributes(self) -> Result<Attributes, Problem> {
        let bytes = self.0.wait()?;
        Attributes::decode(&mut expect(&bytes, kind::ATTRS)?).map_err(broken)
    }

    /// Copies the bytes that were read into `buffer`; how many, and 0 at the end.
    pub(super) fn data(self, buffer: &mut [u8]) -> Result<usize, Problem> {
        let bytes = self.0.wait()?;
        let mut rest = match expect(&bytes, kind::DATA) {
            Err(problem) if is_end(&problem) => return Ok(0),
            other => other?,
        };
        let data = rest.string().map_err(broken)?;
        let place = buffer
            .get_mut(..data.len())
            .ok_or(Problem::Nonsense("it gives more than was asked for"))?;
        place.copy_from_slice(data);
        Ok(data.len())
    }

    /// The next names; `None` at the end.
    pub(super) fn names(self) -> Result<Option<Vec<Name>>, Problem> {
        let bytes = self.0.wait()?;
        let mut rest = match expect(&bytes, kind::NAME) {
            Err(problem) if is_end(&problem) => return Ok(None),
            other => other?,
        };
        let mut names = Vec::new();
        for _ in 0..rest.u32().map_err(broken)? {
            names.push(name(&mut rest).map_err(broken)?);
        }
        Ok(Some(names))
    }

    /// The one name that answers a question about a path.
    pub(super) fn name(self) -> Result<Vec<u8>, Problem> {
        let names = self.names()?.unwrap_or_default();
        let first = names.into_iter().next();
        Ok(first.ok_or(Problem::Nonsense("it names nothing"))?.name)
    }

    pub(super) fn extended(self) -> Result<Vec<u8>, Problem> {
        let mut bytes = self.0.wait()?;
        expect(&bytes, kind::EXTENDED_REPLY)?;
        Ok(bytes.split_off(HEADER))
    }

    pub(super) fn filesystem(self) -> Result<Filesystem, Problem> {
        let bytes = self.extended()?;
        let mut rest = Decoder::new(&bytes);
        let mut field = || rest.u64().map_err(broken);
        let (_block, unit) = (field()?, field()?);
        let (blocks, free, available) = (field()?, field()?, field()?);
        let (files, _free_files, available_files) = (field()?, field()?, field()?);
        let (id, flags) = (field()?, field()?);
        let bytes = |count: u64| count.saturating_mul(unit);
        Ok(Filesystem {
            space: Space {
                total: bytes(blocks),
                used: bytes(blocks.saturating_sub(free)),
                available: bytes(available),
            },
            id,
            read_only: flags & 1 != 0,
            // Some filesystems do not count them.
            no_names: files > 0 && available_files == 0,
        })
    }

    pub(super) fn is_there(&self) -> bool {
        self.0.is_there()
    }

    /// Waits until it is there, before those are taken that were asked for earlier: servers answer in the order of asking,
    /// so that who waits for the last is woken once. Why there is none is told when it is taken.
    pub(super) fn come(&self) {
        let _ = self.0.wait_until_there();
    }
}

/// Type and number, before what an answer carries.
const HEADER: usize = 5;

fn open(bytes: &[u8]) -> Result<(u8, Decoder<'_>), Problem> {
    let mut decoder = Decoder::new(bytes);
    let kind = decoder.u8().map_err(broken)?;
    decoder.u32().map_err(broken)?;
    Ok((kind, decoder))
}

fn expect(bytes: &[u8], wanted: u8) -> Result<Decoder<'_>, Problem> {
    let (kind, mut rest) = open(bytes)?;
    match kind {
        kind if kind == wanted => Ok(rest),
        kind::STATUS => Err(Problem::Status(Status::decode(&mut rest).map_err(broken)?)),
        _ => Err(unexpected()),
    }
}

fn is_end(problem: &Problem) -> bool {
    matches!(problem, Problem::Status(status) if status.code == Status::EOF)
}

fn name(from: &mut Decoder<'_>) -> Result<Name, Malformed> {
    Ok(Name {
        name: from.string()?.to_vec(),
        shown: from.string()?.to_vec(),
        attributes: Attributes::decode(from)?,
    })
}

fn broken(_: Malformed) -> Problem {
    Problem::Nonsense("an answer is cut short")
}

fn unexpected() -> Problem {
    Problem::Nonsense("an answer is of another type than the question")
}

/// The requests on paths.
pub(super) trait Requests {
    fn ask(&self, packet: Packet) -> Result<Answer, Problem>;
    fn open_file(&self, path: &[u8], flags: u32, set: &Attributes) -> Result<Opening, Problem>;
    fn open_folder(&self, path: &[u8]) -> Result<Opening, Problem>;

    fn on_path(&self, kind: u8, path: &[u8]) -> Result<Answer, Problem> {
        self.ask(Packet::new(kind).string(path))
    }

    /// What is at the path, through symbolic links.
    fn stat(&self, path: &[u8]) -> Result<Answer, Problem> {
        self.on_path(kind::STAT, path)
    }

    /// What is at the path itself.
    fn lstat(&self, path: &[u8]) -> Result<Answer, Problem> {
        self.on_path(kind::LSTAT, path)
    }

    fn remove(&self, path: &[u8]) -> Result<Answer, Problem> {
        self.on_path(kind::REMOVE, path)
    }

    fn remove_folder(&self, path: &[u8]) -> Result<Answer, Problem> {
        self.on_path(kind::RMDIR, path)
    }

    fn real_path(&self, path: &[u8]) -> Result<Answer, Problem> {
        self.on_path(kind::REALPATH, path)
    }

    fn read_link(&self, path: &[u8]) -> Result<Answer, Problem> {
        self.on_path(kind::READLINK, path)
    }

    fn make_folder(&self, path: &[u8], mode: u32) -> Result<Answer, Problem> {
        let packet = Packet::new(kind::MKDIR).string(path);
        self.ask(Attributes::with_mode(mode).encode(packet))
    }

    fn set(&self, path: &[u8], attributes: &Attributes) -> Result<Answer, Problem> {
        self.ask(attributes.encode(Packet::new(kind::SETSTAT).string(path)))
    }

    /// Sets attributes of the path itself, also when it is a symbolic link.
    fn set_link(&self, path: &[u8], attributes: &Attributes) -> Result<Answer, Problem> {
        self.ask(attributes.encode(Packet::extended("lsetstat@openssh.com").string(path)))
    }

    /// A rename that does not replace.
    fn rename_new(&self, from: &[u8], to: &[u8]) -> Result<Answer, Problem> {
        self.ask(Packet::new(kind::RENAME).string(from).string(to))
    }

    /// A rename that replaces.
    fn rename_over(&self, from: &[u8], to: &[u8]) -> Result<Answer, Problem> {
        self.ask(Packet::extended("posix-rename@openssh.com").string(from).string(to))
    }

    fn hard_link(&self, from: &[u8], to: &[u8]) -> Result<Answer, Problem> {
        self.ask(Packet::extended("hardlink@openssh.com").string(from).string(to))
    }

    fn symlink(&self, path: &[u8], points_to: &[u8]) -> Result<Answer, Problem> {
        // OpenSSH takes the two in the other order than the protocol says, and everybody followed it.
        self.ask(Packet::new(kind::SYMLINK).string(points_to).string(path))
    }

    fn filesystem(&self, path: &[u8]) -> Result<Answer, Problem> {
        self.ask(Packet::extended("statvfs@openssh.com").string(path))
    }
}

/// A file or folder that is being opened; it is closed when nobody wants it any more.
pub(super) struct Opening {
    answer: Option<Answer>,
    link: Arc<Link>,
}

impl Opening {
    pub(super) fn handle(mut self) -> Result<Handle, Problem> {
        let answer = self.answer.take();
        answer.map_or(Err(unexpected()), |answer| answer.handle(&self.link))
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        if let Some(answer) = self.answer.take() {
            // Nobody waits for what is not wanted: what is not there by now is closed when something else is opened.
            self.link.leave(answer);
            close_unwanted(&self.link);
        }
    }
}

fn close_unwanted(link: &Arc<Link>) {
    for answer in link.unwanted() {
        drop(answer.handle(link));
    }
}

impl Requests for Arc<Link> {
    fn ask(&self, packet: Packet) -> Result<Answer, Problem> {
        Ok(Answer(self.request(packet, 0)?))
    }

    fn open_file(&self, path: &[u8], flags: u32, set: &Attributes) -> Result<Opening, Problem> {
        close_unwanted(self);
        let packet = Packet::new(kind::OPEN).string(path).u32(flags);
        Ok(Opening {
            answer: Some(self.ask(set.encode(packet))?),
            link: Self::clone(self),
        })
    }

    fn open_folder(&self, path: &[u8]) -> Result<Opening, Problem> {
        close_unwanted(self);
        Ok(Opening {
            answer: Some(self.on_path(kind::OPENDIR, path)?),
            link: Self::clone(self),
        })
    }
}

/// The requests on an open file or folder.
impl Handle {
    pub(super) fn link(&self) -> &Arc<Link> {
        &self.link
    }

    fn on(&self, packet: Packet) -> Packet {
        packet.string(&self.bytes)
    }

    pub(super) fn read(&self, offset: u64, most: usize) -> Result<Answer, Problem> {
        let length = u32::try_from(most).unwrap_or(u32::MAX);
        let packet = self.on(Packet::new(kind::READ)).u64(offset).u32(length);
        Ok(Answer(self.link.request(packet, most)?))
    }

    /// Begins a write of up to `room` bytes at `offset`; what follows is the data.
    pub(super) fn writing(&self, offset: u64, room: usize) -> Packet {
        let room = 4 + self.bytes.len() + 8 + 4 + room;
        self.on(Packet::within(self.link.buffers(), kind::WRITE, room))
            .u64(offset)
    }

    pub(super) fn names(&self) -> Result<Answer, Problem> {
        // Answers of OpenSSH have a hundred names.
        Ok(Answer(
            self.link.request(self.on(Packet::new(kind::READDIR)), 16 << 10)?,
        ))
    }

    pub(super) fn attributes(&self) -> Result<Answer, Problem> {
        self.link.ask(self.on(Packet::new(kind::FSTAT)))
    }

    pub(super) fn set(&self, attributes: &Attributes) -> Result<Answer, Problem> {
        self.link.ask(attributes.encode(self.on(Packet::new(kind::FSETSTAT))))
    }

    pub(super) fn sync(&self) -> Result<Answer, Problem> {
        self.link.ask(self.on(Packet::extended("fsync@openssh.com")))
    }

    pub(super) fn copy_from(&self, source: &Self, from: u64, length: u64, to: u64) -> Result<Answer, Problem> {
        let packet = source.on(Packet::extended("copy-data")).u64(from).u64(length);
        self.link.ask(self.on(packet).u64(to))
    }

    /// Closes it; the answer says whether all went well.
    pub(super) fn close(mut self) -> Result<Answer, Problem> {
        self.closed = true;
        self.link.ask(self.on(Packet::new(kind::CLOSE)))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if !self.closed {
            let _ = self.link.ask(self.on(Packet::new(kind::CLOSE)));
        }
    }
}

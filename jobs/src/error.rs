//! What can go wrong above the engines and storages.

use std::io;
use std::path::{Path, PathBuf};

use engine_api::{ErrorKind, Failure};

use crate::esmith::Misfit;
use crate::record::RecordError;
use crate::text;

/// The result of what this crate does without an engine.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure of a job's configuration, files or locks.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder of Holdfast's own.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A value that a database cannot hold.
    #[error("cannot store {} in {}: {}", describe(misfit), file.display(), misfit.unfit)]
    Unfit {
        /// The database.
        file: PathBuf,
        /// Which value, and why.
        misfit: Box<Misfit>,
    },
    /// A text for `setjson` that is not what it takes.
    #[error("cannot take the records: {reason}")]
    Json {
        /// What is wrong with it.
        reason: String,
    },
    /// A name that no job may have.
    #[error("`{name}` cannot be the name of a backup")]
    JobName {
        /// The name.
        name: String,
    },
    /// No record of that name.
    #[error("No backup '{name}' found")]
    NoJob {
        /// The name.
        name: String,
        /// Where it was looked for.
        database: PathBuf,
        /// The names there are.
        known: Vec<String>,
    },
    /// A record of that name exists.
    #[error("there is a backup '{name}' already in {}", database.display())]
    JobExists {
        /// The name.
        name: String,
        /// Where.
        database: PathBuf,
    },
    /// The record says that it must not run.
    #[error("Backup {name} is disabled")]
    Disabled {
        /// The job.
        name: String,
    },
    /// A record with a value that cannot be used.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A record that would be wrong, and is not written.
    #[error(transparent)]
    Refused(RecordError),
    /// No path to save.
    #[error("Nothing to backup: {reason}")]
    NothingToBackup {
        /// Where paths were looked for.
        reason: String,
    },
    /// A path to save that is not there.
    #[error("{} does not exist", path.display())]
    MissingPath {
        /// The path.
        path: PathBuf,
    },
    /// A line of a list that is no absolute path.
    #[error("line {line} of {}: `{text}` does not begin with `/`", list.display())]
    RelativeInclude {
        /// The list.
        list: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// What stands there.
        text: String,
    },
    /// A list that would have to be overwritten.
    #[error("there is a list {} already", list.display())]
    ListExists {
        /// The list.
        list: PathBuf,
    },
    /// A path that a list, which has one a line, cannot hold.
    #[error("{} cannot stand in a list: it holds a line break, or ends in a blank", path.display())]
    UnlistablePath {
        /// The path.
        path: PathBuf,
    },
    /// A path to save that is part of the repository.
    #[error("{} lies in the destination {}", include.display(), destination.display())]
    InsideDestination {
        /// The path.
        include: PathBuf,
        /// The repository's folder.
        destination: PathBuf,
    },
    /// Somebody is running the job.
    #[error("backup {name} is running already: {holder}")]
    Running {
        /// The job.
        name: String,
        /// Who holds the lock, as far as it is known.
        holder: String,
        /// The lock.
        lock: PathBuf,
    },
    /// Another job works at the destination.
    #[error("the destination {location} is in use: {holder}")]
    DestinationBusy {
        /// The destination.
        location: String,
        /// Who holds the lock, as far as it is known.
        holder: String,
        /// The lock.
        lock: PathBuf,
    },
    /// Another run's events do not come to an end.
    #[error("timeout while waiting for the actions before or after another backup: {holder}")]
    EventBusy {
        /// Who runs them.
        holder: String,
    },
    /// The work before a backup was interrupted.
    #[error("interrupted while waiting")]
    Interrupted,
    /// The check after a run has found damage.
    #[error("the repository in {location} is damaged: the check found {}, the first: {first}", text::count(*errors, "error"))]
    Damaged {
        /// The repository.
        location: String,
        /// What `-b` or `--repo` to give to look at it.
        selector: String,
        /// How many errors.
        errors: u64,
        /// Whether data was read to find them.
        in_data: bool,
        /// One of them.
        first: String,
    },
    /// The program has a bug.
    #[error("the run broke off: {reason}")]
    Broken {
        /// What is known of it.
        reason: String,
    },
    /// No password is known for the repository.
    #[error("no password is known for the repository in {location}: there is no {}", path.display())]
    NoPassword {
        /// The repository.
        location: String,
        /// Where the password is looked for.
        path: PathBuf,
    },
    /// A password file that the caller named.
    #[error("there is no password file {}", path.display())]
    NoPasswordFile {
        /// The file.
        path: PathBuf,
    },
    /// A password file without a password.
    #[error("{} holds no password", path.display())]
    EmptyPassword {
        /// The file.
        path: PathBuf,
    },
    /// A repository that has no password known here, and was not made by it.
    #[error("there is a repository in {location} already, and its password is not in {}", path.display())]
    ForeignRepository {
        /// The repository.
        location: String,
        /// Where its password is looked for.
        path: PathBuf,
    },
    /// No repository where one was expected.
    #[error("there is no repository in {location}")]
    NoRepository {
        /// The place.
        location: String,
    },
    /// There was a repository, and now there is none.
    #[error("the repository in {location} is gone: it was used from here before, and there is none now")]
    RepositoryGone {
        /// Where it was.
        location: String,
        /// What `-b` or `--repo` to give to make a new one.
        selector: String,
    },
    /// A text that names no moment and no snapshot.
    #[error("`{text}` is neither a snapshot nor a time")]
    When {
        /// The text.
        text: String,
    },
    /// No snapshot of that moment or before.
    #[error("there is no snapshot of {moment} or before")]
    TooEarly {
        /// The moment.
        moment: String,
        /// The first snapshot, as a person writes its time.
        oldest: Option<String>,
    },
    /// No snapshot of the job, though there are others.
    #[error("there is no snapshot of {wanted} in {location}")]
    NoSnapshot {
        /// The filter in words.
        wanted: String,
        /// The repository.
        location: String,
        /// The hosts and tags that there are.
        others: Vec<String>,
    },
    /// A restore without saying what.
    #[error("no path was named")]
    NoPaths,
    /// A restore beside the originals without saying of what, or of the topmost folder.
    #[error("nothing was named that could have another name")]
    NothingBeside,
    /// No room for what would be restored beside what is there.
    #[error("what is to be restored takes up to {}, and {} are free in {}", text::size(*needed), text::size(*free), folder.display())]
    NoRoom {
        /// Where it would be put.
        folder: PathBuf,
        /// How many bytes it takes at the most: holes count, too.
        needed: u64,
        /// How many there are.
        free: u64,
    },
    /// A way to the target over a symbolic link that another user can change.
    #[error("{} is a symbolic link of another user", link.display())]
    ForeignLink {
        /// The link.
        link: PathBuf,
    },
    /// Somebody wanted it to stop.
    #[error("stopped")]
    Stopped,
    /// A path that no snapshot has.
    #[error("{} is in no snapshot of {}", path.display(), where_looked)]
    InNoSnapshot {
        /// The path.
        path: PathBuf,
        /// Where it was looked for.
        where_looked: String,
    },
    /// A question to all backups where none is configured.
    #[error("there is no configured backup to look into")]
    NoBackups,
    /// No place for Holdfast's own files.
    #[error("cannot tell where configuration and secrets belong: {reason}")]
    NoHome {
        /// What is missing.
        reason: &'static str,
    },
    /// Two wishes that exclude each other, or one without the other.
    #[error("{0}")]
    Usage(String),
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }
}

fn describe(misfit: &Misfit) -> String {
    let key = String::from_utf8_lossy(&misfit.key);
    match &misfit.field {
        None => format!("the key `{key}`"),
        Some(field) => format!("`{}` of record `{key}`", String::from_utf8_lossy(field)),
    }
}

impl Failure for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { .. } | Self::Unfit { .. } | Self::Json { .. } | Self::Broken { .. } | Self::NoRoom { .. } => {
                ErrorKind::Failed
            }
            Self::Running { .. } | Self::DestinationBusy { .. } | Self::EventBusy { .. } => ErrorKind::Locked,
            Self::Interrupted => ErrorKind::Interrupted,
            Self::NoRepository { .. } | Self::RepositoryGone { .. } => ErrorKind::NoRepository,
            Self::ForeignRepository { .. } => ErrorKind::WrongPassword,
            Self::Stopped => ErrorKind::Interrupted,
            Self::Damaged { .. } => ErrorKind::Damaged,
            _ => ErrorKind::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Io { source, .. } => io_hint(source)?.to_owned(),
            Self::JobName { .. } => {
                "use letters, digits, `_`, `-`, `.` and `@`, beginning with a letter, a digit or `_`".to_owned()
            }
            Self::NoJob { database, known, .. } if known.is_empty() => {
                format!(
                    "{} has no backup yet: make one with `holdfast job add`",
                    database.display()
                )
            }
            Self::NoJob { database, known, .. } => format!("{} has: {}", database.display(), known.join(", ")),
            Self::JobExists { name, .. } => {
                format!("change it with `db backups setprop {name} …`, or remove it with `holdfast job remove {name}`")
            }
            Self::Disabled { name } => format!("enable it with `db backups setprop {name} status enabled`"),
            Self::Record(error) => return error.hint(),
            Self::RelativeInclude { .. } => "write the whole path".to_owned(),
            Self::ListExists { .. } => "remove it, or name no paths so that it is used as it is".to_owned(),
            Self::UnlistablePath { .. } => "name the folder above it".to_owned(),
            Self::InsideDestination { .. } => "choose a destination outside of what is saved".to_owned(),
            Self::Running { lock, .. } => format!("wait until it has ended; its lock is {}", lock.display()),
            Self::DestinationBusy { lock, .. } => format!(
                "wait until it has ended, or let this backup wait longer (property LockWait); its lock is {}",
                lock.display()
            ),
            Self::Damaged { selector, in_data, .. } => format!(
                "keep a copy of the repository; `holdfast check {selector}{}` names all that is wrong, and \
                 `holdfast repair --help` says what can be mended",
                if *in_data { " --read-data" } else { "" }
            ),
            Self::Broken { .. } => "this is an error of the program: please report it with the log".to_owned(),
            Self::NoPassword { .. } => {
                "name the file that holds it with --password-file, or put the password there".to_owned()
            }
            Self::EmptyPassword { .. } => "write the password into its first line".to_owned(),
            Self::ForeignRepository { path, .. } => format!(
                "put its password into {}, name the file that holds it with --password-file, or choose another folder",
                path.display()
            ),
            Self::RepositoryGone { selector, .. } => gone_hint(selector),
            Self::NoRepository { .. } => "check the place; the first backup makes a repository there".to_owned(),
            Self::When { .. } => WHEN_HINT.to_owned(),
            Self::NoSnapshot { others, .. } if others.is_empty() => "make one with `holdfast backup`".to_owned(),
            Self::NoSnapshot { others, .. } => format!(
                "there are some of {}; `holdfast snapshots` and `holdfast restore` take --host and --tag",
                others.join("; ")
            ),
            Self::TooEarly { oldest, .. } => format!("the oldest is of {}", oldest.as_ref()?),
            Self::NoPaths => "name the files and folders to restore, or say --all".to_owned(),
            Self::NoRoom { .. } => NO_ROOM_HINT.to_owned(),
            Self::NothingBeside => "name the files and folders to restore".to_owned(),
            Self::ForeignLink { .. } => "restore under a folder of your own with --target".to_owned(),
            Self::InNoSnapshot { .. } => {
                "write the whole path as it was saved; `holdfast find` looks for a name".to_owned()
            }
            Self::NoBackups => "name a repository with --repo, or add a backup with `holdfast job add`".to_owned(),
            _ => return None,
        };
        Some(hint)
    }
}

fn gone_hint(selector: &str) -> String {
    let renamed = if selector.starts_with("-b") {
        "if this machine has a new name, set the record's HostFolder to the old one; "
    } else {
        ""
    };
    format!(
        "look whether the disk is mounted; {renamed}if it is gone for good, `holdfast init {selector}` begins a new one"
    )
}

fn io_hint(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Some("run the command as root, or as the owner of that file"),
        io::ErrorKind::StorageFull => Some("free some room on that filesystem"),
        _ => None,
    }
}

const NO_ROOM_HINT: &str = "free some room, or restore with --target, where that is not looked at beforehand: under a \
                            folder of another filesystem, or of this one if much of the files is holes";

const WHEN_HINT: &str = "write a snapshot's id, an age such as 15D, a date such as 2021-03-05 or 2021-03-05 18:30, or \
                         seconds since 1970";

//! A configured backup: its record, lists, password, lock, run, retention and report, and everything else that can be
//! asked of its repository.
//!
//! This is what the commands call, and what a program that embeds Holdfast calls. Nothing here prints, ends the process
//! or reads its environment: a [`Context`] says where things are, a [`Watcher`] or
//! [`Progress`](engine_api::Progress) hears what happens, and results are values.
//!
//! ```no_run
//! use engine_api::Silent;
//! use jobs::{Access, Context, Layout, QuickBackup, Surroundings, Which};
//!
//! # fn main() -> engine_api::Result<()> {
//! let surroundings = Surroundings { root: Some("/srv/app/holdfast".into()), ..Surroundings::default() };
//! let context = Context {
//!     layout: Layout::find(&surroundings)?,
//!     host: "app1".into(),
//!     user: "app".into(),
//!     zone: jiff::tz::TimeZone::UTC,
//! };
//! let access = Access::to(Which::Folder("/mnt/backup".into()));
//! let backup = QuickBackup::of(vec!["/srv/app/data".into()], access);
//! let report = backup.run(&context, &Silent)?;
//! assert!(report.backup.problems.is_empty());
//! # Ok(())
//! # }
//! ```

mod actions;
pub mod ask;
mod atomic;
pub mod catalog;
mod context;
mod detect;
pub mod disks;
mod error;
pub mod esmith;
pub mod events;
mod exchange;
mod hooks;
mod inspect;
pub mod journal;
mod keys;
mod layout;
pub mod lists;
mod lock;
mod migrate;
mod name;
pub mod notify;
mod open;
pub mod overview;
mod paths;
mod quick;
mod record;
mod restore;
mod run;
pub mod schedule;
mod secrets;
mod site;
mod status;
mod synthetic;
pub mod text;
pub mod trial;
pub mod when;

pub use actions::{ActionReport, Ending};
pub use context::{Context, FoundDatabase};
pub use engine_duplicity::SyntheticReport;
pub use error::{Error, Result};
pub use exchange::{Exchange, Exchanged};
pub use fstree::pattern::parse_list;
pub use hooks::HookNote;
pub use keys::Key;
pub use layout::{Convention, Layout, Surroundings};
pub use name::JobName;
pub use open::Repository;
pub use quick::{QuickBackup, QuickReport};
pub use record::{
    Certificate, CheckData, CheckWhen, Checking, Conduct, EngineName, IoPriority, Job, Mail, MailAddress, Mailer,
    Notification, Pair, Place, PlaceKind, Priority, Prune, RecordError, Retention, Security, Sets, Smtp, Strategy,
    Timetable, Url, When,
};
pub use restore::{Placed, Restore, Restored, WholeReport, WholeStep, restore_data};
pub use run::steps::new_repository as new_repository_lines;
pub use run::{Checked, DiskUsage, Plan, RunOptions, RunReport, Step, Watcher, Work, unattended};
pub use secrets::Secret;
pub use site::{Access, Compression, Site, Which};
pub use status::Status;
pub use synthetic::lines as synthetic_lines;

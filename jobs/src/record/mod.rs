//! A record of the `backups` database as a job: typed, checked, and explained where it is wrong.

mod address;
mod checking;
mod conduct;
mod engines;
mod fields;
mod notify;
mod pairs;
mod places;
mod properties;
mod rules;

use std::num::NonZeroUsize;

use engine_api::{Age, ErrorKind, Failure};

use crate::esmith::Record;
use crate::name::JobName;
use fields::Fields;

pub use address::{Address, read_address};
pub use checking::{CheckData, CheckWhen, Checking};
pub use conduct::{Conduct, IoPriority, Priority, Timetable};
pub use engine_rsync::Strategy;
pub use engines::{EngineName, Sets};
pub(crate) use notify::{Common, is_common};
pub use notify::{Mail, MailAddress, Mailer, Notification, Security, Smtp, Url, When};
pub use pairs::Pair;
pub use places::{Certificate, Place, PlaceKind};
pub(crate) use properties::is_property;
pub use properties::is_secret;
pub use rules::check;

/// A backup as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The record's key.
    pub name: JobName,
    /// Whether it may run.
    pub enabled: bool,
    /// What saves the data.
    pub engine: EngineName,
    /// Where it goes.
    pub place: Place,
    /// When snapshots expire.
    pub retention: Retention,
    /// When data that no snapshot needs is removed.
    pub prune: Prune,
    /// When and how it is checked.
    pub checking: Checking,
    /// How the duplicity engine makes its sets; the others do not look at it.
    pub sets: Sets,
    /// Which snapshots the rsync engine keeps of each age; the others do not look at it.
    pub strategy: Strategy,
    /// How its runs behave towards the machine and each other.
    pub conduct: Conduct,
    /// Operations at once at its storage, where the record says so (property `Connections`).
    pub connections: Option<NonZeroUsize>,
    /// The folder at the place that is this machine's own, where the record says so (property `HostFolder`).
    pub host_folder: Option<String>,
}

/// Property `CleanupOlderThan`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// Everything stays.
    Never,
    /// Snapshots stay that are younger than this, seen from the newest.
    KeepWithin(Age),
}

/// Property `Prune`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prune {
    /// After every run.
    Always,
    /// After runs on this day of the week, 0 being Sunday.
    Weekday(i8),
}

/// What is wrong with a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A value that a property cannot have.
    #[error("backup {record}: {property} is `{value}`, and must be {allowed}")]
    Value {
        /// The record's key.
        record: String,
        /// The property, or `type`.
        property: String,
        /// Its value, hidden when it is a secret.
        value: String,
        /// What it may be.
        allowed: String,
    },
    /// A property that is needed.
    #[error("backup {record}: {property} is missing, and must be {allowed}")]
    Missing {
        /// The record's key.
        record: String,
        /// The property.
        property: String,
        /// What it may be.
        allowed: String,
    },
    /// A name that no property has.
    #[error("backup {record}: there is no property {property}")]
    Unknown {
        /// The record's key.
        record: String,
        /// The name.
        property: String,
        /// A property that is spelled like it.
        similar: Option<String>,
    },
    /// A property that nothing reads any more; a note, and no error.
    #[error("backup {record}: {property} has no effect: {advice}")]
    Old {
        /// The record's key.
        record: String,
        /// The property.
        property: String,
        /// What is there instead.
        advice: String,
    },
    /// A record that has lost a separator.
    #[error("backup {record}: the record is damaged: {property} has no value, so one before it has lost its end")]
    Damaged {
        /// The record's key.
        record: String,
        /// The last property.
        property: String,
    },
}

impl RecordError {
    /// Whether it keeps nothing from working.
    #[must_use]
    pub const fn is_note(&self) -> bool {
        matches!(self, Self::Old { .. })
    }

    /// The property that it is about; `type` for the record's type.
    #[must_use]
    pub fn property(&self) -> &str {
        self.names().1
    }

    fn names(&self) -> (&str, &str) {
        match self {
            Self::Value { record, property, .. }
            | Self::Missing { record, property, .. }
            | Self::Unknown { record, property, .. }
            | Self::Old { record, property, .. }
            | Self::Damaged { record, property } => (record, property),
        }
    }
}

impl Failure for RecordError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Usage
    }

    fn hint(&self) -> Option<String> {
        let (record, property) = self.names();
        Some(match self {
            Self::Unknown {
                similar: Some(similar), ..
            } => format!("did you mean {similar}?"),
            Self::Unknown { .. } => format!("take it out with `db backups delprop {record} {property}`"),
            Self::Old { .. } => format!("take it out with `db backups delprop {record} {property}`"),
            Self::Damaged { .. } => format!("look at it with `db backups get {record}` and set its properties anew"),
            _ if property == "type" => format!("change it with `db backups settype {record} restic`"),
            _ => format!("change it with `db backups setprop {record} {property} VALUE`"),
        })
    }
}

impl Job {
    /// Reads the record of `name`; an empty property counts as missing.
    ///
    /// # Errors
    /// The first property that keeps the job from running.
    pub fn read(name: &JobName, record: &Record) -> Result<Self, RecordError> {
        let fields = Fields::new(name.as_str(), record)?;
        let engine = engines::engine(&fields)?;
        Ok(Self {
            name: name.clone(),
            enabled: rules::enabled(&fields)?,
            engine,
            place: places::place(&fields, engine)?,
            retention: rules::retention(&fields)?,
            prune: rules::prune(&fields)?,
            checking: checking::checking(&fields)?,
            sets: engines::sets(&fields)?,
            strategy: engines::strategy(&fields)?,
            conduct: conduct::conduct(&fields)?,
            connections: places::connections(&fields)?,
            host_folder: places::host_folder(&fields)?,
        })
    }

    /// Where the data goes, for messages.
    #[must_use]
    pub fn location(&self) -> String {
        self.place.to_string()
    }
}

#[cfg(test)]
mod tests;

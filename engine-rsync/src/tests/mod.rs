//! Reading: restore, check, listing, find and diff over trees that lie there.

mod checking;
mod listing;
mod restoring;

//! Full and incremental chains in the format of duplicity.

mod tar;

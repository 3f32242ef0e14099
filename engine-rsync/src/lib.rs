//! Hard-linked snapshots in the layout of rsync-time-backup.

mod manifest;

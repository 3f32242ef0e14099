use std::path::Path;

use engine_api::Destination;
use holdfast_tests::sshd::Sshd;

pub const NO_SERVER: &str = "there is no sshd here, or only root may run it";

/// Every request beyond the protocol's third version.
pub const EXTENSIONS: [&str; 8] = [
    "posix-rename",
    "statvfs",
    "fstatvfs",
    "hardlink",
    "fsync",
    "lsetstat",
    "limits",
    "copy-data",
];

/// The folder `directory` as the server has it.
pub fn open(server: &Sshd, directory: &Path) -> Destination {
    backends::sftp::open(server.settings(directory), true).unwrap_or_else(|error| {
        let error = engine_api::Error::from(error);
        panic!("{}\n{}", error.chain(), server.log())
    })
}

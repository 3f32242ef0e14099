//! The facts of the process that the library is told.

use std::env;
use std::path::PathBuf;

use jiff::tz::TimeZone;
use jobs::{Context, Layout, Surroundings};

/// Looks up where Holdfast's own files are, and who and where we are.
///
/// # Errors
/// When there is no place for them.
pub fn context() -> Result<Context, jobs::Error> {
    let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let xdg = ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"];
    let root = variable("HOLDFAST_ROOT").map(|root| std::path::absolute(&root).unwrap_or(root));
    let surroundings = Surroundings {
        root,
        superuser: rustix::process::geteuid().is_root(),
        home: variable("HOME"),
        xdg: xdg.map(variable),
    };
    Ok(Context {
        layout: Layout::find(&surroundings)?,
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        user: user(),
        zone: TimeZone::system(),
    })
}

fn user() -> String {
    match uzers::get_current_username() {
        Some(name) => name.to_string_lossy().into_owned(),
        None => rustix::process::getuid().as_raw().to_string(),
    }
}

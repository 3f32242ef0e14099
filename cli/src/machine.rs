//! The facts of the process that the library is told.

use std::env;
use std::path::PathBuf;

use jiff::Zoned;
use jiff::tz::TimeZone;
use jobs::{Context, IoPriority, Layout, Priority, Surroundings};
use uzers::os::unix::UserExt;

use crate::output::Output;

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
        home: variable("HOME").or_else(home),
        xdg: xdg.map(variable),
    };
    Ok(Context {
        layout: Layout::find(&surroundings)?,
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        user: user(),
        zone: TimeZone::system(),
    })
}

/// Lets others go first, as far as the record says so.
pub fn step_back(output: &Output, priority: Priority) {
    if let Some(nice) = priority.nice
        && let Err(error) = rustix::process::setpriority_process(None, nice)
    {
        output.warn(&format!("cannot set Nice to {nice}: {error}"));
    }
    let io = priority.io.map(|io| match io {
        IoPriority::Idle => platform::DiskClass::Idle,
        IoPriority::BestEffort(level) => platform::DiskClass::BestEffort(level),
    });
    if let Some(class) = io
        && let Err(error) = platform::set_disk_class(class)
    {
        output.warn(&format!("cannot set IONice: {error}"));
    }
}

/// The current moment in the machine's zone.
pub fn now(context: &Context) -> Zoned {
    Zoned::now().with_time_zone(context.zone.clone())
}

/// The program itself, for those that are to start it.
pub fn program() -> Result<PathBuf, jobs::Error> {
    env::current_exe().map_err(|source| jobs::Error::Io {
        action: "find",
        path: "the program itself".into(),
        source,
    })
}

/// The home folder that the system's user database has: some service managers set no `HOME`.
fn home() -> Option<PathBuf> {
    let user = uzers::get_user_by_uid(uzers::get_current_uid())?;
    Some(user.home_dir().to_owned())
}

fn user() -> String {
    match uzers::get_current_username() {
        Some(name) => name.to_string_lossy().into_owned(),
        None => rustix::process::getuid().as_raw().to_string(),
    }
}

//! The commands: `holdfast`, and the names that NethServer's administrators have in their fingers and crontabs.
//!
//! Thin by design: parse, call `jobs`, print.

mod args;
mod charset;
mod commands;
mod exit;
mod json;
mod machine;
mod output;
mod progress;
mod prompt;
mod signals;
mod terminal;

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    platform::return_large_buffers();
    let mut words: Vec<OsString> = std::env::args_os().collect();
    args::name_from_program(&mut words);
    commands::run(&words)
}

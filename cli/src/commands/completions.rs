use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::aot;

use super::end;
use crate::args::{Cli, Shell};
use crate::output::{Output, Verbosity};
use crate::signals::Interrupt;
use jobs::Status;

/// Prints the completions of all commands for `shell`.
pub fn run(shell: Shell) -> ExitCode {
    let output = Output::new("holdfast", false, false, Verbosity::default());
    let _ = output.raw(&script(shell));
    end(&output, &Interrupt::default(), Status::Success)
}

fn script(shell: Shell) -> Vec<u8> {
    let (mut line, mut script) = (Cli::command(), Vec::new());
    match shell {
        Shell::Bash => aot::generate(aot::Bash, &mut line, "holdfast", &mut script),
        Shell::Zsh => aot::generate(aot::Zsh, &mut line, "holdfast", &mut script),
        Shell::Fish => aot::generate(aot::Fish, &mut line, "holdfast", &mut script),
    }
    script
}

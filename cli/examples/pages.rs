//! The manual pages of all commands, made from the parser itself: one example rather than a command, so that the program
//! does not carry it.
//!
//! `cargo run -p holdfast --example pages -- FOLDER`

#[allow(
    dead_code,
    unused_imports,
    reason = "the program's parser, of which only the shape is needed here"
)]
#[path = "../src/args/mod.rs"]
mod args;

use std::path::{Path, PathBuf};
use std::{fs, io};

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

fn main() -> io::Result<()> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.ok_or_else(|| io::Error::other("usage: pages FOLDER"))?;
    fs::create_dir_all(&folder)?;
    let mut line = args::Cli::command().disable_help_subcommand(true);
    line.build();
    write(&folder, &line)
}

/// Writes the page of a command, `holdfast-job-add.1`, and those of the commands below it.
fn write(folder: &Path, command: &Command) -> io::Result<()> {
    let below: Vec<_> = command.get_subcommands().filter(|below| !below.is_hide_set()).collect();
    below.iter().try_for_each(|below| write(folder, below))?;
    let version = concat!("holdfast ", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone()).source(version).manual("Holdfast");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if !below.is_empty() {
        man.render_subcommands_section(&mut page)?;
    }
    examples(command).to_writer(&mut page)?;
    fs::write(folder.join(man.get_filename()), page)
}

/// What follows the options in the help, line by line as it stands there.
fn examples(command: &Command) -> Roff {
    let mut section = Roff::new();
    let Some(text) = command.get_after_help().map(ToString::to_string) else {
        return section;
    };
    section.control("SH", ["EXAMPLES"]).control("nf", []);
    for line in text.trim_start_matches("Examples:").trim_start_matches('\n').lines() {
        section.text([roman(line)]);
    }
    section.control("fi", []);
    section
}

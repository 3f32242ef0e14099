//! Holdfast beside its peers on the same work: one command, one table.
//!
//! `cargo run --release -p holdfast-benches` makes the corpus, finds the peers, runs them in turn and prints medians.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program whose whole purpose is to print a table"
)]

mod corpus;
mod error;
mod hold;
mod measure;
mod options;
mod peers;
mod remote;
mod rounds;
mod table;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use crate::corpus::Corpus;
use crate::error::Error;
use crate::hold::Held;
use crate::options::{Engine, Options};
use crate::remote::Remote;

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("holdfast-benches: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Error> {
    let folder = options.folder();
    let corpus = Corpus::make(&folder.join("corpus"), options.scale)?.with_pages(options.pages_of, options.pages);
    let peers = peers::find(options)?;
    let remote = match options.over {
        Some(over) => {
            let (delay, count) = (Duration::from_millis(options.delay), options.engine == Engine::Rsync);
            Some(Remote::start(over, &folder, delay, count)?)
        }
        None => None,
    };
    let _held = (options.hold > 0).then(|| Held::take(options.hold)).transpose()?;
    let results = rounds::run(&corpus, &peers, options, &folder, remote.as_ref());
    if !options.keep {
        corpus.remove()?;
    }
    println!("{}", table::markdown(&results?, corpus.description()));
    Ok(())
}

//! Runs the benchmark from the command line.

mod args;
mod command;
mod progress;

use std::process::ExitCode;

use clap::Parser;

use self::args::Args;

/// As for `clap`: a wrong command line, or something that is not there.
const MISUSE: u8 = 2;

fn main() -> ExitCode {
    command::run(&Args::parse()).unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::from(MISUSE)
    })
}

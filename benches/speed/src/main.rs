//! Runs the benchmark from the command line.

mod args;
mod command;

use std::process::ExitCode;

use clap::Parser;

use self::args::Args;

/// The exit code for a wrong command line or a missing program or file. `clap` uses the same one.
const MISUSE: u8 = 2;

fn main() -> ExitCode {
    command::run(&Args::parse()).unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::from(MISUSE)
    })
}

//! Runs the benchmark from the command line.

mod args;
mod command;

use std::process::ExitCode;

use self::args::Args;

/// The exit code for a wrong command line or file. `clap` uses the same one.
const MISUSE: u8 = 2;

fn main() -> ExitCode {
    let args = match Args::read() {
        Ok(args) => args,
        Err(code) => return code,
    };
    command::run(&args).unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::from(MISUSE)
    })
}

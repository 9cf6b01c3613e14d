//! The command line of the benchmark.

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;

use crate::MISUSE;

/// Measures how many answers users lose behind each circuit breaker.
///
/// Without options: all scenarios, all contestants, 20 seeds; tables and plots go to results/.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Args {
    /// Run only these scenarios, as --list names them; or a TOML file with one of your own
    #[arg(long = "scenario", value_name = "NAME[,NAME…] | FILE")]
    pub(crate) scenarios: Vec<String>,

    /// Run only these contestants, as --list names them
    #[arg(long = "contestant", value_name = "NAME[,NAME…]")]
    pub(crate) contestants: Vec<String>,

    /// Run each scenario this many times, each time with another seed
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) seeds: u64,

    /// Start with this seed
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u64).range(..=u64::from(u32::MAX)))]
    pub(crate) first_seed: u64,

    /// Run our own contestants with a few seeds and compare the figures with the recorded ones;
    /// exit code 1 if they differ
    #[arg(long, conflicts_with_all = ["seeds", "first_seed", "reject"])]
    pub(crate) quick: bool,

    /// Record what --quick measures, instead of comparing it
    #[arg(long, requires = "quick", conflicts_with_all = ["scenarios", "contestants"])]
    pub(crate) record: bool,

    /// Let refused calls end in an error, without a backup
    #[arg(long)]
    pub(crate) reject: bool,

    /// Write the results here; the default is results/ beside this benchmark's Cargo.toml, and
    /// nowhere with --quick
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// Use this many threads; the default is one for each core
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,

    /// Draw no pictures
    #[arg(long)]
    pub(crate) no_plots: bool,

    /// List the contestants and scenarios, and run nothing
    #[arg(long)]
    pub(crate) list: bool,
}

impl Args {
    /// Parses the command line. On an error, prints it and returns the exit code.
    pub(crate) fn read() -> Result<Self, ExitCode> {
        Self::try_parse().map_err(|error| {
            if error.use_stderr() {
                // The first paragraph is the error; the others explain the usage.
                let text = error.to_string();
                let lines = text.lines().take_while(|line| !line.trim().is_empty());
                eprintln!("{}", lines.map(str::trim).collect::<Vec<_>>().join(" "));
                ExitCode::from(MISUSE)
            } else {
                print!("{error}");
                ExitCode::SUCCESS
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn definition_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn quick_runs_with_the_recorded_seeds_only() {
        for line in [
            "x --quick --seeds 5",
            "x --quick --reject",
            "x --record",
            "x --seeds 0",
            "x --quick --record --scenario S1",
        ] {
            assert!(Args::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
        assert!(Args::try_parse_from(["x", "--quick", "--scenario", "S1"]).is_ok());
    }
}

//! The command line: which paths and contestants to measure, and which of the special runs to make.

use std::path::PathBuf;

use clap::Parser;
use tower_breaker_speed::{contestant::Contestant, path::Path, row::Row};

/// Measures what a call through a circuit breaker costs.
///
/// Without options: everything, in about a minute. Tables and plots go to docs/ and README.md.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Args {
    /// Measure only these paths
    #[arg(long = "path", value_name = "PATH[,PATH…]", value_delimiter = ',')]
    pub(crate) paths: Vec<Path>,

    /// Measure only these contestants
    #[arg(long = "contestant", value_name = "NAME[,NAME…]", value_delimiter = ',')]
    pub(crate) contestants: Vec<Contestant>,

    /// Take about twenty seconds: fewer rounds, and without the path that has to learn first
    #[arg(long)]
    pub(crate) quick: bool,

    /// Write tables and plots here; the default is docs/ if everything is measured, and nowhere
    /// otherwise
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// Compare this project's instructions per call with the recorded ones; exit code 1 if they are
    /// more
    #[arg(long, conflicts_with_all = ["paths", "contestants", "quick", "out"])]
    pub(crate) guard: bool,

    /// Measure only whether a console with 1000 breakers and 50 readers slows calls down
    #[arg(long, conflicts_with_all = ["paths", "contestants", "quick", "out", "guard", "keys"])]
    pub(crate) console: bool,

    /// Measure only what a breaker for each of COUNT keys takes
    #[arg(long, value_name = "COUNT", conflicts_with_all = ["paths", "contestants", "quick", "out", "guard"])]
    pub(crate) keys: Option<u64>,

    /// Record what --guard counts, instead of comparing it
    #[arg(long, requires = "guard")]
    pub(crate) record: bool,

    /// Make the calls of these rows under callgrind
    #[arg(long, hide = true, value_delimiter = ',')]
    pub(crate) under_callgrind: Vec<Row>,
}

impl Args {
    /// Returns whether this run measures everything that is published.
    pub(crate) fn is_full(&self) -> bool {
        !self.quick && self.paths.is_empty() && self.contestants.is_empty()
    }

    pub(crate) fn paths(&self) -> Vec<Path> {
        let default = Path::ALL.iter().filter(|path| !self.quick || **path != Path::Learned);
        or_default(&self.paths, default.copied())
    }

    pub(crate) fn contestants(&self) -> Vec<Contestant> {
        or_default(&self.contestants, Contestant::ALL.iter().copied())
    }
}

fn or_default<T: Copy>(wanted: &[T], default: impl Iterator<Item = T>) -> Vec<T> {
    if wanted.is_empty() {
        default.collect()
    } else {
        wanted.to_vec()
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
    fn only_a_whole_run_is_published() {
        for (line, full) in [
            ("x", true),
            ("x --quick", false),
            ("x --path closed,errors", false),
            ("x --contestant recloser", false),
        ] {
            assert_eq!(Args::try_parse_from(line.split(' ')).unwrap().is_full(), full, "{line}");
        }
    }

    #[test]
    fn guard_is_always_of_the_same_rows() {
        for line in [
            "x --guard --path closed",
            "x --guard --quick",
            "x --record",
            "x --path nowhere",
        ] {
            assert!(Args::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}

use std::path::PathBuf;

use clap::Parser;
use tower_breaker_speed::{contestant::Contestant, path::Path, row::Row};

/// What does a call through a circuit breaker cost?
///
/// Without options: everything, in about a minute; tables and plots go to docs/ and README.md.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Args {
    /// Only these paths
    #[arg(long = "path", value_name = "PATH[,PATH…]", value_delimiter = ',')]
    pub(crate) paths: Vec<Path>,

    /// Only these contestants
    #[arg(long = "contestant", value_name = "NAME[,NAME…]", value_delimiter = ',')]
    pub(crate) contestants: Vec<Contestant>,

    /// In about twenty seconds: fewer rounds, and without what has to be learned first
    #[arg(long)]
    pub(crate) quick: bool,

    /// Where tables and plots go; by default docs/ if everything is measured, and nowhere else
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// Hold this project's instructions per call to the recorded ones: exit code 1 where they are more
    #[arg(long, conflicts_with_all = ["paths", "contestants", "quick", "out"])]
    pub(crate) guard: bool,

    /// Measure whether a console with 1000 breakers and 50 readers slows calls down, and nothing else
    #[arg(long, conflicts_with_all = ["paths", "contestants", "quick", "out", "guard", "keys"])]
    pub(crate) console: bool,

    /// Measure what a breaker for each of so many keys takes, and nothing else
    #[arg(long, value_name = "COUNT", conflicts_with_all = ["paths", "contestants", "quick", "out", "guard"])]
    pub(crate) keys: Option<u64>,

    /// Record what --guard counts, instead of comparing it
    #[arg(long, requires = "guard")]
    pub(crate) record: bool,

    /// Make the calls of these rows, for callgrind to count
    #[arg(long, hide = true, value_delimiter = ',')]
    pub(crate) under_callgrind: Vec<Row>,
}

impl Args {
    /// Whether the figures are those that are published.
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

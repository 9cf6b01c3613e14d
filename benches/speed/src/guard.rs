//! Compares instructions per call on this project's own paths with the recorded counts.
//!
//! A change that costs instructions fails here before it is released.

use std::{collections::BTreeMap, fmt};

use crate::{contestant::Contestant, path::Path, row::Row};

/// How far a count may lie above the recorded one, as a fraction.
const WORSE: f64 = 0.02;
/// How far a count may lie below the recorded one before it has to be recorded. An unrecorded
/// improvement could be lost again without a failure.
const BETTER: f64 = 0.05;

/// The paths that are counted. `Learned` takes seconds to learn and then runs the same code as
/// `SlowAfter`. `Keyed` hashes keys with a random seed, so that its count isn't exactly repeatable.
const PATHS: [Path; 7] = [
    Path::Closed,
    Path::SlowAfter,
    Path::Errors,
    Path::Rejecting,
    Path::Backup,
    Path::HalfOpen,
    Path::FastClock,
];

#[must_use]
pub fn rows() -> Vec<Row> {
    let contestant = Contestant::Ours;
    PATHS.map(|path| Row { contestant, path }).into()
}

/// Instructions per call, by path name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts(BTreeMap<String, f64>);

impl Counts {
    /// Pairs counts with the names of the paths, in the order of [`rows`].
    #[must_use]
    pub fn of(counts: &[f64]) -> Self {
        let names = PATHS.iter().map(|path| path.name().to_owned());
        Self(names.zip(counts.iter().copied()).collect())
    }

    /// Reads recorded counts.
    ///
    /// # Errors
    ///
    /// Returns the line and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text).map(Self)
    }

    /// Compares each path's measured count with the one recorded here.
    #[must_use]
    pub fn compare(&self, measured: &Self) -> Vec<Comparison> {
        let gone = self.0.keys().filter(|path| !measured.0.contains_key(*path));
        let paths = measured.0.keys().chain(gone);
        paths
            .map(|path| Comparison {
                path: path.clone(),
                recorded: self.0.get(path).copied(),
                measured: measured.0.get(path).copied(),
            })
            .collect()
    }
}

/// Writes the format that [`Counts::parse`] reads.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "# Instructions per call. Written by `cargo run --release -- --guard --record`."
        )?;
        self.0
            .iter()
            .try_for_each(|(path, count)| writeln!(f, "{path} = {count:.1}"))
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    path: String,
    recorded: Option<f64>,
    measured: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    AsRecorded,
    Worse,
    /// Lower by so much that it has to be recorded.
    Better,
    /// Recorded but not measured, or measured but not recorded.
    Unknown,
}

impl Comparison {
    #[must_use]
    pub fn standing(&self) -> Standing {
        match self.recorded.zip(self.measured) {
            None => Standing::Unknown,
            Some((recorded, measured)) if measured > recorded * (1.0 + WORSE) => Standing::Worse,
            Some((recorded, measured)) if measured < recorded * (1.0 - BETTER) => Standing::Better,
            Some(_) => Standing::AsRecorded,
        }
    }

    #[must_use]
    pub fn fails(&self) -> bool {
        matches!(self.standing(), Standing::Worse | Standing::Unknown)
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |count: Option<f64>| count.map_or_else(|| "–".to_owned(), |count| format!("{count:.1}"));
        let (recorded, measured) = (shown(self.recorded), shown(self.measured));
        write!(f, "{:10} {recorded:>8} → {measured:>8}", self.path)?;
        if let Some((recorded, measured)) = self.recorded.zip(self.measured) {
            write!(f, "  {:+.1} %", 100.0 * (measured / recorded - 1.0))?;
        }
        f.write_str(match self.standing() {
            Standing::AsRecorded => "",
            Standing::Worse => "  too many",
            Standing::Better => "  record it: --guard --record",
            Standing::Unknown => "  not on both sides: --guard --record",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(recorded: f64, measured: f64) -> Standing {
        let counts = |count: f64| Counts([("closed".to_owned(), count)].into());
        let compared = counts(recorded).compare(&counts(measured));
        assert_eq!(compared.len(), 1);
        compared[0].standing()
    }

    #[test]
    fn two_percent_more_passes_and_no_more() {
        assert_eq!(standing(1000.0, 1020.0), Standing::AsRecorded);
        assert_eq!(standing(1000.0, 1020.1), Standing::Worse);
    }

    #[test]
    fn improvement_asks_to_be_recorded_and_fails_nothing() {
        assert_eq!(standing(1000.0, 950.0), Standing::AsRecorded);
        assert_eq!(standing(1000.0, 949.0), Standing::Better);
        let better = Counts::of(&[1000.0; 6]).compare(&Counts::of(&[100.0; 6]));
        assert!(!better.iter().any(Comparison::fails));
    }

    #[test]
    fn path_that_is_not_recorded_or_not_measured_fails() {
        let (all, fewer) = (Counts::of(&[1.0; 6]), Counts::of(&[1.0; 5]));
        for compared in [all.compare(&fewer), fewer.compare(&all)] {
            assert_eq!(compared.iter().filter(|comparison| comparison.fails()).count(), 1);
            assert_eq!(compared.len(), 6);
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let counts = Counts::of(&[2200.2, 2458.2, 2203.8, 1418.3, 2009.9, 5442.1]);
        assert_eq!(Counts::parse(&counts.to_string()).unwrap(), counts);
    }

    #[test]
    fn bounds_that_are_recorded_are_those_of_the_rows() {
        let recorded = Counts::parse(include_str!("../bounds.toml")).unwrap();
        let names: Vec<_> = recorded.0.keys().map(String::as_str).collect();
        let mut paths = PATHS.map(Path::name);
        paths.sort_unstable();
        assert_eq!(names, paths);
    }
}

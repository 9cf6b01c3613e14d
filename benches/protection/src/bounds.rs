//! This project's own figures as recorded, compared with those that were measured.
//!
//! A change that moves a figure fails here before it is released.

use std::{collections::BTreeMap, fmt};

use serde::Deserialize;

use crate::{
    run::{Bench, Results},
    statistics::Estimate,
    table::Table,
};

/// The seeds that the figures are recorded with.
pub const FIRST_SEED: u64 = 1;
pub const SEEDS: u64 = 3;

/// How far a regret may be off, in hundredths. The system's mathematics may differ in a last bit.
const TOLERANCE: i64 = 1;

/// The recorded figures of each scenario and contestant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounds(BTreeMap<(String, String), Bound>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bound {
    /// In hundredths of an answer per 1000.
    regret: i64,
    /// The sum over all seeds.
    trips: u64,
    false_trips: u64,
}

/// The error of a file of bounds that can't be read.
#[derive(Debug)]
pub struct BoundsError(String);

impl fmt::Display for BoundsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BoundsError {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    regret: f64,
    trips: u64,
    false_trips: u64,
}

impl Bounds {
    /// Takes the figures of this project's own rows from the results.
    pub fn of(bench: &Bench<'_>, results: &Results) -> Self {
        let mut bounds = BTreeMap::new();
        for (scenario, measured) in bench.scenarios.iter().zip(&results.scenarios) {
            let ours = bench.entries.iter().enumerate().filter(|(_, entry)| entry.is_ours());
            for (index, entry) in ours {
                let regret = Estimate::of(&measured.regrets(index)).map_or(0.0, |regret| regret.mean);
                let bound = Bound {
                    regret: hundredths(regret),
                    trips: measured.total(index, |run| run.trips),
                    false_trips: measured.total(index, |run| run.false_trips),
                };
                bounds.insert((scenario.name.clone(), entry.name.to_owned()), bound);
            }
        }
        Self(bounds)
    }

    /// Reads recorded figures.
    ///
    /// # Errors
    ///
    /// Returns the line and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, BoundsError> {
        let recorded: BTreeMap<String, BTreeMap<String, Recorded>> =
            toml::from_str(text).map_err(|error| BoundsError(error.to_string()))?;
        let bounds = recorded.into_iter().flat_map(|(scenario, contestants)| {
            contestants.into_iter().map(move |(contestant, recorded)| {
                let bound = Bound {
                    regret: hundredths(recorded.regret),
                    trips: recorded.trips,
                    false_trips: recorded.false_trips,
                };
                ((scenario.clone(), contestant), bound)
            })
        });
        Ok(Self(bounds.collect()))
    }

    /// Lists where measured and recorded figures differ. Ignores recorded figures of scenarios and
    /// contestants that were not run.
    pub fn differences(&self, bench: &Bench<'_>, measured: &Self) -> Table {
        let was_run = |(scenario, contestant): &(String, String)| {
            let known = bench.entries.iter().any(|entry| entry.name == contestant);
            known && bench.scenarios.iter().any(|run| run.name == *scenario)
        };
        let gone = self
            .0
            .keys()
            .filter(|key| was_run(key) && !measured.0.contains_key(key));
        let rows = measured.0.keys().chain(gone).filter_map(|key| {
            let (recorded, measured) = (self.0.get(key), measured.0.get(key));
            let alike = recorded
                .zip(measured)
                .is_some_and(|(recorded, measured)| recorded.is_like(*measured));
            (!alike).then(|| {
                let shown = |bound: Option<&Bound>| bound.map_or_else(|| "–".to_owned(), ToString::to_string);
                vec![key.0.clone(), key.1.clone(), shown(recorded), shown(measured)]
            })
        });
        Table {
            rows: rows.collect(),
            head: ["scenario", "contestant", "recorded", "measured"]
                .map(String::from)
                .into(),
        }
    }
}

/// Writes the format that [`Bounds::parse`] reads.
impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# Written by `cargo run --release -- --quick --record`.")?;
        let mut last = None;
        for ((scenario, contestant), bound) in &self.0 {
            if last != Some(scenario) {
                writeln!(f, "\n[{scenario}]")?;
                last = Some(scenario);
            }
            let Bound { trips, false_trips, .. } = bound;
            let regret = bound.regret();
            writeln!(
                f,
                "{contestant} = {{ regret = {regret}, trips = {trips}, false_trips = {false_trips} }}"
            )?;
        }
        Ok(())
    }
}

impl Bound {
    fn is_like(self, other: Self) -> bool {
        self.regret.abs_diff(other.regret) <= TOLERANCE.unsigned_abs()
            && self.trips == other.trips
            && self.false_trips == other.false_trips
    }

    fn regret(self) -> String {
        format!("{:.2}", self.regret as f64 / 100.0)
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trips, false_trips, .. } = self;
        write!(f, "{} ({trips} trips, {false_trips} false)", self.regret())
    }
}

fn hundredths(regret: f64) -> i64 {
    (regret * 100.0).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{roster::OURS, scenario::Scenario};

    const RECORDED: &str = "
        [S1]
        tower-breaker = { regret = 3.14, trips = 3, false_trips = 0 }
        tower-breaker-never-slow = { regret = -0.01, trips = 3, false_trips = 0 }
        [S2]
        tower-breaker = { regret = 1, trips = 0, false_trips = 0 }
    ";

    fn differences(measured: &str) -> Vec<Vec<String>> {
        let scenarios = Scenario::built_in();
        let bench = Bench {
            scenarios: &scenarios[..1],
            entries: OURS,
            first_seed: FIRST_SEED,
            seeds: SEEDS,
            reject: false,
        };
        let recorded = Bounds::parse(RECORDED).unwrap();
        recorded.differences(&bench, &Bounds::parse(measured).unwrap()).rows
    }

    #[test]
    fn what_is_written_is_read_back() {
        let bounds = Bounds::parse(RECORDED).unwrap();
        assert_eq!(Bounds::parse(&bounds.to_string()).unwrap(), bounds);
        assert_eq!(bounds.0.len(), 3);
    }

    #[test]
    fn last_digit_may_be_off_by_one_and_nothing_else() {
        let same = RECORDED
            .replace("3.14", "3.15")
            .replace("[S2]", "[S3]")
            .replace("regret = 1,", "regret = 2,");
        assert_eq!(
            differences(&same.split("[S3]").next().unwrap().replace("-0.01", "0")),
            Vec::<Vec<String>>::new()
        );
        let measured = RECORDED.split("[S2]").next().unwrap().replace("3.14", "3.16");
        assert_eq!(
            differences(&measured),
            [[
                "S1",
                "tower-breaker",
                "3.14 (3 trips, 0 false)",
                "3.16 (3 trips, 0 false)"
            ]]
        );
        let measured = RECORDED
            .split("[S2]")
            .next()
            .unwrap()
            .replacen("false_trips = 0", "false_trips = 1", 1);
        assert_eq!(differences(&measured).len(), 1);
    }

    #[test]
    fn row_that_is_missing_differs() {
        let measured = "[S1]\ntower-breaker = { regret = 3.14, trips = 3, false_trips = 0 }";
        assert_eq!(
            differences(measured),
            [["S1", "tower-breaker-never-slow", "-0.01 (3 trips, 0 false)", "–"]]
        );
    }
}

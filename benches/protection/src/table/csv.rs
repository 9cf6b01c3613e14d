//! The results as CSV.

use std::{borrow::Cow, time::Duration};

use super::figures::fixed;
use crate::{
    measure::Measures,
    run::{Bench, Results},
    statistics::Estimate,
};

type Column = (&'static str, fn(&Measures) -> Option<f64>, usize);

/// The raw measures, with their decimals. Times are in seconds.
const COLUMNS: &[Column] = &[
    ("requests", |run| Some(run.requests as f64), 0),
    ("utility", |run| Some(run.utility), 4),
    ("good", |run| Some(run.good as f64), 0),
    ("slow", |run| Some(run.slow as f64), 0),
    ("by_backup", |run| Some(run.by_backup as f64), 0),
    ("errors", |run| Some(run.errors as f64), 0),
    ("dropped", |run| Some(run.dropped as f64), 0),
    ("to_primary", |run| Some(run.to_primary as f64), 0),
    ("wasted", |run| Some(run.wasted as f64), 0),
    ("refused", |run| Some(run.refused as f64), 0),
    ("trips", |run| Some(run.trips as f64), 0),
    ("false_trips", |run| Some(run.false_trips as f64), 0),
    ("reopened", |run| Some(run.reopened as f64), 0),
    ("reopened_in_recovery", |run| Some(run.reopened_in_recovery as f64), 0),
    ("time_to_trip", |run| seconds(run.time_to_trip), 6),
    ("time_to_primary", |run| seconds(run.time_to_primary), 6),
    ("p50", |run| seconds(run.latency(0.5)), 6),
    ("p99", |run| seconds(run.latency(0.99)), 6),
    ("peak_load", |run| run.peak_load, 4),
    ("crashes", |run| Some(run.crashes as f64), 0),
];

fn seconds(time: Option<Duration>) -> Option<f64> {
    time.map(|time| time.as_secs_f64())
}

fn names() -> impl Iterator<Item = Cow<'static, str>> {
    COLUMNS.iter().map(|(name, ..)| Cow::Borrowed(*name))
}

/// Writes a line for each scenario, contestant and seed. A measure that a run doesn't have is left
/// empty.
pub fn runs_csv(bench: &Bench<'_>, results: &Results) -> String {
    let mut csv = csv_line(
        ["scenario", "contestant", "seed", "regret"]
            .map(Cow::from)
            .into_iter()
            .chain(names()),
    );
    for (scenario, measured) in bench.scenarios.iter().zip(&results.scenarios) {
        let mut runs_of = |name: &str, runs: &[Measures]| {
            for ((seed, run), reference) in bench.seeds().zip(runs).zip(&measured.reference) {
                let key = [
                    Cow::from(&scenario.name),
                    name.into(),
                    seed.to_string().into(),
                    fixed(run.regret(reference), 6).into(),
                ];
                let values = COLUMNS.iter().map(|(_, measure, decimals)| {
                    Cow::from(measure(run).map_or_else(String::new, |value| fixed(value, *decimals)))
                });
                csv += &csv_line(key.into_iter().chain(values));
            }
        };
        runs_of("reference", &measured.reference);
        for (entry, runs) in bench.entries.iter().zip(&measured.entries) {
            runs_of(entry.name, runs);
        }
    }
    csv
}

/// Writes a line for each scenario and contestant, with means over the seeds.
pub fn summary_csv(bench: &Bench<'_>, results: &Results) -> String {
    let key = ["scenario", "contestant", "seeds", "regret", "regret_standard_error"];
    let mut csv = csv_line(key.map(Cow::from).into_iter().chain(names()));
    for (scenario, measured) in bench.scenarios.iter().zip(&results.scenarios) {
        for (index, entry) in bench.entries.iter().enumerate() {
            let regret = Estimate::of(&measured.regrets(index));
            let error = regret.and_then(|regret| regret.error);
            let figure = |value: Option<f64>| Cow::from(value.map_or_else(String::new, |value| fixed(value, 6)));
            let key = [
                Cow::from(&scenario.name),
                entry.name.into(),
                bench.seeds.to_string().into(),
                figure(regret.map(|regret| regret.mean)),
                figure(error),
            ];
            let means = COLUMNS
                .iter()
                .map(|(_, measure, _)| figure(measured.mean(index, measure).map(|(mean, _)| mean)));
            csv += &csv_line(key.into_iter().chain(means));
        }
    }
    csv
}

/// Joins values into a line, quoted where RFC 4180 demands it.
fn csv_line<'a>(values: impl Iterator<Item = Cow<'a, str>>) -> String {
    let quoted = values.map(|value| {
        if value.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", value.replace('"', "\"\"")).into()
        } else {
            value
        }
    });
    let mut line = quoted.collect::<Vec<_>>().join(",");
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_are_quoted() {
        let line = csv_line(["plain", "a, b", "so \"called\""].into_iter().map(Cow::from));
        assert_eq!(line, "plain,\"a, b\",\"so \"\"called\"\"\"\n");
    }
}

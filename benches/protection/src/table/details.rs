//! The table with all measures of one scenario.

use std::time::Duration;

use super::{
    Table, bold,
    figures::{self, NOTHING, fixed},
};
use crate::{
    measure::Measures,
    ranking::{Ranking, Row},
    run::{Bench, Results, ScenarioResults},
};

/// A column: its heading, its measure, and how the measure is written.
type Column = (&'static str, fn(&Measures) -> Option<f64>, fn(f64) -> String);

/// The columns after regret. Each is a mean over the runs.
const COLUMNS: &[Column] = &[
    (
        "time to trip",
        |run| run.time_to_trip.map(|time| time.as_secs_f64()),
        seconds,
    ),
    ("wasted calls", |run| Some(run.wasted as f64), count),
    ("errors", |run| Some(run.errors as f64), count),
    ("slow answers", |run| Some(run.slow as f64), count),
    ("share to backup", |run| Some(run.refused_rate()), percent),
    ("p99", |run| run.latency(0.99).map(|time| time.as_secs_f64()), latency),
    ("trips", |run| Some(run.trips as f64), count),
    ("false trips", |run| Some(run.false_trips as f64), count),
    ("reopened", |run| Some(run.reopened as f64), count),
    ("… in recovery", |run| Some(run.reopened_in_recovery as f64), count),
    (
        "back to 90 %",
        |run| run.time_to_primary.map(|time| time.as_secs_f64()),
        seconds,
    ),
    ("peak load", |run| run.peak_load, factor),
    ("crashes", |run| Some(run.crashes as f64), count),
];

/// Builds the table of one scenario, a contestant in each row.
///
/// The figures are means over the runs. If only some runs have a figure, their number is beside it.
pub fn details(bench: &Bench<'_>, results: &Results, ranking: &Ranking, scenario: usize) -> Table {
    let measured = &results.scenarios[scenario];
    let mut rows: Vec<&Row> = ranking.rows.iter().collect();
    rows.sort_by(|one, other| one.regrets[scenario].mean.total_cmp(&other.regrets[scenario].mean));
    let rows = rows.into_iter().map(|row| {
        let entry = &bench.entries[row.entry];
        let name = if entry.is_ours() {
            bold(entry.name)
        } else {
            entry.name.to_owned()
        };
        [name, figures::regret_with_error(row.regrets[scenario])]
            .into_iter()
            .chain(COLUMNS.iter().map(|column| shown(measured, row.entry, column)))
            .collect()
    });
    Table {
        rows: rows.collect(),
        head: ["", "regret"]
            .into_iter()
            .chain(COLUMNS.iter().map(|(name, ..)| *name))
            .map(String::from)
            .collect(),
    }
}

fn shown(measured: &ScenarioResults, entry: usize, (_, measure, format): &Column) -> String {
    match measured.mean(entry, measure) {
        None => NOTHING.to_owned(),
        Some((mean, runs)) if runs == measured.reference.len() => format(mean),
        Some((mean, runs)) => format!("{} ({runs})", format(mean)),
    }
}

fn seconds(seconds: f64) -> String {
    format!("{} s", fixed(seconds, if seconds < 9.995 { 2 } else { 1 }))
}

fn latency(seconds: f64) -> String {
    format!("{} ms", Duration::from_secs_f64(seconds).as_millis())
}

fn percent(rate: f64) -> String {
    format!("{} %", fixed(100.0 * rate, 1))
}

fn factor(factor: f64) -> String {
    format!("× {}", fixed(factor, 2))
}

fn count(count: f64) -> String {
    fixed(count, usize::from(count.fract() != 0.0 && count < 99.95))
}

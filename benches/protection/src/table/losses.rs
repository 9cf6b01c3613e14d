//! The table of losses: which contestants are better than this project's, and where.

use super::{Table, cell, figures};
use crate::{
    ranking::Ranking,
    run::{Bench, Results},
    statistics::Estimate,
};

/// Lists where a contestant's regret is lower than ours by more than two standard errors of the
/// difference, taken seed by seed.
pub fn losses(bench: &Bench<'_>, results: &Results, ranking: &Ranking) -> Table {
    let ours = ranking.ours(bench);
    let rows = ours.into_iter().flat_map(|ours| {
        let scenarios = bench.scenarios.iter().enumerate();
        scenarios.flat_map(move |(index, scenario)| {
            let others = ranking.rows.iter().filter(move |row| row.entry != ours.entry);
            let mut better: Vec<_> = others
                .filter_map(|row| {
                    let excess = results.scenarios[index].excess(row.entry, ours.entry)?;
                    excess.is_below_zero().then_some((row, excess))
                })
                .collect();
            better.sort_by(|(_, one), (_, other)| one.mean.total_cmp(&other.mean));
            better.into_iter().map(move |(row, excess)| {
                vec![
                    format!("{} {}", cell(&scenario.name), cell(&scenario.title)),
                    bench.entries[row.entry].name.to_owned(),
                    figures::regret_with_error(row.regrets[index]),
                    figures::regret_with_error(ours.regrets[index]),
                    figures::regret_with_error(Estimate {
                        mean: -excess.mean,
                        ..excess
                    }),
                ]
            })
        })
    });
    let us = ours.map_or("", |row| bench.entries[row.entry].name);
    Table {
        rows: rows.collect(),
        head: ["scenario", "contestant", "its regret", us, "difference"]
            .map(String::from)
            .into(),
    }
}

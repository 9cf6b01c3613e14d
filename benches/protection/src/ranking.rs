//! The contestants in order of their regret.

use crate::{
    entry::Entry,
    run::{Bench, Results},
    statistics::Estimate,
};

/// The contestants by their mean regret, the best first.
#[derive(Debug)]
pub struct Ranking {
    pub rows: Vec<Row>,
}

/// One contestant.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its index in the benchmark's entries.
    pub entry: usize,
    /// Its regret in each scenario.
    pub regrets: Vec<Estimate>,
    /// The mean over the scenarios that count, first for each seed and then over the seeds.
    pub mean: Estimate,
    /// The scenario with the highest regret of those that count.
    pub worst: usize,
}

impl Ranking {
    /// Ranks the entries. Returns `None` if nothing was run.
    pub fn of(bench: &Bench<'_>, results: &Results) -> Option<Self> {
        let counted = counted(bench);
        let mut rows = (0..bench.entries.len())
            .map(|entry| Row::of(entry, results, &counted))
            .collect::<Option<Vec<_>>>()?;
        rows.sort_by(|one, other| {
            let by_name = || bench.entries[one.entry].name.cmp(bench.entries[other.entry].name);
            one.mean.mean.total_cmp(&other.mean.mean).then_with(by_name)
        });
        (!rows.is_empty()).then_some(Self { rows })
    }

    /// Returns the row of this project's first contestant that took part. Others are compared with
    /// it.
    pub fn ours(&self, bench: &Bench<'_>) -> Option<&Row> {
        let rows = self.rows.iter().filter(|row| bench.entries[row.entry].is_ours());
        rows.min_by_key(|row| row.entry)
    }

    /// Returns the rows of other projects, the best first.
    pub fn peers<'r>(&'r self, bench: &'r Bench<'_>) -> impl Iterator<Item = &'r Row> {
        let is_peer = |entry: &Entry| !entry.is_ours() && entry.name != Entry::NONE;
        self.rows.iter().filter(move |row| is_peer(&bench.entries[row.entry]))
    }
}

/// Returns the scenarios in the mean. If none of those that ran counts, all of them do.
pub(crate) fn counted(bench: &Bench<'_>) -> Vec<usize> {
    let all = 0..bench.scenarios.len();
    let counted: Vec<_> = all.clone().filter(|index| bench.scenarios[*index].in_mean).collect();
    if counted.is_empty() { all.collect() } else { counted }
}

impl Row {
    fn of(entry: usize, results: &Results, counted: &[usize]) -> Option<Self> {
        let by_seed: Vec<_> = results
            .scenarios
            .iter()
            .map(|scenario| scenario.regrets(entry))
            .collect();
        let regrets = by_seed
            .iter()
            .map(|regrets| Estimate::of(regrets))
            .collect::<Option<Vec<_>>>()?;
        let seeds = by_seed.first().map_or(0, Vec::len);
        let means: Vec<_> = (0..seeds)
            .map(|seed| counted.iter().map(|scenario| by_seed[*scenario][seed]).sum::<f64>() / counted.len() as f64)
            .collect();
        let worst = counted
            .iter()
            .copied()
            .rev()
            .max_by(|one, other| regrets[*one].mean.total_cmp(&regrets[*other].mean))?;
        Some(Self {
            entry,
            mean: Estimate::of(&means)?,
            worst,
            regrets,
        })
    }
}

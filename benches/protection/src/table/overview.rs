//! The table of regret by contestant and scenario.

use super::{Table, bold, cell, figures};
use crate::{
    ranking::{Ranking, Row, counted},
    run::Bench,
    statistics::Estimate,
};

/// How precisely an overview shows its figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    Figures,
    /// With their standard errors.
    WithErrors,
}

/// Builds the table of regret per 1000: a contestant in each row, a scenario in each column.
pub fn overview(bench: &Bench<'_>, ranking: &Ranking, precision: Precision) -> Table {
    let shown = |estimate: Estimate| match precision {
        Precision::Figures => figures::regret(estimate.mean),
        Precision::WithErrors => figures::regret_with_error(estimate),
    };
    let names = bench.scenarios.iter().map(|scenario| cell(&scenario.name));
    let mut columns: Vec<Column> = Vec::new();
    columns.extend(
        names
            .enumerate()
            .map(|(index, name)| Column::of(name, ranking, |row| row.regrets[index], &shown)),
    );
    columns.push(Column::of("mean".into(), ranking, |row| row.mean, &shown));
    columns.push(Column::of(
        "worst".into(),
        ranking,
        |row| row.regrets[row.worst],
        &shown,
    ));
    let rows = ranking.rows.iter().enumerate().map(|(index, row)| {
        let entry = &bench.entries[row.entry];
        let name = if entry.is_ours() {
            bold(entry.name)
        } else {
            entry.name.to_owned()
        };
        std::iter::once(name)
            .chain(columns.iter().map(|column| column.cells[index].clone()))
            .collect()
    });
    Table {
        rows: rows.collect(),
        head: std::iter::once(String::new())
            .chain(columns.iter().map(|column| column.name.clone()))
            .collect(),
    }
}

/// Returns sentences that say what the figures of an overview mean.
pub fn caption(bench: &Bench<'_>) -> String {
    let counted = counted(bench);
    let others: Vec<_> = (0..bench.scenarios.len())
        .filter(|index| !counted.contains(index))
        .map(|index| bench.scenarios[index].name.as_str())
        .collect();
    let apart = if others.is_empty() {
        String::new()
    } else {
        format!(
            "; {} {} not in them",
            listed(&others),
            if others.len() == 1 { "is" } else { "are" }
        )
    };
    let scenarios = if counted.len() == 1 { "scenario" } else { "scenarios" };
    let refused = if bench.reject {
        " Refused calls end in an error: there is no backup."
    } else {
        ""
    };
    format!(
        "Answers lost per 1000 requests beside an all-knowing reference; lower is better, the best of each column is bold. Mean and \
         worst are over {} {scenarios}{apart}. {} {} from {}.{refused}\n",
        counted.len(),
        bench.seeds,
        if bench.seeds == 1 { "seed" } else { "seeds" },
        bench.first_seed,
    )
}

/// Joins names to a list like `"S14, S15 and S16"`.
fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [some @ .., last] => format!("{} and {last}", some.join(", ")),
    }
}

struct Column {
    name: String,
    cells: Vec<String>,
}

impl Column {
    /// Builds a column. Its best cells are bold, unless all of them are equal.
    fn of(
        name: String,
        ranking: &Ranking,
        estimate: impl Fn(&Row) -> Estimate,
        shown: &dyn Fn(Estimate) -> String,
    ) -> Self {
        let estimates: Vec<_> = ranking.rows.iter().map(estimate).collect();
        let best = estimates
            .iter()
            .min_by(|one, other| one.mean.total_cmp(&other.mean))
            .map(|best| figures::regret(best.mean))
            .unwrap_or_default();
        let is_best = |estimate: &Estimate| figures::regret(estimate.mean) == best;
        let all = estimates.iter().all(is_best);
        let cells = estimates.iter().map(|estimate| {
            let cell = shown(*estimate);
            if is_best(estimate) && !all { bold(&cell) } else { cell }
        });
        Self {
            name,
            cells: cells.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_read_well() {
        assert_eq!(listed(&["S1"]), "S1");
        assert_eq!(listed(&["S1", "S2", "S3"]), "S1, S2 and S3");
    }
}

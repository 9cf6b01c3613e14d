//! Formats the figures as Markdown.

use std::{env::consts, thread};

use crate::{
    budget,
    contestant::Contestant,
    figures::{Figures, Measure},
    number::shown,
    path::Path,
    scaling::Scaling,
    statistics::Spread,
};

/// The columns in the tables of paths: a heading, and whether the quartiles are shown.
const COLUMNS: &[(Measure, &str, bool)] = &[
    (Measure::OverBare, "ns over bare", true),
    (Measure::Instructions, "instructions", false),
    (Measure::Allocations, "allocations", false),
    (Measure::AllocatedBytes, "bytes allocated", false),
    (Measure::Future, "future, bytes", false),
    (Measure::Service, "service, bytes", false),
];

fn shown_spread(spread: Spread) -> String {
    let Spread { lower, median, upper } = spread;
    format!("{} ({} … {})", shown(median), shown(lower), shown(upper))
}

/// A Markdown table.
struct Table(String);

impl Table {
    fn new(head: &[&str]) -> Self {
        let rule = vec!["---:"; head.len() - 1].join("|");
        Self(format!("| {} |\n|---|{rule}|\n", head.join(" | ")))
    }

    fn row(&mut self, first: &str, cells: impl Iterator<Item = Option<String>>) {
        let cells: Vec<_> = cells.map(|cell| cell.unwrap_or_else(|| "–".to_owned())).collect();
        self.0 += &format!("| {first} | {} |\n", cells.join(" | "));
    }
}

/// Returns a sentence on the machine that measured.
#[must_use]
pub fn caption() -> String {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    format!("Measured on {cores} cores, {} {}.\n", consts::OS, consts::ARCH)
}

#[must_use]
pub fn budgets(figures: &Figures) -> String {
    let mut table = Table::new(&["budget", "limit", "measured", ""]);
    for budget in budget::all(figures) {
        let cells = [
            budget.limit.to_string(),
            budget.measured.map_or_else(|| "–".into(), shown),
            budget.verdict().to_string(),
        ];
        table.row(&budget.title, cells.into_iter().map(Some));
    }
    table.0
}

/// Formats nanoseconds over the bare call by contestant and path, then the figures of each
/// contestant.
#[must_use]
pub fn overview(figures: &Figures) -> String {
    let paths: Vec<_> = Path::ALL
        .iter()
        .filter(|path| figures.of(Measure::OverBare).any(|figure| figure.case == path.name()))
        .collect();
    let mut head = vec!["ns over bare"];
    head.extend(paths.iter().map(|path| path.name()));
    head.extend(["instructions, closed", "two threads", "bytes of one breaker"]);
    let mut table = Table::new(&head);
    for name in figures.names(Measure::OverBare) {
        let median = |measure, path: &Path| figures.get(measure, name, path.name()).map(|spread| spread.median);
        let times = paths.iter().map(|path| median(Measure::OverBare, path).map(shown));
        let others = [
            median(Measure::Instructions, &Path::Closed).map(shown),
            median(Measure::TwoThreads, &Path::Closed).map(|ratio| format!("{ratio:.2}")),
            median(Measure::Live, &Path::Closed).map(shown),
        ];
        table.row(&emphasized(name), times.chain(others));
    }
    table.0
}

/// Formats a table for each path.
#[must_use]
pub fn paths(figures: &Figures) -> String {
    let mut text = String::new();
    for path in Path::ALL {
        let mut head = vec![path.name()];
        head.extend(COLUMNS.iter().map(|(_, heading, _)| *heading));
        let mut table = Table::new(&head);
        let names: Vec<_> = figures
            .of(Measure::OverBare)
            .filter(|figure| figure.case == path.name())
            .map(|figure| figure.name)
            .collect();
        for name in &names {
            let cells = COLUMNS.iter().map(|(measure, _, spread)| {
                let show = if *spread {
                    shown_spread
                } else {
                    |spread: Spread| shown(spread.median)
                };
                figures.get(*measure, name, path.name()).map(show)
            });
            table.row(&emphasized(name), cells);
        }
        if !names.is_empty() {
            text += &format!("**{}**\n\n{}\n", path.about(), table.0);
        }
    }
    text
}

#[must_use]
pub fn threads(figures: &Figures) -> String {
    let mut table = Table::new(&["one breaker ÷ one each", "throughput"]);
    for figure in figures.of(Measure::TwoThreads) {
        let line = format!("{}, {}", emphasized(figure.name), figure.case);
        table.row(&line, [Some(shown_spread(figure.spread))].into_iter());
    }
    table.0
}

#[must_use]
pub fn scaling(figures: &Figures) -> String {
    let mut text = String::new();
    for scaling in Scaling::ALL {
        let names = figures.names(scaling.measure());
        if names.is_empty() {
            continue;
        }
        let steps: Vec<_> = scaling.steps().iter().map(ToString::to_string).collect();
        let mut head = vec!["ns over bare"];
        head.extend(steps.iter().map(String::as_str));
        let mut table = Table::new(&head);
        for name in names {
            let cells = steps.iter().map(|step| {
                let spread = figures.get(scaling.measure(), name, step)?;
                Some(shown(spread.median))
            });
            table.row(&emphasized(name), cells);
        }
        text += &format!("By **{}**\n\n{}\n", scaling.about(), table.0);
    }
    text
}

fn emphasized(name: &str) -> String {
    if name.starts_with(Contestant::Ours.name()) {
        format!("**{name}**")
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_measured_is_a_dash() {
        let mut figures = Figures::default();
        figures.add(Measure::OverBare, "tower-breaker", "closed", Spread::of(&[7.0]));
        figures.add(Measure::OverBare, "recloser", "errors", Spread::of(&[9.0]));
        let table = overview(&figures);
        assert!(
            table.contains("| **tower-breaker** | 7 | – |") && table.contains("| recloser | – | 9 |"),
            "{table}"
        );
    }
}

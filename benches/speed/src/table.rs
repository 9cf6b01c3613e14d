//! The figures as Markdown.

use std::{env::consts, thread};

use crate::{
    budget,
    contestant::Contestant,
    figures::{Figures, Measure},
    path::Path,
    scaling::Scaling,
    statistics::Spread,
};

/// What stands in the tables of paths: a heading, and whether its quartiles are worth showing.
const COLUMNS: &[(Measure, &str, bool)] = &[
    (Measure::OverBare, "ns over bare", true),
    (Measure::Instructions, "instructions", false),
    (Measure::Allocations, "allocations", false),
    (Measure::AllocatedBytes, "bytes allocated", false),
    (Measure::Future, "future, bytes", false),
    (Measure::Service, "service, bytes", false),
];

/// Two or three digits.
pub(crate) fn shown(value: f64) -> String {
    let decimals = match value.abs() {
        value if value == value.trunc() || value >= 100.0 => 0,
        value if value >= 1.95 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

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

/// The machine that the figures are of.
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
        table.row(&budget.what, cells.into_iter().map(Some));
    }
    table.0
}

/// Nanoseconds over the bare call, by contestant and path; then what belongs to a contestant.
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
    for who in figures.who(Measure::OverBare) {
        let median = |measure, path: &Path| figures.get(measure, who, path.name()).map(|spread| spread.median);
        let times = paths.iter().map(|path| median(Measure::OverBare, path).map(shown));
        let others = [
            median(Measure::Instructions, &Path::Closed).map(shown),
            median(Measure::TwoThreads, &Path::Closed).map(|ratio| format!("{ratio:.2}")),
            median(Measure::Live, &Path::Closed).map(shown),
        ];
        table.row(&emphasised(who), times.chain(others));
    }
    table.0
}

/// A table for each path.
#[must_use]
pub fn paths(figures: &Figures) -> String {
    let mut text = String::new();
    for path in Path::ALL {
        let mut head = vec![path.name()];
        head.extend(COLUMNS.iter().map(|(_, heading, _)| *heading));
        let mut table = Table::new(&head);
        let who: Vec<_> = figures
            .of(Measure::OverBare)
            .filter(|figure| figure.case == path.name())
            .map(|figure| figure.who)
            .collect();
        for who in &who {
            let cells = COLUMNS.iter().map(|(measure, _, spread)| {
                let show = if *spread {
                    shown_spread
                } else {
                    |spread: Spread| shown(spread.median)
                };
                figures.get(*measure, who, path.name()).map(show)
            });
            table.row(&emphasised(who), cells);
        }
        if !who.is_empty() {
            text += &format!("**{}**\n\n{}\n", path.about(), table.0);
        }
    }
    text
}

#[must_use]
pub fn threads(figures: &Figures) -> String {
    let mut table = Table::new(&["one breaker ÷ one each", "throughput"]);
    for figure in figures.of(Measure::TwoThreads) {
        let who = format!("{}, {}", emphasised(figure.who), figure.case);
        table.row(&who, [Some(shown_spread(figure.spread))].into_iter());
    }
    table.0
}

#[must_use]
pub fn scaling(figures: &Figures) -> String {
    let mut text = String::new();
    for scaling in Scaling::ALL {
        let who = figures.who(scaling.measure());
        if who.is_empty() {
            continue;
        }
        let steps: Vec<_> = scaling.steps().iter().map(ToString::to_string).collect();
        let mut head = vec!["ns over bare"];
        head.extend(steps.iter().map(String::as_str));
        let mut table = Table::new(&head);
        for who in who {
            let cells = steps.iter().map(|step| {
                let spread = figures.get(scaling.measure(), who, step)?;
                Some(shown(spread.median))
            });
            table.row(&emphasised(who), cells);
        }
        text += &format!("By **{}**\n\n{}\n", scaling.about(), table.0);
    }
    text
}

fn emphasised(who: &str) -> String {
    if who.starts_with(Contestant::Ours.name()) {
        format!("**{who}**")
    } else {
        who.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_few_and_enough() {
        let cases = [
            (0.0, "0"),
            (0.367, "0.37"),
            (1.3, "1.30"),
            (23.96, "24.0"),
            (229.6, "230"),
            (4096.0, "4096"),
            (-0.26, "-0.26"),
        ];
        for (value, text) in cases {
            assert_eq!(shown(value), text);
        }
    }

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

//! This project's limits on what a call may cost, and how the measured figures compare with them.
//!
//! [`all`] lists every budget. A budget without a figure is not measured, and is neither met nor
//! missed.

use std::fmt;

use crate::{
    contestant::Contestant,
    figures::{Figures, Measure},
    number::shown,
    path::Path,
    scaling::Scaling,
};

/// A limit, and the figure that it applies to.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    pub title: String,
    pub limit: Limit,
    /// `None` if it was not measured.
    pub measured: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// The figure is better than the limit by this much.
    Met(f64),
    /// The figure is worse than the limit by this much.
    Missed(f64),
    NotMeasured,
}

/// How much a flat cost may grow: by this factor, or by this many nanoseconds. A larger memory is
/// slower to reach.
const FLAT: (f64, f64) = (1.25, 2.0);

/// Returns this project's budgets, in the order of the published table.
#[must_use]
pub fn all(figures: &Figures) -> Vec<Budget> {
    let ours = |measure, path: Path| figures.get(measure, OURS, path.name()).map(|spread| spread.median);
    let closed = ours(Measure::OverBare, Path::Closed);
    let mut budgets: Vec<_> = Path::ALL
        .iter()
        .filter_map(|path| {
            let (best, peer) = best_peer(figures, *path)?;
            let title = format!("{}, ns over bare: ahead of {peer}", path.name());
            Some(at_most(best, title, ours(Measure::OverBare, *path)))
        })
        .collect();
    budgets.extend([
        at_most(10.0, "closed, ns over bare", closed),
        at_most(160.0, "closed, instructions", ours(Measure::Instructions, Path::Closed)),
        at_most(0.0, "closed, allocations", ours(Measure::Allocations, Path::Closed)),
        at_most(
            65.0,
            "slow-after, ns over bare, default clock",
            ours(Measure::OverBare, Path::SlowAfter),
        ),
        at_most(
            1.3,
            "errors ÷ closed, ns over bare",
            ours(Measure::OverBare, Path::Errors)
                .zip(closed)
                .map(|(errors, closed)| errors / closed),
        ),
        at_most(
            10.0,
            "rejecting, ns over bare",
            ours(Measure::OverBare, Path::Rejecting),
        ),
        at_most(15.0, "backup, ns over bare", ours(Measure::OverBare, Path::Backup)),
        Budget {
            title: "two threads, one breaker ÷ one each".into(),
            limit: Limit::AtLeast(0.9),
            measured: ours(Measure::TwoThreads, Path::Closed),
        },
        at_most(4096.0, "bytes of one breaker", ours(Measure::Live, Path::Closed)),
    ]);
    budgets.extend(Scaling::ALL.iter().flat_map(|scaling| flat(figures, *scaling)));
    budgets
}

const OURS: &str = Contestant::Ours.name();

fn at_most(limit: f64, title: impl Into<String>, measured: Option<f64>) -> Budget {
    Budget {
        title: title.into(),
        limit: Limit::AtMost(limit),
        measured,
    }
}

/// Returns the lowest cost over bare among the other breakers that have this path, and its owner.
fn best_peer(figures: &Figures, path: Path) -> Option<(f64, &'static str)> {
    let peers = Contestant::ALL
        .iter()
        .filter(|peer| !peer.is_floor() && **peer != Contestant::Ours);
    let times = peers.filter_map(|peer| {
        let spread = figures.get(Measure::OverBare, peer.name(), path.name())?;
        Some((spread.median, peer.name()))
    });
    times.min_by(|(one, _), (other, _)| one.total_cmp(other))
}

fn flat(figures: &Figures, scaling: Scaling) -> Vec<Budget> {
    let lines = scaling
        .lines()
        .iter()
        .filter(|line| line.contestant == Contestant::Ours);
    let budgets = lines.map(|line| {
        let of_line = || figures.of(scaling.measure()).filter(|figure| figure.name == line.name);
        let (first, last) = (of_line().next(), of_line().last());
        let limit = first.map_or(0.0, |first| {
            (FLAT.0 * first.spread.median).max(first.spread.median + FLAT.1)
        });
        let steps = first
            .zip(last)
            .map(|(first, last)| format!(", from {} to {}", first.case, last.case));
        let title = format!(
            "flat by {}: {}{}, ns",
            scaling.about(),
            line.name,
            steps.unwrap_or_default()
        );
        at_most(limit, title, last.map(|last| last.spread.median))
    });
    budgets.collect()
}

impl Budget {
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let spare = match (self.measured, self.limit) {
            (None, _) => return Verdict::NotMeasured,
            (Some(measured), Limit::AtMost(limit)) => limit - measured,
            (Some(measured), Limit::AtLeast(limit)) => measured - limit,
        };
        if spare >= 0.0 {
            Verdict::Met(spare)
        } else {
            Verdict::Missed(-spare)
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(limit) => write!(f, "≤ {}", shown(*limit)),
            Self::AtLeast(limit) => write!(f, "≥ {}", shown(*limit)),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Met(spare) => write!(f, "met by {}", shown(*spare)),
            Self::Missed(by) => write!(f, "**missed by {}**", shown(*by)),
            Self::NotMeasured => f.write_str("not measured"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::Spread;

    fn figures(values: &[(Measure, &'static str, &str, f64)]) -> Figures {
        let mut figures = Figures::default();
        for &(measure, name, case, value) in values {
            figures.add(measure, name, case, Spread::of(&[value]));
        }
        figures
    }

    fn verdict(figures: &Figures, title: &str) -> Verdict {
        let budgets = all(figures);
        budgets
            .iter()
            .find(|budget| budget.title.starts_with(title))
            .unwrap()
            .verdict()
    }

    #[test]
    fn limit_itself_is_met() {
        let measured = figures(&[
            (Measure::OverBare, OURS, "closed", 10.0),
            (Measure::TwoThreads, OURS, "closed", 0.9),
        ]);
        assert_eq!(verdict(&measured, "closed, ns"), Verdict::Met(0.0));
        assert_eq!(verdict(&measured, "two threads"), Verdict::Met(0.0));
        let measured = figures(&[
            (Measure::OverBare, OURS, "closed", 12.0),
            (Measure::TwoThreads, OURS, "closed", 0.5),
        ]);
        assert_eq!(verdict(&measured, "closed, ns"), Verdict::Missed(2.0));
        assert_eq!(verdict(&measured, "two threads"), Verdict::Missed(0.4));
        assert_eq!(verdict(&measured, "rejecting"), Verdict::NotMeasured);
    }

    #[test]
    fn floors_are_no_peers() {
        let measured = figures(&[
            (Measure::OverBare, OURS, "closed", 20.0),
            (Measure::OverBare, "recloser", "closed", 15.0),
            (Measure::OverBare, "seatbelt", "closed", 100.0),
            (Measure::OverBare, "boxed", "closed", 5.0),
        ]);
        assert_eq!(
            verdict(&measured, "closed, ns over bare: ahead of recloser"),
            Verdict::Missed(5.0)
        );
    }

    #[test]
    fn a_little_growth_is_flat() {
        let grown = |last| {
            figures(&[
                (Measure::InFlight, "tower-breaker", "0", 10.0),
                (Measure::InFlight, "tower-breaker", "10", 500.0),
                (Measure::InFlight, "tower-breaker", "100", last),
            ])
        };
        let title = "flat by calls in flight: tower-breaker, from 0 to 100";
        assert_eq!(verdict(&grown(12.5), title), Verdict::Met(0.0));
        assert_eq!(verdict(&grown(14.0), title), Verdict::Missed(1.5));
    }
}

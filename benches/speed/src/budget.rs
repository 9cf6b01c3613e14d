//! What a call may cost, and what it does.

use std::fmt;

use crate::{
    contestant::Contestant,
    figures::{Figures, Measure},
    path::Path,
    scaling::Scaling,
};

/// A bound, and the figure that it is for.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    pub what: String,
    pub limit: Limit,
    /// `None` where that was not measured.
    pub measured: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// With so much to spare.
    Met(f64),
    /// By so much.
    Missed(f64),
    NotMeasured,
}

/// A cost that is flat may still grow by this factor, or by this many nanoseconds: more memory is further away.
const FLAT: (f64, f64) = (1.25, 2.0);

/// This project's.
#[must_use]
pub fn all(figures: &Figures) -> Vec<Budget> {
    let ours = |measure, path: Path| figures.get(measure, OURS, path.name()).map(|spread| spread.median);
    let closed = ours(Measure::OverBare, Path::Closed);
    let mut budgets: Vec<_> = Path::ALL
        .iter()
        .filter_map(|path| {
            let (best, peer) = best_peer(figures, *path)?;
            let what = format!("{}, ns over bare: ahead of {peer}", path.name());
            Some(at_most(best, what, ours(Measure::OverBare, *path)))
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
            what: "two threads, one breaker ÷ one each".into(),
            limit: Limit::AtLeast(0.9),
            measured: ours(Measure::TwoThreads, Path::Closed),
        },
        at_most(4096.0, "bytes of one breaker", ours(Measure::Live, Path::Closed)),
    ]);
    budgets.extend(Scaling::ALL.iter().flat_map(|scaling| flat(figures, *scaling)));
    budgets
}

const OURS: &str = Contestant::Ours.name();

fn at_most(limit: f64, what: impl Into<String>, measured: Option<f64>) -> Budget {
    Budget {
        what: what.into(),
        limit: Limit::AtMost(limit),
        measured,
    }
}

/// The fastest of those that have this path.
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
        let of_line = || figures.of(scaling.measure()).filter(|figure| figure.who == line.name);
        let (first, last) = (of_line().next(), of_line().last());
        let limit = first.map_or(0.0, |first| {
            (FLAT.0 * first.spread.median).max(first.spread.median + FLAT.1)
        });
        let steps = first
            .zip(last)
            .map(|(first, last)| format!(", from {} to {}", first.case, last.case));
        let what = format!(
            "flat by {}: {}{}, ns",
            scaling.about(),
            line.name,
            steps.unwrap_or_default()
        );
        at_most(limit, what, last.map(|last| last.spread.median))
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
            Self::AtMost(limit) => write!(f, "≤ {}", crate::table::shown(*limit)),
            Self::AtLeast(limit) => write!(f, "≥ {}", crate::table::shown(*limit)),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Met(spare) => write!(f, "met by {}", crate::table::shown(*spare)),
            Self::Missed(by) => write!(f, "**missed by {}**", crate::table::shown(*by)),
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
        for &(measure, who, case, value) in values {
            figures.add(measure, who, case, Spread::of(&[value]));
        }
        figures
    }

    fn verdict(figures: &Figures, what: &str) -> Verdict {
        let budgets = all(figures);
        budgets
            .iter()
            .find(|budget| budget.what.starts_with(what))
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
        let what = "flat by calls in flight: tower-breaker, from 0 to 100";
        assert_eq!(verdict(&grown(12.5), what), Verdict::Met(0.0));
        assert_eq!(verdict(&grown(14.0), what), Verdict::Missed(1.5));
    }
}

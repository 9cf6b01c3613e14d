//! A user's configuration and the suggested one, side by side.

use std::fmt;

use crate::replay::report::Report;

/// A comparison of two configurations on the same trace, by the same measure.
///
/// Displayed, it is a table.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Comparison {
    /// The report of the user's configuration.
    pub yours: Report,
    /// The report of the suggested configuration.
    pub suggested: Report,
}

impl fmt::Display for Comparison {
    /// Writes a table with a column for each configuration, and one for no breaker.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { yours, suggested } = self;
        let lost = |report: &Report| format!("{:.1}", report.per_thousand(report.lost()));
        let without = format!("{:.1}", yours.per_thousand(yours.lost_without()));
        let bad = (yours.admitted.bad + yours.diverted.bad).to_string();
        let mut row = |name: &str, none: &str, yours: &dyn fmt::Display, suggested: &dyn fmt::Display| {
            write!(f, "{name:<28}{none:>12}")?;
            writeln!(f, "{:>12}{:>12}", yours.to_string(), suggested.to_string())
        };
        row("", "no breaker", &"yours", &"suggested")?;
        row("answers lost of 1000", &without, &lost(yours), &lost(suggested))?;
        row(
            "bad calls to the primary",
            &bad,
            &yours.admitted.bad,
            &suggested.admitted.bad,
        )?;
        row("bad calls avoided", "0", &yours.diverted.bad, &suggested.diverted.bad)?;
        row(
            "good calls given up",
            "0",
            &yours.diverted.good,
            &suggested.diverted.good,
        )?;
        row("trips", "0", &yours.trips.len(), &suggested.trips.len())?;
        row(
            "false trips",
            "0",
            &yours.false_trips().count(),
            &suggested.false_trips().count(),
        )
    }
}

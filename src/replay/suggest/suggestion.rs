use std::{fmt, time::Duration};

use super::{
    Suggest,
    candidates::{Origin, Value},
    comparison::Comparison,
};
use crate::{
    config::Config,
    machine::{ConfigError, HumanDuration, SlowAfter},
    replay::{
        report::{Counted, Report},
        trace::{Latencies, Trace},
    },
};

/// Parameters that a trace suggests, and why. Displayed, it has the lines to paste.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Suggestion {
    /// From when on a call is slow: [`Learned`](SlowAfter::Learned), [`After`](SlowAfter::After) a time, or [`Never`](SlowAfter::Never).
    pub slow_after: SlowAfter,
    /// θ, the tolerated rate of bad calls.
    pub tolerated_rate: f64,
    /// How long evidence has to last.
    pub sustained_for: Duration,
    /// A configuration of these, all else as by default.
    pub config: Config,
    /// The latencies that it rests on.
    pub latencies: Latencies,
    pub(in crate::replay) chosen: usize,
    pub(in crate::replay) tried: Vec<Tried>,
    pub(in crate::replay) search: Suggest,
}

/// Parameters that were tried, and what came of it.
#[derive(Clone, Debug)]
pub(in crate::replay) struct Tried {
    pub(in crate::replay) value: Value,
    pub(in crate::replay) sustained_for: Duration,
    pub(in crate::replay) config: Config,
    pub(in crate::replay) report: Report,
}

impl Tried {
    /// Trips that nothing was the reason of.
    pub(in crate::replay) fn healthy_trips(&self) -> usize {
        let worth = self.report.worth;
        self.report.trips.iter().filter(|trip| trip.was_healthy(worth)).count()
    }

    /// Of 1000.
    pub(in crate::replay) fn lost(&self) -> f64 {
        self.report.per_thousand(self.report.lost())
    }
}

impl Suggestion {
    /// What a breaker with these parameters would have done with the trace.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.tried[self.chosen].report
    }

    /// Each configuration that was tried, with what it would have done.
    pub fn tried(&self) -> impl Iterator<Item = (&Config, &Report)> {
        self.tried.iter().map(|tried| (&tried.config, &tried.report))
    }

    /// A user's own configuration and this one, side by side, on the same trace and by the same measure.
    ///
    /// # Errors
    ///
    /// The first setting of the configuration that is out of range or contradicts another.
    pub fn compare(&self, config: Config, trace: &Trace) -> Result<Comparison, ConfigError> {
        let yours = self.search.replay(config).run(trace)?;
        Ok(Comparison {
            yours,
            suggested: self.report().clone(),
        })
    }

    fn reason(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chosen = &self.tried[self.chosen];
        let tried = self.at_first().count();
        match chosen.value {
            Value::Learned => write!(
                f,
                "slow_after learned: it sets itself, so there is nothing to maintain, and none of the {} others that were tried is clearly better",
                tried - 1
            )?,
            Value::ByHand { slow_after, origin } => {
                write!(f, "slow_after {}: {origin}", HumanDuration(slow_after))?;
                if let Origin::Quantile { part, .. } = origin {
                    let (quantile, calls) = (self.latencies.quantile(part), self.latencies.calls());
                    write!(f, " ({}) of {calls} successful calls", HumanDuration(quantile))?;
                }
                write!(
                    f,
                    ". Of the {tried} tried, it is the longest of those that lose the fewest answers, to 2 %"
                )?;
            }
            Value::Never => write!(f, "slow_after never: of the {tried} tried, each other one is worse")?,
        }
        write!(
            f,
            ": {:.1} of 1000 answers are lost, and {:.1} with no breaker",
            chosen.lost(),
            chosen.report.per_thousand(chosen.report.lost_without()),
        )?;
        match chosen.healthy_trips() {
            0 => writeln!(f, "; it never tripped on healthy calls.")?,
            trips => writeln!(
                f,
                "; but like all others it tripped on healthy calls ({}).",
                Counted(trips, "time")
            )?,
        }
        self.why_by_hand(f)?;
        writeln!(
            f,
            "Tolerated rate {}: min(0.5, 1 − worth), as a backup's answer is worth {} of a good one.",
            self.tolerated_rate,
            self.search.worth()
        )?;
        let at_first = self.at_first().find(|tried| tried.value == chosen.value);
        if let Some(at_first) = at_first.filter(|at_first| at_first.sustained_for != self.sustained_for) {
            writeln!(
                f,
                "Evidence has to last {}: with the default, {}, {:.1} of 1000 answers are lost.",
                HumanDuration(self.sustained_for),
                HumanDuration(at_first.sustained_for),
                at_first.lost()
            )?;
        }
        Ok(())
    }

    /// Those that were tried with evidence as by default.
    fn at_first(&self) -> impl Iterator<Item = &Tried> {
        let default = self.tried[0].sustained_for;
        self.tried.iter().filter(move |tried| tried.sustained_for == default)
    }

    /// A value by hand has to be maintained: what would it be to leave that?
    fn why_by_hand(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chosen = &self.tried[self.chosen];
        let learned = self.at_first().find(|tried| tried.value == Value::Learned);
        match (chosen.value, learned) {
            (Value::ByHand { .. }, Some(learned)) if learned.healthy_trips() > chosen.healthy_trips() => {
                let times = Counted(learned.healthy_trips(), "time");
                writeln!(f, "Learned, it would have tripped on healthy calls ({times}).")
            }
            (Value::ByHand { .. }, Some(learned)) => {
                writeln!(f, "Learned, it would have lost {:.1} of 1000.", learned.lost())
            }
            _ => Ok(()),
        }
    }

    fn figures(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.report();
        let percent = |rate: Option<f64>| rate.unwrap_or(0.0) * 100.0;
        let known = report.admitted.known() + report.diverted.known();
        writeln!(
            f,
            "Successful calls take {}. Of {known} calls {:.1} % were bad; of those that this breaker would have let through, {:.1} %.",
            self.latencies,
            100.0 * report.lost_without() / known.max(1) as f64,
            percent(report.admitted.bad_rate()),
        )?;
        if !self.search.has_objective() {
            writeln!(
                f,
                "A slow answer was taken to be as good as a quick one, as no objective was given."
            )?;
        }
        let refused = report.refused_again + report.refused_before;
        if refused > 0 {
            writeln!(
                f,
                "{refused} more calls had been refused when the trace was recorded; one from shadow mode would say what became of them."
            )?;
        }
        Ok(())
    }

    fn lines(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sustained = self.sustained_for != self.tried[0].sustained_for;
        writeln!(f, "\nIn Rust:")?;
        // Where it is unset, it depends on whether there is a backup.
        match self.slow_after {
            SlowAfter::After(slow_after) => writeln!(f, "    .slow_after({})", Code(slow_after))?,
            SlowAfter::Never => writeln!(f, "    .slow_after(None)")?,
            SlowAfter::Learned | SlowAfter::Auto => writeln!(f, "    .slow_after(SlowAfter::Learned)")?,
        }
        write!(f, "    .trip_when(Evidence::tolerating({})", self.tolerated_rate)?;
        if sustained {
            write!(f, ".sustained_for({})", Code(self.sustained_for))?;
        }
        writeln!(f, ")\n\nIn TOML:")?;
        match self.slow_after {
            SlowAfter::After(slow_after) => {
                writeln!(f, "    slow_after = \"{}\"", humantime::format_duration(slow_after))?;
            }
            SlowAfter::Never => writeln!(f, "    slow_after = \"never\"")?,
            SlowAfter::Learned | SlowAfter::Auto => writeln!(f, "    slow_after = \"learned\"")?,
        }
        write!(
            f,
            "    trip_when = {{ evidence = {{ tolerated_rate = {}",
            self.tolerated_rate
        )?;
        if sustained {
            write!(
                f,
                ", sustained_for = \"{}\"",
                humantime::format_duration(self.sustained_for)
            )?;
        }
        f.write_str(" } }")
    }
}

impl fmt::Display for Suggestion {
    /// The reason, the figures that it rests on, and the lines to paste.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason(f)?;
        self.figures(f)?;
        self.lines(f)
    }
}

/// A duration as Rust code.
struct Code(Duration);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros();
        match (micros % 1_000_000, micros % 1000) {
            (0, _) => write!(f, "Duration::from_secs({})", micros / 1_000_000),
            (_, 0) => write!(f, "Duration::from_millis({})", micros / 1000),
            _ => write!(f, "Duration::from_micros({micros})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_written_in_the_largest_unit_that_holds_it_whole() {
        let of = |micros| Code(Duration::from_micros(micros)).to_string();
        assert_eq!(of(2_000_000), "Duration::from_secs(2)");
        assert_eq!(of(1_200_000), "Duration::from_millis(1200)");
        assert_eq!(of(8_500), "Duration::from_micros(8500)");
    }
}

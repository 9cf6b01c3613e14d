//! A suggestion and its reasons, in words.

use std::{fmt, time::Duration};

use super::{
    attempt::Attempt,
    candidates::{FixedOrigin, SlowAfterCandidate},
    comparison::Comparison,
};
use crate::{
    config::Config,
    machine::{ConfigError, HumanDuration, SlowAfter},
    replay::{
        playback::Replay,
        report::{CountedNoun, Report},
        trace::{Latencies, Trace},
    },
};

/// A suggestion: the parameters that suit a trace best, and why.
///
/// Displayed, it ends with the lines to paste into code or a configuration.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Suggestion {
    /// When a call becomes slow: [`Learned`](SlowAfter::Learned), [`After`](SlowAfter::After) a
    /// time, or [`Never`](SlowAfter::Never).
    pub slow_after: SlowAfter,
    /// θ, the tolerated rate of bad calls.
    pub tolerated_rate: f64,
    /// How long evidence must last.
    pub sustained_for: Duration,
    /// A configuration with these parameters, and defaults for all else.
    pub config: Config,
    /// The latencies of the trace's successful calls.
    pub latencies: Latencies,
    /// The index of the suggested configuration among the attempts.
    pub(super) chosen: usize,
    pub(super) attempts: Vec<Attempt>,
    /// The replay of the suggested configuration.
    pub(super) replay: Replay,
}

impl Suggestion {
    /// Returns the report of a breaker with these parameters.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.attempts[self.chosen].report
    }

    /// Returns each configuration that was tried, with its report.
    pub fn tried(&self) -> impl Iterator<Item = (&Config, &Report)> {
        self.attempts.iter().map(|attempt| (&attempt.config, &attempt.report))
    }

    /// Compares a user's configuration with the suggested one, on the same trace and by the same
    /// measure.
    ///
    /// # Errors
    ///
    /// Returns the first setting of the configuration that is out of range or contradicts another.
    pub fn compare(&self, config: Config, trace: &Trace) -> Result<Comparison, ConfigError> {
        let yours = self.replay.clone().with_config(config).run(trace)?;
        Ok(Comparison {
            yours,
            suggested: self.report().clone(),
        })
    }

    /// Writes why these parameters were chosen.
    fn write_reason(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chosen = &self.attempts[self.chosen];
        let tried = self.default_attempts().count();
        match chosen.candidate {
            SlowAfterCandidate::Learned => write!(
                f,
                "slow_after learned: it sets itself, so there is nothing to maintain, and none of the {} others that were tried is clearly better",
                tried - 1
            )?,
            SlowAfterCandidate::Fixed { slow_after, origin } => {
                write!(f, "slow_after {}: {origin}", HumanDuration(slow_after))?;
                if let FixedOrigin::Quantile { part, .. } = origin {
                    let (quantile, calls) = (self.latencies.quantile(part), self.latencies.calls());
                    write!(f, " ({}) of {calls} successful calls", HumanDuration(quantile))?;
                }
                write!(
                    f,
                    ". Of the {tried} tried, it is the longest of those that lose the fewest answers, to 2 %"
                )?;
            }
            SlowAfterCandidate::Never => write!(f, "slow_after never: of the {tried} tried, each other one is worse")?,
        }
        write!(
            f,
            ": {:.1} of 1000 answers are lost, and {:.1} with no breaker",
            chosen.lost_per_thousand(),
            chosen.report.per_thousand(chosen.report.lost_without()),
        )?;
        match chosen.healthy_trips() {
            0 => writeln!(f, "; it never tripped on healthy calls.")?,
            trips => writeln!(
                f,
                "; but like all others it tripped on healthy calls ({}).",
                CountedNoun(trips, "time")
            )?,
        }
        self.write_reason_against_learned(f)?;
        writeln!(
            f,
            "Tolerated rate {}: min(0.5, 1 − worth), as a backup's answer is worth {} of a good one.",
            self.tolerated_rate,
            self.report().worth
        )?;
        let by_default = self
            .default_attempts()
            .find(|attempt| attempt.candidate == chosen.candidate);
        if let Some(by_default) = by_default.filter(|attempt| attempt.sustained_for != self.sustained_for) {
            writeln!(
                f,
                "Evidence has to last {}: with the default, {}, {:.1} of 1000 answers are lost.",
                HumanDuration(self.sustained_for),
                HumanDuration(by_default.sustained_for),
                by_default.lost_per_thousand()
            )?;
        }
        Ok(())
    }

    /// Returns the attempts in which evidence lasted as long as by default.
    fn default_attempts(&self) -> impl Iterator<Item = &Attempt> {
        let default = self.default_sustained_for();
        self.attempts
            .iter()
            .filter(move |attempt| attempt.sustained_for == default)
    }

    fn default_sustained_for(&self) -> Duration {
        self.attempts[0].sustained_for
    }

    /// Writes what a learned value would have cost, if a fixed one was chosen.
    ///
    /// A fixed value needs upkeep, so the reader may want to know what that buys.
    fn write_reason_against_learned(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chosen = &self.attempts[self.chosen];
        let learned = self
            .default_attempts()
            .find(|attempt| attempt.candidate == SlowAfterCandidate::Learned);
        match (chosen.candidate, learned) {
            (SlowAfterCandidate::Fixed { .. }, Some(learned)) if learned.healthy_trips() > chosen.healthy_trips() => {
                let times = CountedNoun(learned.healthy_trips(), "time");
                writeln!(f, "Learned, it would have tripped on healthy calls ({times}).")
            }
            (SlowAfterCandidate::Fixed { .. }, Some(learned)) => {
                writeln!(
                    f,
                    "Learned, it would have lost {:.1} of 1000.",
                    learned.lost_per_thousand()
                )
            }
            _ => Ok(()),
        }
    }

    /// Writes the figures of the trace.
    fn write_figures(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
        if report.objective.is_none() {
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

    /// Writes the lines to paste, in Rust and in TOML.
    fn write_snippets(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sustained = self.sustained_for != self.default_sustained_for();
        writeln!(f, "\nIn Rust:")?;
        // Learned is written out too: the default depends on whether there is a backup.
        match self.slow_after {
            SlowAfter::After(slow_after) => writeln!(f, "    .slow_after({})", RustDuration(slow_after))?,
            SlowAfter::Never => writeln!(f, "    .slow_after(None)")?,
            SlowAfter::Learned | SlowAfter::Auto => writeln!(f, "    .slow_after(SlowAfter::Learned)")?,
        }
        write!(f, "    .trip_when(Evidence::tolerating({})", self.tolerated_rate)?;
        if sustained {
            write!(f, ".sustained_for({})", RustDuration(self.sustained_for))?;
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
    /// Writes the reasons, the figures of the trace, and the lines to paste.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_reason(f)?;
        self.write_figures(f)?;
        self.write_snippets(f)
    }
}

/// A duration as Rust code, such as `Duration::from_millis(300)`.
struct RustDuration(Duration);

impl fmt::Display for RustDuration {
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
        let of = |micros| RustDuration(Duration::from_micros(micros)).to_string();
        assert_eq!(of(2_000_000), "Duration::from_secs(2)");
        assert_eq!(of(1_200_000), "Duration::from_millis(1200)");
        assert_eq!(of(8_500), "Duration::from_micros(8500)");
    }
}

//! The values of `slow_after` that a search tries.

use std::{fmt, time::Duration};

use crate::machine::SlowAfter;
use crate::replay::trace::Latencies;

/// A `slow_after` that a search tries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum SlowAfterCandidate {
    Learned,
    Fixed { slow_after: Duration, origin: FixedOrigin },
    Never,
}

/// An origin of a fixed value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum FixedOrigin {
    Objective,
    /// A multiple of a quantile of the latencies.
    Quantile {
        factor: f64,
        part: f64,
    },
}

/// The fixed values that are tried, as (factor, quantile).
///
/// For each quantile there is a value close to what healthy calls take, and one well above. A
/// brownout in the trace raises the upper quantiles, but not the p50.
const MULTIPLES: [(f64, f64); 9] = [
    (3.0, 0.5),
    (6.0, 0.5),
    (2.0, 0.9),
    (4.0, 0.9),
    (1.5, 0.99),
    (3.0, 0.99),
    (4.5, 0.99),
    (1.5, 0.999),
    (3.0, 0.999),
];

/// Returns the candidates: learned; fixed ones, shortest first; never.
///
/// A fixed value above the objective isn't tried, because the breaker would take worthless answers
/// for good ones.
pub(crate) fn candidates(latencies: &Latencies, objective: Option<Duration>) -> Vec<SlowAfterCandidate> {
    let mut fixed: Vec<_> = MULTIPLES
        .iter()
        .map(|(factor, part)| {
            let slow_after = rounded_up(latencies.quantile(*part).mul_f64(*factor));
            let origin = FixedOrigin::Quantile {
                factor: *factor,
                part: *part,
            };
            (slow_after, origin)
        })
        .filter(|(slow_after, _)| objective.is_none_or(|objective| *slow_after < objective))
        .collect();
    fixed.extend(objective.map(|objective| (objective, FixedOrigin::Objective)));
    fixed.sort_by_key(|(slow_after, _)| *slow_after);
    fixed.dedup_by_key(|(slow_after, _)| *slow_after);

    let mut candidates = vec![SlowAfterCandidate::Learned];
    candidates.extend(
        fixed
            .into_iter()
            .map(|(slow_after, origin)| SlowAfterCandidate::Fixed { slow_after, origin }),
    );
    candidates.push(SlowAfterCandidate::Never);
    candidates
}

impl SlowAfterCandidate {
    pub(crate) fn slow_after(self) -> SlowAfter {
        match self {
            Self::Learned => SlowAfter::Learned,
            Self::Fixed { slow_after, .. } => SlowAfter::After(slow_after),
            Self::Never => SlowAfter::Never,
        }
    }

    /// Returns the rank among candidates that lose the same number of answers. The greatest wins.
    ///
    /// A learned value needs no upkeep. A long fixed value is far from healthy calls. Any value is
    /// better than none, because the next outage may hang.
    pub(crate) fn preference(self) -> impl Ord {
        match self {
            Self::Learned => (2, Duration::ZERO),
            Self::Fixed { slow_after, .. } => (1, slow_after),
            Self::Never => (0, Duration::ZERO),
        }
    }
}

/// Rounds up to two digits, and to a microsecond at least. More digits would feign precision.
fn rounded_up(duration: Duration) -> Duration {
    let micros = (duration.as_nanos().div_ceil(1000) as u64).max(1);
    let unit = 10_u64.pow(micros.ilog10().saturating_sub(1));
    Duration::from_micros(micros.div_ceil(unit) * unit)
}

impl fmt::Display for FixedOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Objective => f.write_str("the objective"),
            Self::Quantile { factor, part } => write!(f, "{factor} × the p{}", (part * 1000.0).round() / 10.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_rounded_up_to_two_digits() {
        let of = |micros: f64| rounded_up(Duration::from_secs_f64(micros / 1e6)).as_micros();
        assert_eq!(
            [0.0, 0.4, 1.2, 99.0, 101.0, 186_300.0, 190_000.0, 1_234_567.0].map(of),
            [1, 1, 2, 99, 110, 190_000, 190_000, 1_300_000]
        );
    }

    #[test]
    fn an_origin_is_a_factor_and_a_percentile() {
        let part = FixedOrigin::Quantile {
            factor: 1.5,
            part: 0.999,
        };
        assert_eq!(part.to_string(), "1.5 × the p99.9");
        assert_eq!(
            FixedOrigin::Quantile { factor: 3.0, part: 0.5 }.to_string(),
            "3 × the p50"
        );
    }
}

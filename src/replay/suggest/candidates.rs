use std::{fmt, time::Duration};

use crate::machine::SlowAfter;
use crate::replay::trace::Latencies;

/// A `slow_after` that is tried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::replay) enum Value {
    Learned,
    ByHand { slow_after: Duration, origin: Origin },
    Never,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::replay) enum Origin {
    Objective,
    /// So many times a quantile of the latencies.
    Quantile {
        factor: f64,
        part: f64,
    },
}

/// Multiples of quantiles: close to what healthy calls take, and well above; and from quantiles that a brownout in the trace doesn't reach.
const TRIED: [(f64, f64); 9] = [
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

/// What to try: learned; by hand, shortest first; never. A value above the objective would let worthless answers pass for good ones.
pub(in crate::replay) fn values(latencies: &Latencies, objective: Option<Duration>) -> Vec<Value> {
    let mut by_hand: Vec<_> = TRIED
        .iter()
        .map(|(factor, part)| {
            let slow_after = rounded_up(latencies.quantile(*part).mul_f64(*factor));
            let origin = Origin::Quantile {
                factor: *factor,
                part: *part,
            };
            (slow_after, origin)
        })
        .filter(|(slow_after, _)| objective.is_none_or(|objective| *slow_after < objective))
        .collect();
    by_hand.extend(objective.map(|objective| (objective, Origin::Objective)));
    by_hand.sort_by_key(|(slow_after, _)| *slow_after);
    by_hand.dedup_by_key(|(slow_after, _)| *slow_after);

    let mut values = vec![Value::Learned];
    values.extend(
        by_hand
            .into_iter()
            .map(|(slow_after, origin)| Value::ByHand { slow_after, origin }),
    );
    values.push(Value::Never);
    values
}

impl Value {
    pub(in crate::replay) fn slow_after(self) -> SlowAfter {
        match self {
            Self::Learned => SlowAfter::Learned,
            Self::ByHand { slow_after, .. } => SlowAfter::After(slow_after),
            Self::Never => SlowAfter::Never,
        }
    }

    /// Of those that lose the same, the greatest is best: what is learned needs no upkeep, a long value is far from healthy calls, and
    /// any is better than none, for the next outage may hang.
    pub(in crate::replay) fn preference(self) -> impl Ord {
        match self {
            Self::Learned => (2, Duration::ZERO),
            Self::ByHand { slow_after, .. } => (1, slow_after),
            Self::Never => (0, Duration::ZERO),
        }
    }
}

/// Two digits, and at least a microsecond: more would pretend to be exact.
fn rounded_up(duration: Duration) -> Duration {
    let micros = (duration.as_nanos().div_ceil(1000) as u64).max(1);
    let unit = 10_u64.pow(micros.ilog10().saturating_sub(1));
    Duration::from_micros(micros.div_ceil(unit) * unit)
}

impl fmt::Display for Origin {
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
    fn an_origin_reads_as_people_say_it() {
        let part = Origin::Quantile {
            factor: 1.5,
            part: 0.999,
        };
        assert_eq!(part.to_string(), "1.5 × the p99.9");
        assert_eq!(Origin::Quantile { factor: 3.0, part: 0.5 }.to_string(), "3 × the p50");
    }
}

use std::{fmt, time::Duration};

use super::latencies::Latencies;

/// A value that is tried, and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Value {
    pub(super) slow_after: Option<Duration>,
    pub(super) origin: Origin,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Origin {
    Objective,
    /// So many times a quantile of the latencies.
    Quantile {
        factor: f64,
        part: f64,
    },
    Unset,
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

/// The values to try, shortest first; last, none at all. A value above the objective would let worthless answers pass for good ones.
pub(super) fn values(latencies: &Latencies, objective: Option<Duration>) -> Vec<Value> {
    let mut values: Vec<_> = TRIED
        .iter()
        .map(|(factor, part)| Value {
            slow_after: Some(rounded_up(latencies.quantile(*part).mul_f64(*factor))),
            origin: Origin::Quantile {
                factor: *factor,
                part: *part,
            },
        })
        .filter(|value| objective.is_none_or(|objective| value.slow_after < Some(objective)))
        .collect();
    values.extend(objective.map(|_| Value {
        slow_after: objective,
        origin: Origin::Objective,
    }));
    values.sort_by_key(|value| value.slow_after);
    values.dedup_by_key(|value| value.slow_after);
    values.push(Value {
        slow_after: None,
        origin: Origin::Unset,
    });
    values
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
            Self::Unset => f.write_str("unset"),
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

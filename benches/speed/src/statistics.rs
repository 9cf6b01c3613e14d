//! Quartiles of repeated measurements.

/// The median of some values, and their quartiles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub lower: f64,
    pub median: f64,
    pub upper: f64,
}

impl Spread {
    /// Returns `None` without values. Interpolates linearly between two values, like most
    /// statistics programs (Hyndman and Fan's type 7).
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = share * (sorted.len() - 1) as f64;
            let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
            below + (above - below) * place.fract()
        };
        (!sorted.is_empty()).then(|| Self {
            lower: at(0.25),
            median: at(0.5),
            upper: at(0.75),
        })
    }

    /// Summarizes `values - base`, round by round. What slowed both down in a round cancels.
    #[must_use]
    pub fn of_differences(values: &[f64], base: &[f64]) -> Option<Self> {
        Self::of(&pairwise(values, base, |value, base| value - base))
    }

    /// Summarizes `values / base`, round by round.
    #[must_use]
    pub fn of_ratios(values: &[f64], base: &[f64]) -> Option<Self> {
        Self::of(&pairwise(values, base, |value, base| value / base))
    }
}

fn pairwise(values: &[f64], base: &[f64], with: fn(f64, f64) -> f64) -> Vec<f64> {
    values
        .iter()
        .zip(base)
        .map(|(value, base)| with(*value, *base))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_lie_between_values() {
        let spread = Spread::of(&[4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!((spread.lower, spread.median, spread.upper), (1.75, 2.5, 3.25));
        let one = Spread::of(&[7.0]).unwrap();
        assert_eq!((one.lower, one.median, one.upper), (7.0, 7.0, 7.0));
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn an_outlier_moves_nothing() {
        let undisturbed = Spread::of(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        let disturbed = Spread::of(&[1.0, 2.0, 3.0, 4.0, 5000.0]).unwrap();
        assert_eq!(
            (undisturbed.median, undisturbed.upper),
            (disturbed.median, disturbed.upper)
        );
    }

    /// If a machine slows down half-way, the difference of two medians spreads. The median of the
    /// differences doesn't.
    #[test]
    fn what_both_bear_in_a_round_cancels() {
        let base = [3.0, 3.0, 90.0, 30.0];
        let values = base.map(|base| base + 10.0);
        let spread = Spread::of_differences(&values, &base).unwrap();
        assert_eq!((spread.lower, spread.median, spread.upper), (10.0, 10.0, 10.0));
        assert_eq!(
            Spread::of_ratios(&values.map(|value| value * 2.0), &values)
                .unwrap()
                .upper,
            2.0
        );
    }
}

//! A logarithmic axis.

/// A logarithmic axis that starts at 1. Smaller values are drawn at 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    /// The exponent of the axis's end, a power of ten.
    most: i32,
}

impl Scale {
    /// Creates an axis that ends at a power of ten at or above all these values.
    pub(super) fn over(values: impl Iterator<Item = f64>) -> Self {
        let most = values.fold(10.0_f64, f64::max);
        Self {
            most: most.log10().ceil() as i32,
        }
    }

    /// Returns a position from 0 to 1.
    pub(super) fn place(self, value: f64) -> f64 {
        (value.max(1.0).log10() / f64::from(self.most)).min(1.0)
    }

    /// Returns the powers of ten on the axis.
    pub(super) fn marks(self) -> impl Iterator<Item = f64> {
        (0..=self.most).map(|power| 10_f64.powi(power))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axis_ends_at_a_power_of_ten() {
        let scale = Scale::over([3.0, 250.0].into_iter());
        assert_eq!(scale.marks().collect::<Vec<_>>(), [1.0, 10.0, 100.0, 1000.0]);
        assert_eq!((scale.place(1.0), scale.place(1000.0)), (0.0, 1.0));
        assert!(scale.place(30.0) < scale.place(31.0));
    }

    #[test]
    fn nothing_lies_outside() {
        let scale = Scale::over([20.0].into_iter());
        for value in [-5.0, 0.0, 1.0, 1e9] {
            assert!((0.0..=1.0).contains(&scale.place(value)), "{value}");
        }
    }
}

//! Means over the seeds, and their standard errors.

/// A mean over the seeds, and how far to trust it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    pub mean: f64,
    /// The mean's standard error. A single seed has none.
    pub error: Option<f64>,
}

impl Estimate {
    /// Returns `None` without values.
    pub fn of(values: &[f64]) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let error = (values.len() > 1).then(|| {
            let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
            (squares / (count - 1.0) / count).sqrt()
        });
        Some(Self { mean, error })
    }

    /// Returns whether the mean lies below zero by more than two standard errors.
    pub fn is_below_zero(self) -> bool {
        self.error.is_some_and(|error| self.mean < -2.0 * error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_error_is_that_of_the_mean() {
        let estimate = Estimate::of(&[1.0, 2.0, 3.0, 4.0]).unwrap();
        assert_eq!(estimate.mean, 2.5);
        // The variance is 5/3, and the variance of the mean a quarter of it.
        assert!((estimate.error.unwrap() - (5.0_f64 / 12.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn one_value_has_no_standard_error() {
        assert_eq!(Estimate::of(&[7.0]), Some(Estimate { mean: 7.0, error: None }));
        assert_eq!(Estimate::of(&[]), None);
        assert!(
            !Estimate {
                mean: -1.0,
                error: None
            }
            .is_below_zero()
        );
    }
}

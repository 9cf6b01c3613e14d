/// A logarithmic axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    least: f64,
    most: f64,
}

impl Scale {
    /// From and to a power of ten, around these values. What is less than 1 is drawn as 1: there is nothing to tell apart.
    pub(super) fn over(values: impl Iterator<Item = f64>) -> Self {
        let (least, most) = values
            .map(|value| value.max(1.0))
            .fold((f64::MAX, 10.0_f64), |(least, most), value| {
                (least.min(value), most.max(value))
            });
        Self {
            least: least.min(most).log10().floor(),
            most: most.log10().ceil(),
        }
    }

    /// From 0 to 1.
    pub(super) fn place(self, value: f64) -> f64 {
        let span = (self.most - self.least).max(1.0);
        ((value.max(1.0).log10() - self.least) / span).clamp(0.0, 1.0)
    }

    /// The powers of ten.
    pub(super) fn marks(self) -> impl Iterator<Item = f64> {
        (self.least as i32..=self.most as i32).map(|power| 10_f64.powi(power))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axis_spans_powers_of_ten() {
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

//! Axes of regret and of time, and their marks.

use std::time::Duration;

/// A scale for regret: linear near zero, logarithmic beyond.
#[derive(Clone, Copy, Debug)]
pub(super) struct RegretScale {
    least: f64,
    most: f64,
}

/// Where an axis of regret may have a mark.
const MARKS: [f64; 11] = [-100.0, -10.0, -1.0, 0.0, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0];

impl RegretScale {
    pub(super) fn over(regrets: impl Iterator<Item = f64>) -> Self {
        let (least, most) = regrets.fold((0.0_f64, 10.0_f64), |(least, most), regret| {
            (least.min(regret), most.max(regret))
        });
        Self { least, most }
    }

    /// Returns a position from 0 to 1.
    pub(super) fn place(self, regret: f64) -> f64 {
        (bent(regret) - bent(self.least)) / (bent(self.most) - bent(self.least))
    }

    pub(super) fn marks(self) -> impl Iterator<Item = f64> {
        MARKS
            .into_iter()
            .filter(move |mark| (self.least..=self.most).contains(mark))
    }
}

fn bent(regret: f64) -> f64 {
    libm::log1p(regret.abs()).copysign(regret)
}

/// Returns three to six marks at round numbers from zero up to `most`.
pub(super) fn round_marks(most: f64) -> Vec<f64> {
    let power = libm::pow(10.0, libm::floor(libm::log10(most)));
    let step = [0.2, 0.5, 1.0, 2.0, 5.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| most / step < 5.0)
        .unwrap_or(power);
    (1..)
        .map(|index| f64::from(index) * step)
        .take_while(|mark| *mark <= most)
        .collect()
}

/// A mark on an axis of time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TimeMark {
    pub(super) at: Duration,
    pub(super) label: String,
}

/// Steps of an axis of time, in seconds.
const STEPS: [u64; 15] = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 21_600];

/// Returns at most nine marks on an axis of time that starts at zero.
pub(super) fn time_marks(duration: Duration) -> Vec<TimeMark> {
    let seconds = duration.as_secs();
    let step = STEPS
        .into_iter()
        .find(|step| seconds / step < 9)
        .unwrap_or((seconds / 8).max(1));
    let in_minutes = step % 60 == 0 && step >= 120;
    (0..=seconds / step)
        .map(|index| {
            let at = index * step;
            let label = if in_minutes {
                format!("{} min", at / 60)
            } else {
                format!("{at} s")
            };
            TimeMark {
                at: Duration::from_secs(at),
                label: if at == 0 { "0".to_owned() } else { label },
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regret_spans_the_axis_and_keeps_its_order() {
        let scale = RegretScale::over([-2.0, 0.0, 700.0].into_iter());
        assert_eq!((scale.place(-2.0), scale.place(700.0)), (0.0, 1.0));
        let places: Vec<_> = [-1.0, 0.0, 1.0, 10.0, 100.0].map(|regret| scale.place(regret)).into();
        assert!(places.is_sorted());
        assert_eq!(
            scale.marks().collect::<Vec<_>>(),
            [-1.0, 0.0, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0]
        );
    }

    #[test]
    fn marks_are_round_and_few() {
        assert_eq!(round_marks(113.0), [50.0, 100.0]);
        assert_eq!(round_marks(840.0), [200.0, 400.0, 600.0, 800.0]);
        for most in 1..5000 {
            let marks = round_marks(f64::from(most) / 10.0);
            assert!((1..=5).contains(&marks.len()), "{most}: {marks:?}");
        }
    }

    #[test]
    fn time_is_labeled_in_seconds_or_minutes() {
        let labels = |seconds| {
            let marks = time_marks(Duration::from_secs(seconds)).into_iter();
            marks.map(|mark| mark.label).collect::<Vec<_>>()
        };
        assert_eq!(labels(60), ["0", "10 s", "20 s", "30 s", "40 s", "50 s", "60 s"]);
        assert_eq!(
            labels(3600),
            ["0", "10 min", "20 min", "30 min", "40 min", "50 min", "60 min"]
        );
        assert!(labels(1_000_000).len() <= 9);
        assert_eq!(labels(0), ["0"]);
    }
}

//! Letting a share of the calls through, evenly and without random numbers.

/// An even spread of a share of the calls (error diffusion): of any n calls in a row it admits at
/// most ⌈n × share⌉.
#[derive(Clone, Debug)]
pub(super) struct ErrorDiffusion {
    percent: u32,
    credit: u32,
}

impl ErrorDiffusion {
    /// Returns the spread of a stage. It admits the first call, so that rare traffic gets an answer
    /// at each stage.
    pub(super) fn new(percent: u8) -> Self {
        Self {
            percent: percent.into(),
            credit: 100 - u32::from(percent),
        }
    }

    /// Returns whether the next call is admitted.
    pub(super) fn admit(&mut self) -> bool {
        self.credit = self.credit.saturating_add(self.percent);
        let admitted = self.credit >= 100;
        if admitted {
            self.credit -= 100;
        }
        admitted
    }

    /// Takes back an admitted call that was never made. Calls that were refused for its sake stay
    /// refused: many that are given back at once make no burst.
    pub(super) fn give_back(&mut self) {
        self.credit = (self.credit + 100 - self.percent) % 100;
    }
}

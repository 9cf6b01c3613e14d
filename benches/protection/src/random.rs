//! Repeatable random numbers.

use std::time::Duration;

/// A generator that gives the same draws for the same seed and stream, on every machine.
///
/// The mathematics comes from the `libm` crate, because the system's C library may differ in the
/// last bit.
#[derive(Clone, Debug)]
pub struct Random(fastrand::Rng);

impl Random {
    /// Creates one of many independent streams of a seed.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mixed = seed
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .wrapping_add(stream.wrapping_mul(0xd1b5_4a32_d192_ed03));
        let mut random = fastrand::Rng::with_seed(mixed);
        // The first outputs of neighboring seeds are alike.
        random.u64(..);
        Self(random)
    }

    /// Draws a number from 0 to 1, 1 excluded.
    pub fn unit(&mut self) -> f64 {
        self.0.f64()
    }

    pub fn below(&mut self, end: u32) -> u32 {
        self.0.u32(..end)
    }

    pub fn between(&mut self, from: Duration, to: Duration) -> Duration {
        from + (to - from).mul_f64(self.unit())
    }

    pub fn exponential(&mut self, mean: Duration) -> Duration {
        mean.mul_f64(-libm::log(1.0 - self.unit()))
    }

    /// Draws from a standard normal distribution (Box and Muller, 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.unit()));
        radius * libm::cos(std::f64::consts::TAU * self.unit())
    }
}

/// Returns the share of a standard normal distribution that lies below `z`.
pub(crate) fn normal_below(z: f64) -> f64 {
    0.5 * libm::erfc(-z / std::f64::consts::SQRT_2)
}

//! The helpers that the tests of the machine share.

pub(crate) use crate::common::{
    breakers::{builder, trip, trip_and_cool},
    clock::*,
    durations::*,
    machine::*,
    primary::*,
};

/// A reproducible stream of numbers between 0 and 1.
pub(crate) fn chances(mut seed: u64) -> impl Iterator<Item = f64> {
    std::iter::repeat_with(move || {
        // An LCG (Knuth, MMIX).
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 11) as f64 / (1_u64 << 53) as f64
    })
}

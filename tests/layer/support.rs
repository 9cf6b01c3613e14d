//! The helpers that the tests of the breaker and its layer share.

pub(crate) use crate::common::{
    breakers::{builder, disk_is_full, trip, trip_and_cool},
    clock::*,
    durations::*,
    machine::*,
    primary::*,
};

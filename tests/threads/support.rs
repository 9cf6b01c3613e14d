//! The helpers that the tests on threads share.

pub(crate) use crate::common::{breakers::*, clock::*, durations::*, group::*, primary::*};

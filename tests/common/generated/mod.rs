//! Configurations and sequences of calls that proptest makes up.

pub(crate) mod act;
pub(crate) mod plan;

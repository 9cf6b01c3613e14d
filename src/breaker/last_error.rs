use std::{fmt, sync::Arc};

use crate::{error::shortened, machine::Timestamp};

/// The last error of the primary that somebody has [noted](crate::Permit::note_error).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LastError {
    /// What it said, in its first 200 bytes.
    pub text: Arc<str>,
    /// When that was, by the breaker's clock.
    pub at: Timestamp,
}

impl LastError {
    pub(super) fn new(error: &dyn fmt::Display, at: Timestamp) -> Self {
        Self {
            text: shortened(error),
            at,
        }
    }
}

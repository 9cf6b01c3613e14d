//! The error of searching for parameters.

use std::{error::Error, fmt};

use crate::{machine::ConfigError, replay::report::CountedNoun};

/// An error of [`Suggest`](super::Suggest): why it can't suggest parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SuggestError {
    /// The worth or the objective is out of range.
    Config(ConfigError),
    /// The trace has too few successful calls.
    #[non_exhaustive]
    TooFewCalls {
        /// The successful calls of the trace.
        successful: usize,
        /// The successful calls that are needed at least.
        needed: usize,
    },
}

impl From<ConfigError> for SuggestError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl fmt::Display for SuggestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::TooFewCalls { successful, needed } => write!(
                f,
                "the trace has {}; at least {needed} are needed",
                CountedNoun(*successful, "successful call")
            ),
        }
    }
}

impl Error for SuggestError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            // It is displayed as this error itself.
            Self::Config(error) => error.source(),
            Self::TooFewCalls { .. } => None,
        }
    }
}

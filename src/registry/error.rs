//! The errors of a registry.

use std::{error::Error, fmt};

use crate::machine::ConfigError;

/// An error of a [`Registry`](super::Registry).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistryError {
    /// The registry has no breaker of this name.
    #[non_exhaustive]
    Unknown {
        /// The name.
        name: String,
    },
    /// The configuration for a breaker is invalid.
    #[non_exhaustive]
    Refused {
        /// The breaker's name.
        name: String,
        /// What is wrong with its configuration.
        error: ConfigError,
    },
}

impl RegistryError {
    pub(super) fn unknown(name: &str) -> Self {
        Self::Unknown { name: name.to_owned() }
    }

    pub(super) fn refused(name: &str, error: ConfigError) -> Self {
        Self::Refused {
            name: name.to_owned(),
            error,
        }
    }
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { name } => write!(f, "there is no breaker {name:?}"),
            Self::Refused { name, error } => write!(f, "breaker {name:?}: {error}"),
        }
    }
}

impl Error for RegistryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unknown { .. } => None,
            Self::Refused { error, .. } => Some(error),
        }
    }
}

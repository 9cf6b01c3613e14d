use std::{error::Error, fmt};

use crate::machine::ConfigError;

/// What a [`Registry`](super::Registry) can't do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistryError {
    /// No breaker has this name.
    #[non_exhaustive]
    Unknown {
        /// The name.
        name: String,
    },
    /// A breaker can't have the configuration that is written for it.
    #[non_exhaustive]
    Refused {
        /// The breaker's name.
        name: String,
        /// Why it can't.
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

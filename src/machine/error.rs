//! Errors of configuration: which setting is wrong, and in which way.
//!
//! Each kind of mistake has a sentence of its own. Every part of the crate that checks settings
//! returns a [`ConfigError`]: the machine, the layer, keyed breakers, groups, agents and answers.

use std::{borrow::Cow, error::Error, fmt, time::Duration};

/// A configuration that was refused: names the setting and says what is wrong with it.
///
/// | mistake | sentence |
/// |---|---|
/// | out of range | `jitter must be 0 to 1, but is NaN` |
/// | needs another | `recovery.bad_rate needs permitted_calls` |
/// | conflicts with another | `recovery.stages conflicts with permitted_calls` |
/// | missing | ``slow_after is missing: the slow-call rate needs a duration or `learned` `` |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    field: Cow<'static, str>,
    mistake: Mistake,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Mistake {
    /// The value isn't one of those that are accepted.
    OutOfRange { value: String, accepted: Cow<'static, str> },
    /// The setting has no meaning without another one, which isn't set.
    Requires { setting: &'static str },
    /// The setting has no meaning beside another one, which is set.
    Conflicts { with: &'static str },
    /// The setting isn't set, and another one has no meaning without it.
    Missing {
        needed_by: &'static str,
        accepted: &'static str,
    },
}

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

impl ConfigError {
    /// Returns the error of a value that isn't accepted. It reads "`field` must be `accepted`, but
    /// is `value`".
    pub(crate) fn out_of_range(
        field: impl Into<Cow<'static, str>>,
        value: impl fmt::Display,
        accepted: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            field: field.into(),
            mistake: Mistake::OutOfRange {
                value: value.to_string(),
                accepted: accepted.into(),
            },
        }
    }

    /// Returns the error of a setting without the one that gives it a meaning.
    pub(crate) const fn requires(field: &'static str, setting: &'static str) -> Self {
        Self {
            field: Cow::Borrowed(field),
            mistake: Mistake::Requires { setting },
        }
    }

    /// Returns the error of two settings that exclude each other.
    pub(crate) const fn conflicts(field: &'static str, with: &'static str) -> Self {
        Self {
            field: Cow::Borrowed(field),
            mistake: Mistake::Conflicts { with },
        }
    }

    /// Returns the error of a setting that isn't set. It reads "`field` is missing: `needed_by`
    /// needs `accepted`".
    pub(crate) const fn missing(field: &'static str, needed_by: &'static str, accepted: &'static str) -> Self {
        Self {
            field: Cow::Borrowed(field),
            mistake: Mistake::Missing { needed_by, accepted },
        }
    }

    /// Checks that a duration is above 0, and at most 365 days.
    pub(crate) fn check_duration(field: impl Into<Cow<'static, str>>, duration: Duration) -> Result<(), Self> {
        if duration.is_zero() || duration > YEAR {
            return Err(Self::out_of_range(
                field,
                format!("{duration:?}"),
                "a duration above 0 and up to 365 days",
            ));
        }
        Ok(())
    }

    /// Checks that a rate is above 0, and at most 1.
    pub(crate) fn check_rate(field: impl Into<Cow<'static, str>>, rate: f64) -> Result<(), Self> {
        if !(rate > 0.0 && rate <= 1.0) {
            return Err(Self::out_of_range(field, rate, "a rate above 0 and up to 1"));
        }
        Ok(())
    }

    /// Returns the setting, as a path: `"recovery.stages"`.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// Returns the value that was refused. `None` where the mistake isn't the value: the setting
    /// is missing, needs another one, or conflicts with it.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        match &self.mistake {
            Mistake::OutOfRange { value, .. } => Some(value),
            Mistake::Requires { .. } | Mistake::Conflicts { .. } | Mistake::Missing { .. } => None,
        }
    }

    /// Returns what would be accepted for the setting. `None` where no value would be, next to the
    /// other settings.
    #[must_use]
    pub fn accepted(&self) -> Option<&str> {
        match &self.mistake {
            Mistake::OutOfRange { accepted, .. } => Some(accepted),
            Mistake::Missing { accepted, .. } => Some(accepted),
            Mistake::Requires { .. } | Mistake::Conflicts { .. } => None,
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = &self.field;
        match &self.mistake {
            Mistake::OutOfRange { value, accepted } => write!(f, "{field} must be {accepted}, but is {value}"),
            Mistake::Requires { setting } => write!(f, "{field} needs {setting}"),
            Mistake::Conflicts { with } => write!(f, "{field} conflicts with {with}"),
            Mistake::Missing { needed_by, accepted } => write!(f, "{field} is missing: {needed_by} needs {accepted}"),
        }
    }
}

impl Error for ConfigError {}

use std::{borrow::Cow, error::Error, fmt, time::Duration};

/// A setting that can't be: which field, its value, and what would be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    field: Cow<'static, str>,
    value: String,
    accepted: Cow<'static, str>,
}

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

impl ConfigError {
    pub(crate) fn new(
        field: impl Into<Cow<'static, str>>,
        value: impl fmt::Display,
        accepted: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            field: field.into(),
            value: value.to_string(),
            accepted: accepted.into(),
        }
    }

    pub(crate) fn check_duration(field: impl Into<Cow<'static, str>>, duration: Duration) -> Result<(), Self> {
        if duration.is_zero() || duration > YEAR {
            return Err(Self::new(
                field,
                format!("{duration:?}"),
                "a duration above 0 and up to 365 days",
            ));
        }
        Ok(())
    }

    pub(crate) fn check_rate(field: impl Into<Cow<'static, str>>, rate: f64) -> Result<(), Self> {
        if !(rate > 0.0 && rate <= 1.0) {
            return Err(Self::new(field, rate, "a rate above 0 and up to 1"));
        }
        Ok(())
    }

    /// The field, as a path: `"recovery.stages"`.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// The value that was refused.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// What would be accepted.
    #[must_use]
    pub fn accepted(&self) -> &str {
        &self.accepted
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} can't be {}: {} is accepted",
            self.field, self.value, self.accepted
        )
    }
}

impl Error for ConfigError {}

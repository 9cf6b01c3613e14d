use std::sync::Arc;

use super::series::Series;

/// A figure of a series.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sample {
    pub(super) series: &'static Series,
    /// Nothing where it is of no breaker.
    pub(super) breaker: Option<Arc<str>>,
    /// The values of the series' labels.
    pub(super) labels: [&'static str; 2],
    pub(super) value: f64,
}

impl Sample {
    /// The labels with their names.
    pub(super) fn labels(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let breaker = self.breaker.as_deref().map(|breaker| ("breaker", breaker));
        let others = self.series.labels.iter().copied().zip(self.labels);
        breaker.into_iter().chain(others)
    }
}

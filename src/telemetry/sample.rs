//! A sample: one value of a series, with its labels.

use std::sync::Arc;

use super::series::Series;

/// A value of a series.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sample {
    pub(super) series: &'static Series,
    /// The breaker that it belongs to; `None` for a figure of the exporter itself.
    pub(super) breaker: Option<Arc<str>>,
    /// The values of the series' own labels, in order. A series with fewer labels leaves the rest
    /// empty.
    pub(super) labels: [&'static str; 2],
    pub(super) value: f64,
}

impl Sample {
    /// Returns the names and values of all labels, `breaker` first.
    pub(super) fn labels(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let breaker = self.breaker.as_deref().map(|breaker| ("breaker", breaker));
        let others = self.series.labels.iter().copied().zip(self.labels);
        breaker.into_iter().chain(others)
    }
}

//! The figures of one run: a value per measure, contestant and case.

use crate::statistics::Spread;

/// A quantity that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Nanoseconds per call over the bare call.
    OverBare,
    /// Instructions per call.
    Instructions,
    /// Allocations per call.
    Allocations,
    /// Bytes allocated per call.
    AllocatedBytes,
    /// Bytes of a call's future.
    Future,
    /// Bytes of the service.
    Service,
    /// Bytes that one breaker holds.
    Live,
    /// Throughput of two threads that share a breaker, divided by their throughput with one breaker
    /// each.
    TwoThreads,
    /// Nanoseconds per call over the bare call, by calls in the window.
    Window,
    /// Nanoseconds per call over the bare call, by the window's length.
    WindowTime,
    /// Nanoseconds per call over the bare call, by calls in flight.
    InFlight,
}

impl Measure {
    /// Returns the name in the CSV.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OverBare => "ns_over_bare",
            Self::Instructions => "instructions",
            Self::Allocations => "allocations",
            Self::AllocatedBytes => "allocated_bytes",
            Self::Future => "future_bytes",
            Self::Service => "service_bytes",
            Self::Live => "live_bytes",
            Self::TwoThreads => "two_threads",
            Self::Window => "ns_over_bare_by_calls_in_window",
            Self::WindowTime => "ns_over_bare_by_window_seconds",
            Self::InFlight => "ns_over_bare_by_calls_in_flight",
        }
    }
}

/// One value of the results. Its quartiles equal the median if it was measured once.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    pub measure: Measure,
    /// The name of a contestant or of a [`Line`](crate::scaling::Line).
    pub name: &'static str,
    /// The name of a path, or a number.
    pub case: String,
    pub spread: Spread,
}

/// Everything that was measured.
#[derive(Clone, Debug, Default)]
pub struct Figures(Vec<Figure>);

impl Figures {
    pub fn add(&mut self, measure: Measure, name: &'static str, case: impl Into<String>, spread: Option<Spread>) {
        self.0.extend(spread.map(|spread| Figure {
            measure,
            name,
            case: case.into(),
            spread,
        }));
    }

    #[must_use]
    pub fn get(&self, measure: Measure, name: &str, case: &str) -> Option<Spread> {
        let mut figures = self.of(measure);
        figures
            .find(|figure| figure.name == name && figure.case == case)
            .map(|figure| figure.spread)
    }

    pub fn of(&self, measure: Measure) -> impl Iterator<Item = &Figure> {
        self.0.iter().filter(move |figure| figure.measure == measure)
    }

    /// Returns the distinct names that have this measure, in order.
    #[must_use]
    pub fn names(&self, measure: Measure) -> Vec<&'static str> {
        let mut all: Vec<_> = self.of(measure).map(|figure| figure.name).collect();
        let mut seen = Vec::new();
        all.retain(|name| {
            !seen.contains(name) && {
                seen.push(*name);
                true
            }
        });
        all
    }

    /// Writes one CSV line for each figure.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut csv = String::from("measure,contestant,case,lower_quartile,median,upper_quartile\n");
        for figure in &self.0 {
            let Figure {
                measure,
                name,
                case,
                spread,
            } = figure;
            let Spread { lower, median, upper } = spread;
            csv += &format!(
                "{},\"{name}\",{case},{lower:.3},{median:.3},{upper:.3}\n",
                measure.name()
            );
        }
        csv
    }
}

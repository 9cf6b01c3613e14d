//! What the end of a body says of a call: the trait that each way to classify at the end
//! implements.
//!
//! Classifiers make one value for each response. A [`WatchedBody`](super::WatchedBody) holds it
//! with the call's permit, shows it the trailers, and records the outcome that it returns.

use http::HeaderMap;

use crate::{breaker::Permit, machine::Outcome};

/// A classifier of one response by the end of its body.
///
/// It stands in the type of a [`WatchedBody`](super::WatchedBody), so that the body can be named.
/// The trait is sealed: the classifiers of this crate implement it.
pub trait ClassifyEndOfStream: sealed::Sealed {
    /// Takes the trailers, and notes on the permit how long the service asks to be left alone.
    fn trailers(&mut self, trailers: &HeaderMap, permit: &mut Permit);

    /// Returns the outcome. The body has ended, with trailers or without.
    fn end(&mut self) -> Outcome;
}

/// An outcome by the head of the response. The end of the body doesn't change it.
#[derive(Clone, Copy, Debug)]
pub struct KnownOutcome(pub(super) Outcome);

impl ClassifyEndOfStream for KnownOutcome {
    fn trailers(&mut self, _: &HeaderMap, _: &mut Permit) {}

    fn end(&mut self) -> Outcome {
        self.0
    }
}

impl sealed::Sealed for KnownOutcome {}

pub(crate) mod sealed {
    /// Keeps other crates from implementing [`ClassifyEndOfStream`](super::ClassifyEndOfStream).
    pub trait Sealed {}
}

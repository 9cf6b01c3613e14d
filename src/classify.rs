//! Classifiers: which calls succeeded, which failed, and which say nothing about the service.
//!
//! A classifier receives the [`Permit`] of a call with its result, and records the [`Outcome`] at once or later. It decides
//! nothing else: the machine judges latency, and the policies judge the counts.

use std::fmt;

use crate::{breaker::Permit, machine::Outcome};

/// Tells good calls from bad ones: by the response or the error, now or when the response's body ends.
///
/// A closure `Fn(Result<&Response, &Error>) -> Outcome` is a classifier; give it to
/// [`CircuitBreakerLayerBuilder::classify_fn`](crate::layer::CircuitBreakerLayerBuilder::classify_fn), which infers its types. Implement the trait to look at the request too, or to
/// settle later: put the permit inside the response then, and record the outcome when it is known.
///
/// Calls to the backup go through the same classifier, with a permit of their own kind.
pub trait Classify<Req, Res, Err>: Clone {
    /// The response, or what the permit was put inside with it.
    type Response;

    /// Looks at the request; what it gives classifies this one call.
    #[must_use]
    fn begin(&self, request: &Req) -> Self {
        let _ = request;
        self.clone()
    }

    /// There was a response. Record the outcome now, or later: a permit that is dropped is a cancelled call.
    fn response(&self, response: Res, permit: Permit) -> Self::Response;

    /// There was an error. Default: a failure.
    fn error(&self, error: &Err, permit: Permit) {
        let _ = error;
        permit.record(Outcome::Failure);
    }

    /// Whether this is known to be a failure already: the request may then go to the backup, where
    /// [`CircuitBreakerLayerBuilder::fail_over`](crate::layer::CircuitBreakerLayerBuilder::fail_over) is set. Default: each error is.
    fn is_failure(&self, result: Result<&Res, &Err>) -> bool {
        result.is_err()
    }

    /// It is, and the request goes to the backup: record the outcome, and what else this says of the service. Default: a failure.
    fn failing_over(&self, result: Result<&Res, &Err>, permit: Permit) {
        let _ = result;
        permit.record(Outcome::Failure);
    }
}

/// The default: an error is a failure, any response a success.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ErrorsAsFailures;

impl<Req, Res, Err> Classify<Req, Res, Err> for ErrorsAsFailures {
    type Response = Res;

    #[inline(always)]
    fn response(&self, response: Res, permit: Permit) -> Res {
        permit.record(Outcome::Success);
        response
    }
}

/// As another classifier, and keeps the text of each error, so that a breaker's [snapshot](crate::Snapshot::last_error) and the console show the last one.
///
/// Mind what errors say: whoever sees the console sees it.
///
/// ```
/// use tower_breaker::{CircuitBreakerLayer, classify::{ErrorsAsFailures, ShowErrors}};
///
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// let layer = CircuitBreakerLayer::builder().classify(ShowErrors(ErrorsAsFailures)).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShowErrors<C>(pub C);

impl<C, Req, Res, Err> Classify<Req, Res, Err> for ShowErrors<C>
where
    C: Classify<Req, Res, Err>,
    Err: fmt::Display,
{
    type Response = C::Response;

    fn begin(&self, request: &Req) -> Self {
        Self(self.0.begin(request))
    }

    fn response(&self, response: Res, permit: Permit) -> C::Response {
        self.0.response(response, permit)
    }

    fn error(&self, error: &Err, mut permit: Permit) {
        permit.note_error(error);
        self.0.error(error, permit);
    }

    fn is_failure(&self, result: Result<&Res, &Err>) -> bool {
        self.0.is_failure(result)
    }

    fn failing_over(&self, result: Result<&Res, &Err>, mut permit: Permit) {
        if let Err(error) = result {
            permit.note_error(error);
        }
        self.0.failing_over(result, permit);
    }
}

impl<F, Req, Res, Err> Classify<Req, Res, Err> for F
where
    F: Fn(Result<&Res, &Err>) -> Outcome + Clone,
{
    type Response = Res;

    #[inline(always)]
    fn response(&self, response: Res, permit: Permit) -> Res {
        permit.record(self(Ok(&response)));
        response
    }

    fn error(&self, error: &Err, permit: Permit) {
        permit.record(self(Err(error)));
    }

    fn is_failure(&self, result: Result<&Res, &Err>) -> bool {
        self(result) == Outcome::Failure
    }
}

//! Classifiers: which calls succeeded, which failed, and which say nothing about the service.
//!
//! A classifier receives the [`Permit`] of a call with its result, and records the [`Outcome`] at
//! once or later. It decides nothing else: the machine judges the latency, and the policies judge
//! the counts. `layer::future` calls it, for the primary's calls and for the backup's.

use std::fmt;

use crate::{breaker::Permit, machine::Outcome};

/// A classifier of calls: by the response or the error, at once or when the response's body ends.
///
/// A closure `Fn(Result<&Response, &Error>) -> Outcome` is a classifier. Give it to
/// [`classify_fn`], which infers its types. Implement the trait to look at the request as well, or
/// to record the outcome later: put the permit inside the response, and record when the outcome is
/// known.
///
/// Calls to the backup go through the same classifier, with a permit that counts them apart.
///
/// [`classify_fn`]: crate::layer::CircuitBreakerLayerBuilder::classify_fn
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not classify calls with the response `{Res}` and the error `{Err}`",
    note = "a closure that classifies them is `|result: Result<&{Res}, &{Err}>|`, and returns an `Outcome`"
)]
pub trait Classify<Req, Res, Err>: Clone {
    /// The response that the caller gets: `Res`, or a type that holds `Res` and the permit.
    type Response;

    /// Returns the classifier of one call, whose request this is. Default: a clone.
    #[must_use]
    fn begin(&self, request: &Req) -> Self {
        let _ = request;
        self.clone()
    }

    /// Receives the response. Record the outcome now or later: a permit that is dropped is a
    /// cancelled call.
    fn response(&self, response: Res, permit: Permit) -> Self::Response;

    /// Records the outcome of a call that ended in an error. Default: a failure.
    fn error(&self, error: &Err, permit: Permit) {
        let _ = error;
        permit.record(Outcome::Failure);
    }

    /// Returns whether the call is already known to be a failure. Its request may then go to the
    /// backup, with [`fail_over`](crate::layer::CircuitBreakerLayerBuilder::fail_over). Default:
    /// each error is a failure.
    fn is_failure(&self, result: Result<&Res, &Err>) -> bool {
        result.is_err()
    }

    /// Records the outcome of a failure whose request now goes to the backup, and whatever else the
    /// result says about the service. Default: a failure.
    fn failing_over(&self, result: Result<&Res, &Err>, permit: Permit) {
        let _ = result;
        permit.record(Outcome::Failure);
    }
}

/// A classifier for which an error is a failure, and any response a success. The default.
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

/// A classifier that decides like `C`, but also keeps the text of each error, so that a breaker's
/// [snapshot](crate::Snapshot::last_error) and the console show the last one.
///
/// Mind what errors contain: everyone who can see the console sees it.
///
/// ```
/// use tower_breaker::{CircuitBreakerLayer, classify::{ErrorsAsFailures, ShowErrors}};
///
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// let show = ShowErrors(ErrorsAsFailures);
/// let layer = CircuitBreakerLayer::builder().classify(show).build()?;
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

// Makes the compiler report the message of the trait, not a bound of this impl.
#[diagnostic::do_not_recommend]
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

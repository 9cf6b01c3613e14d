//! The crate failsafe, around a future.

use std::{
    fmt::Debug,
    task::{Context, Poll},
};

use failsafe::{
    Any, Config, Error, FailurePolicy, StateMachine,
    backoff::{self, Constant},
    failure_policy::{ConsecutiveFailures, SuccessRateOverTimeWindow, consecutive_failures},
    futures::{CircuitBreaker, ResponseFuture},
};
use tower::Service;

use super::{LONG, after_failures};
use crate::{
    lazy::Lazy,
    path::Path,
    primary::{Answer, Failed, Primary, Request},
    subject::{Driven, Subject},
};

impl From<Error<Failed>> for Failed {
    fn from(error: Error<Failed>) -> Self {
        match error {
            Error::Inner(failed) => failed,
            Error::Rejected => Self::Rejected,
        }
    }
}

/// Failures in a row that trip it: the default, but with a longer wait.
const FAILURES: u32 = 5;

/// Its half-open state ends with the first outcome, so there are no probes to time.
pub(crate) fn subject<P: Primary>(path: Path, primary: P) -> Option<Box<dyn Subject>> {
    if path == Path::Rejecting {
        // This wait outlasts the measurement. The default's is ten seconds.
        let rate = SuccessRateOverTimeWindow::default();
        return in_state(path, rate.or_else(in_a_row()), primary);
    }
    let rate = SuccessRateOverTimeWindow::default();
    in_state(path, rate.or_else(ConsecutiveFailures::default()), primary)
}

/// Builds it with consecutive failures only. It reads no clock on a success.
pub(crate) fn consecutive_only<P: Primary>(path: Path, primary: P) -> Option<Box<dyn Subject>> {
    in_state(path, in_a_row(), primary)
}

fn in_a_row() -> ConsecutiveFailures<Constant> {
    consecutive_failures(FAILURES, backoff::constant(LONG))
}

fn in_state<P, F>(path: Path, policy: F, primary: P) -> Option<Box<dyn Subject>>
where
    P: Primary,
    F: FailurePolicy + Debug + Send + Sync + 'static,
{
    let machine = Config::new().failure_policy(policy).build();
    let service = AsService { machine, primary };
    Some(match path {
        Path::Closed => Box::new(Driven::new(service)),
        Path::Errors => Box::new(Driven::new(service).first_of_ten(Request::Fail)),
        Path::Rejecting => Box::new(after_failures(service, u64::from(FAILURES))),
        Path::SlowAfter | Path::Learned | Path::Backup | Path::HalfOpen | Path::FastClock | Path::Keyed => return None,
    })
}

struct AsService<P, F> {
    machine: StateMachine<F, ()>,
    primary: P,
}

impl<P: Clone, F> Clone for AsService<P, F> {
    fn clone(&self) -> Self {
        Self {
            machine: self.machine.clone(),
            primary: self.primary.clone(),
        }
    }
}

impl<P, F> Service<Request> for AsService<P, F>
where
    P: Primary,
    F: FailurePolicy + Send + Sync,
{
    type Response = Answer;
    type Error = Error<Failed>;
    type Future = ResponseFuture<Lazy<P>, F, (), Any>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.primary.poll_ready(cx).map_err(Error::Inner)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        self.machine.call(Lazy::new(&self.primary, request))
    }
}

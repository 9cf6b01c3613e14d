//! The crate recloser, around a future.

use std::task::{Context, Poll};

use recloser::{AnyError, AsyncRecloser, Error, Recloser, RecloserFuture};
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

/// By default, it evaluates the rate after this many calls.
const CLOSED_LEN: usize = 100;

/// Its half-open state ends after a number of calls, and it allocates memory for each of them. A
/// long half-open state can't be timed.
pub(crate) fn subject<P: Primary>(path: Path, primary: P) -> Option<Box<dyn Subject>> {
    let service = around(CLOSED_LEN, primary);
    Some(match path {
        Path::Closed => Box::new(Driven::new(service)),
        Path::Errors => Box::new(Driven::new(service).first_of_ten(Request::Fail)),
        Path::Rejecting => Box::new(after_failures(service, CLOSED_LEN as u64 + 1)),
        Path::SlowAfter | Path::Learned | Path::Backup | Path::HalfOpen | Path::FastClock | Path::Keyed => return None,
    })
}

/// Builds a closed breaker with a window of this many calls.
pub(crate) fn with_window<P: Primary>(calls: usize, primary: P) -> Box<dyn Subject> {
    Box::new(Driven::new(around(calls, primary)))
}

fn around<P: Primary>(closed_len: usize, primary: P) -> AsService<P> {
    let recloser = Recloser::custom().closed_len(closed_len).open_wait(LONG).build();
    AsService {
        recloser: recloser.into(),
        primary,
    }
}

#[derive(Clone)]
struct AsService<P> {
    recloser: AsyncRecloser,
    primary: P,
}

impl<P: Primary> Service<Request> for AsService<P> {
    type Response = Answer;
    type Error = Error<Failed>;
    type Future = RecloserFuture<Lazy<P>, AnyError>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.primary.poll_ready(cx).map_err(Error::Inner)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        self.recloser.call(Lazy::new(&self.primary, request))
    }
}

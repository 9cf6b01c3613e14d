//! Decides which calls are failures of the instance.

use std::{error::Error, fmt, iter::successors};

use http::Response;
use tower::BoxError;
use tower_breaker::{
    Outcome, Permit,
    classify::{Classify, ShowErrors},
    protocol::http::ByStatus,
};

use crate::upstream::Body;

/// A classifier by HTTP status. A client that hangs up while it sends is no failure of the
/// instance.
#[derive(Clone)]
pub(crate) struct Classifier(ShowErrors<ByStatus>);

/// The error of a request whose client hung up while sending.
#[derive(Debug)]
pub(crate) struct ClientBroke(pub(crate) hyper::Error);

impl Classifier {
    pub(crate) fn new() -> Self {
        Self(ShowErrors(ByStatus::new()))
    }
}

impl<Req> Classify<Req, Response<Body>, BoxError> for Classifier {
    type Response = Response<Body>;

    fn response(&self, response: Response<Body>, permit: Permit) -> Response<Body> {
        Classify::<Req, _, BoxError>::response(&self.0, response, permit)
    }

    fn error(&self, error: &BoxError, permit: Permit) {
        if is_clients(error) {
            permit.record(Outcome::Ignored);
        } else {
            Classify::<Req, Response<Body>, _>::error(&self.0, error, permit);
        }
    }

    fn is_failure(&self, result: Result<&Response<Body>, &BoxError>) -> bool {
        !result.is_err_and(is_clients) && Classify::<Req, _, _>::is_failure(&self.0, result)
    }

    fn failing_over(&self, result: Result<&Response<Body>, &BoxError>, permit: Permit) {
        Classify::<Req, _, _>::failing_over(&self.0, result, permit);
    }
}

fn is_clients(error: &BoxError) -> bool {
    let first: &(dyn Error + 'static) = &**error;
    successors(Some(first), |&error| error.source()).any(<dyn Error>::is::<ClientBroke>)
}

impl fmt::Display for ClientBroke {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the client's request broke off")
    }
}

impl Error for ClientBroke {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

//! tower-http's classifiers as this crate's.

use std::fmt;

use http::{Request, Response};
use tower_http::classify::{ClassifiedResponse, ClassifyResponse, MakeClassifier};

use crate::{Classify, Outcome, Permit};

/// Classifies as one of tower-http's classifiers does, at the head of the response.
///
/// Where tower-http leaves the decision to the end of the stream (as its gRPC classifier does), a head that isn't a failure counts
/// as a success; `grpc::ByGrpcStatus` looks further.
///
/// ```
/// use tower_breaker::{CircuitBreakerLayer, tower_http::ByTowerHttp};
/// use tower_http::classify::{ServerErrorsAsFailures, SharedClassifier};
///
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// let classifier = SharedClassifier::new(ServerErrorsAsFailures::new());
/// let layer = CircuitBreakerLayer::builder().classify(ByTowerHttp::new(classifier)).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ByTowerHttp<M: MakeClassifier> {
    make: M,
    classifier: Option<M::Classifier>,
}

impl<M: MakeClassifier> ByTowerHttp<M> {
    /// Classifies with what `make` makes for each request.
    pub fn new(make: M) -> Self {
        Self { make, classifier: None }
    }
}

impl<M, Q, B, Err> Classify<Request<Q>, Response<B>, Err> for ByTowerHttp<M>
where
    M: MakeClassifier + Clone,
    M::Classifier: ClassifyResponse + Clone,
{
    type Response = Response<B>;

    fn begin(&self, request: &Request<Q>) -> Self {
        Self {
            classifier: Some(self.make.make_classifier(request)),
            ..self.clone()
        }
    }

    fn response(&self, response: Response<B>, permit: Permit) -> Response<B> {
        let failed = <Self as Classify<Request<Q>, Response<B>, Err>>::is_failure(self, Ok(&response));
        permit.record(if failed { Outcome::Failure } else { Outcome::Success });
        response
    }

    fn error(&self, _: &Err, permit: Permit) {
        permit.record(Outcome::Failure);
    }

    fn is_failure(&self, result: Result<&Response<B>, &Err>) -> bool {
        match (result, self.classifier.clone()) {
            (Ok(response), Some(classifier)) => {
                matches!(
                    classifier.classify_response(response),
                    ClassifiedResponse::Ready(Err(_))
                )
            }
            (Ok(_), None) => false,
            (Err(_), _) => true,
        }
    }
}

impl<M: MakeClassifier> fmt::Debug for ByTowerHttp<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByTowerHttp").finish_non_exhaustive()
    }
}

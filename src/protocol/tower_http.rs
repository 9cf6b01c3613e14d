//! tower-http's classifiers as this crate's.

use std::{fmt, mem::replace};

use http::{HeaderMap, Request, Response};
use http_body::Body;
use tower_http::classify::{ClassifiedResponse, ClassifyEos, ClassifyResponse, MakeClassifier};

use crate::{
    breaker::Permit,
    classify::Classify,
    machine::Outcome,
    protocol::http::{Latency, Verdict, WatchedBody, watched},
};

/// Classifies as one of tower-http's classifiers does: at the head of the response or, where it says so, at the end of the
/// stream.
///
/// Errors are failures, and so is a stream that breaks. Latency counts to the head, unless told [otherwise](Self::latency).
///
/// Of gRPC's failures, `GrpcErrorsAsFailures` misses a proxy's bare 503, a stream that ends with no status, and a status that
/// isn't a number; and unless told otherwise it takes the caller's mistakes, such as NOT_FOUND, for failures, and CANCELLED
/// too. `grpc::ByGrpcStatus` knows better.
///
/// ```
/// use tower_breaker::{CircuitBreakerLayer, protocol::tower_http::ByTowerHttp};
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
    latency: Latency,
}

impl<M: MakeClassifier> ByTowerHttp<M> {
    /// Classifies with what `make` makes for each request.
    pub fn new(make: M) -> Self {
        Self {
            make,
            classifier: None,
            latency: Latency::ToHead,
        }
    }

    /// Up to when latency counts, where the outcome is known at the end of the stream.
    #[must_use]
    pub fn latency(self, latency: Latency) -> Self {
        Self { latency, ..self }
    }
}

impl<M, Q, B, Err> Classify<Request<Q>, Response<B>, Err> for ByTowerHttp<M>
where
    M: MakeClassifier + Clone,
    M::Classifier: Clone,
    B: Body,
{
    type Response = Response<WatchedBody<B, ByEos<M::ClassifyEos>>>;

    fn begin(&self, request: &Request<Q>) -> Self {
        Self {
            classifier: Some(self.make.make_classifier(request)),
            ..self.clone()
        }
    }

    fn response(&self, response: Response<B>, permit: Permit) -> Self::Response {
        let classified = self
            .classifier
            .clone()
            .map(|classifier| classifier.classify_response(&response));
        let outcome = match classified {
            Some(ClassifiedResponse::RequiresEos(eos)) => {
                return response.map(|body| watched(body, permit, ByEos::Awaited(eos), self.latency));
            }
            Some(ClassifiedResponse::Ready(result)) => outcome_of(&result),
            None => Outcome::Success,
        };
        permit.record(outcome);
        response.map(WatchedBody::unwatched)
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
        f.debug_struct("ByTowerHttp")
            .field("latency", &self.latency)
            .finish_non_exhaustive()
    }
}

fn outcome_of<E>(result: &Result<(), E>) -> Outcome {
    match result {
        Ok(()) => Outcome::Success,
        Err(_) => Outcome::Failure,
    }
}

/// Judges a stream as tower-http does, by its trailers or their absence.
pub enum ByEos<E> {
    /// The end is still to come.
    Awaited(E),
    /// It has come.
    Judged(Outcome),
}

impl<E: ClassifyEos> ByEos<E> {
    fn judge(&mut self, trailers: Option<&HeaderMap>) -> Outcome {
        let outcome = match replace(self, Self::Judged(Outcome::Success)) {
            Self::Awaited(eos) => outcome_of(&eos.classify_eos(trailers)),
            Self::Judged(outcome) => outcome,
        };
        *self = Self::Judged(outcome);
        outcome
    }
}

impl<E: ClassifyEos> Verdict for ByEos<E> {
    fn trailers(&mut self, trailers: &HeaderMap, _: &mut Permit) {
        self.judge(Some(trailers));
    }

    fn end(&mut self) -> Outcome {
        self.judge(None)
    }
}

impl<E> fmt::Debug for ByEos<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByEos").finish_non_exhaustive()
    }
}

//! Adapts tower-http's classifiers to this crate's, at the head and at the end of the stream.

use std::{fmt, mem::replace};

use http::{HeaderMap, Request, Response};
use http_body::Body;
use tower_http::classify::{ClassifiedResponse, ClassifyEos, ClassifyResponse, MakeClassifier};

use crate::{
    breaker::Permit,
    classify::Classify,
    machine::Outcome,
    protocol::http::{ClassifyEndOfStream, Latency, WatchedBody, sealed::Sealed},
};

/// A classifier that asks one of tower-http's: at the head of the response or, if that requires it,
/// at the end of the stream.
///
/// Errors are failures, and so are streams that break off. Latency ends with the head, unless
/// [`latency`](Self::latency) says otherwise.
///
/// For gRPC, prefer `grpc::ByGrpcStatus`. `GrpcErrorsAsFailures` misses three failures: a proxy's
/// bare 503, a stream that ends without a status, and a status that isn't a number. By default it
/// also takes CANCELLED and the caller's mistakes, such as NOT_FOUND, for failures.
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
    /// The classifier of one call, made from its request.
    classifier: Option<M::Classifier>,
    latency: Latency,
}

impl<M: MakeClassifier> ByTowerHttp<M> {
    /// Returns a classifier that asks the one that `make` makes for each request.
    pub fn new(make: M) -> Self {
        Self {
            make,
            classifier: None,
            latency: Latency::ToHead,
        }
    }

    /// Sets what ends the latency of calls whose outcome is known at the end of the stream.
    /// Default: the head.
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
                return response.map(|body| WatchedBody::new(body, permit, ByEos::new(eos), self.latency));
            }
            Some(ClassifiedResponse::Ready(result)) => outcome_of(&result),
            None => Outcome::Success,
        };
        permit.record(outcome);
        response.map(WatchedBody::recorded)
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

/// A classifier of one stream by tower-http's `ClassifyEos`: by its trailers or their absence.
pub struct ByEos<E> {
    stream: StreamEnd<E>,
}

enum StreamEnd<E> {
    /// The end is still to come, and this will classify it.
    Awaited(E),
    /// The end has come, and was classified.
    Classified(Outcome),
}

impl<E> ByEos<E> {
    fn new(eos: E) -> Self {
        Self {
            stream: StreamEnd::Awaited(eos),
        }
    }
}

impl<E: ClassifyEos> ByEos<E> {
    fn classify(&mut self, trailers: Option<&HeaderMap>) -> Outcome {
        let outcome = match replace(&mut self.stream, StreamEnd::Classified(Outcome::Success)) {
            StreamEnd::Awaited(eos) => outcome_of(&eos.classify_eos(trailers)),
            StreamEnd::Classified(outcome) => outcome,
        };
        self.stream = StreamEnd::Classified(outcome);
        outcome
    }
}

impl<E: ClassifyEos> ClassifyEndOfStream for ByEos<E> {
    fn trailers(&mut self, trailers: &HeaderMap, _: &mut Permit) {
        self.classify(Some(trailers));
    }

    fn end(&mut self) -> Outcome {
        self.classify(None)
    }
}

impl<E> Sealed for ByEos<E> {}

impl<E> fmt::Debug for ByEos<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByEos").finish_non_exhaustive()
    }
}

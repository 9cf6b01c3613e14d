//! HTTP: what a response says of a service's health, and what to answer in its place.
//!
//! To Tower, a response with an error status is `Ok`. [`ByStatus`] tells a 503 from a 200, at the
//! head of the response or [at the end of its body](ByStatus::at_end):
//!
//! ```
//! use std::time::Duration;
//! use tower_breaker::{CircuitBreakerLayer, protocol::http::{ByStatus, Unavailable}};
//!
//! # fn main() -> Result<(), tower_breaker::ConfigError> {
//! let layer = CircuitBreakerLayer::builder()
//!     .name("orders")
//!     .slow_after(Duration::from_millis(500))
//!     .classify(ByStatus::new())    // 5xx and errors are failures
//!     .respond(Unavailable::new())  // while open: 503, with a Retry-After
//!     .build()?;
//! # Ok(())
//! # }
//! ```

mod body;
mod either;
mod end_of_stream;
mod retain;
mod retained_body;
mod retry_after;
mod status;
mod unavailable;

#[cfg(any(feature = "grpc", feature = "tower-http"))]
pub(super) use self::end_of_stream::sealed;
#[cfg(feature = "grpc")]
pub(super) use self::retry_after::requested_pause;
pub use self::{
    body::{Latency, WatchedBody},
    either::EitherBody,
    end_of_stream::{ClassifyEndOfStream, KnownOutcome},
    retain::{DetectUnsent, RetainRequests, RetainedRequest},
    retained_body::RetainedBody,
    status::{ByStatus, ByStatusAtEnd},
    unavailable::{Unavailable, UnavailableBuilder},
};

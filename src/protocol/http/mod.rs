//! On the wire: what a response says of a service's health, and what to answer in its place.
//!
//! An HTTP error is an `Ok` to Tower. [`ByStatus`] tells a 503 from a 200, at the head of the response or
//! [at the end of its body](ByStatus::at_end):
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
mod retain;
mod retry_after;
mod status;
mod unavailable;

#[cfg(any(feature = "grpc", feature = "tower-http"))]
pub(crate) use self::body::Verdict;
pub(crate) use self::{body::watched, retry_after::pause_asked_for};
pub use self::{
    body::{Latency, WatchedBody},
    either::EitherBody,
    retain::{RetainRequests, RetainedBody, RetainedRequest},
    status::{ByStatus, ByStatusAtEnd},
    unavailable::{Unavailable, UnavailableBuilder},
};

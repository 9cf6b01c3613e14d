//! A circuit breaker for Tower.
//!
//! [`CircuitBreakerLayer`] puts a breaker around any [`tower::Service`]. The breaker samples the latency and the errors of
//! each request, trips when the evidence against the service is strong enough, sends the requests to a backup service while it is
//! open, and gives access back gradually once the service is healthy again.
//!
//! ```
//! use std::time::Duration;
//! use tower::ServiceBuilder;
//! use tower_breaker::CircuitBreakerLayer;
//!
//! # fn main() -> Result<(), tower_breaker::ConfigError> {
//! # let payments = tower::service_fn(|order: u32| async move { Ok::<_, std::io::Error>(order) });
//! # let cached_payments = payments.clone();
//! let layer = CircuitBreakerLayer::builder()
//!     .name("payments")
//!     .slow_after(Duration::from_millis(300)) // a call that takes longer is as bad as an error
//!     .backup(cached_payments)                // any Service with the same Request, Response, Error
//!     .build()?;                              // Err(ConfigError) names the field and the value
//!
//! let breaker = layer.breaker().clone();      // a handle: state, snapshot, events, manual control
//! let service = ServiceBuilder::new().layer(layer).service(payments);
//! # fn is_service(_: impl tower::Service<u32>) {}
//! # is_service(service);
//! # Ok(())
//! # }
//! ```
//!
//! # What it does
//!
//! A call is *bad* when it failed, took longer than `slow_after`, or is still in flight past it. With a backup, the breaker learns
//! `slow_after` from the service's own latency: see [`SlowAfter`](config::SlowAfter).
//!
//! - **Closed**: all calls go to the primary, until a [trip policy](policy) finds a reason to trip.
//! - **Open**: no call does. Refused calls are [rejected](on_open::Reject), go to a [backup](on_open::Backup), get
//!   [a response that you choose](on_open::Respond), or [wait](on_open::Wait), for the [open duration](recovery::OpenDuration).
//! - **Half-open**: first a probe, then rising shares of the calls go to the primary: see [`Recovery`](recovery::Recovery).
//!
//! The [`Breaker`] handle shows all of this, reports each change with its reason, and lets an operator override it.
//!
//! # Features
//!
//! None by default.
//!
//! - `http`: telling good HTTP responses from bad ones, `Retry-After`, answers for refused calls, failing over requests with a body.
//! - `grpc`: the same for gRPC, by the status in headers or trailers.
//! - `tower-http`: tower-http's classifiers.
//! - `console`: a page that shows all breakers and operates them, as a service for any HTTP server.
//! - `http-check`: a health check for the [agent], by HTTP.
//! - `keyed`: a breaker per key, such as a host or a tenant.
//! - `metrics`, `opentelemetry`: figures of all breakers, as Prometheus's text, to the `metrics` facade, or to a meter.
//! - `replay`: recording what became of each call, replaying it under another configuration, and parameters that a recording suggests.
//! - `serde`: [`Config`] from TOML, JSON or YAML.
//! - `full`: all of them.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod agent;
mod breaker;
mod breaker_name;
pub mod classify;
pub mod clock;
pub mod config;
#[cfg(feature = "console")]
pub mod console;
mod error;
pub mod group;
pub mod guide;
#[cfg(feature = "keyed")]
pub mod keyed;
pub mod layer;
mod lock;
#[cfg(feature = "unstable-machine")]
pub mod machine;
#[cfg(not(feature = "unstable-machine"))]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the feature `unstable-machine` makes all of it public"
)]
mod machine;
pub mod observe;
pub mod on_open;
pub mod protocol;
pub mod registry;
#[cfg(feature = "replay")]
pub mod replay;
mod sync;
#[cfg(any(feature = "metrics", feature = "opentelemetry"))]
pub mod telemetry;

pub use self::{
    breaker::{Breaker, Permit, Snapshot},
    config::{Config, ConfigError},
    error::CircuitOpen,
    layer::{CircuitBreaker, CircuitBreakerLayer},
    machine::{Evidence, Outcome, State},
    observe::Event,
};

/// When a breaker trips: the policies, what they are asked about, and the reasons that they give.
pub mod policy {
    pub use crate::machine::{
        BucketView, ConsecutiveFailures, Counts, CustomPolicy, Evidence, FailureRate, Measurement, Policy,
        PolicyReading, SlidingWindow, SlowCallRate, TripPolicy, TripReason,
    };
}

/// How long a breaker stays open, and how access to the primary returns.
pub mod recovery {
    pub use crate::machine::{OpenDuration, Recovery};
}

/// What a [`Breaker`] shows of itself: its state and mode, what it decides by, and what it has counted.
pub mod snapshot {
    pub use crate::{
        breaker::{CallTotals, LastError, ReadinessTotals, Snapshot, Totals},
        machine::{Mode, State},
    };
}

/// The futures that the services of this crate return.
pub mod future {
    pub use crate::{
        layer::ResponseFuture,
        on_open::{BackupFuture, RejectFuture, RespondFuture},
    };
}

//! A circuit breaker for [Tower](tower) services: axum, tonic, hyper and reqwest.
//!
//! [`CircuitBreakerLayer`] puts a breaker around any [`tower::Service`]. The breaker measures the
//! latency and the errors of its calls, and trips when the evidence against the service is strong
//! enough. While it is open, calls go to a backup service, get a response that you choose, or fail
//! fast. When the service is healthy again, the breaker gives access back gradually.
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
//!     .backup(cached_payments)                // any Service with the same types
//!     .build()?;                              // Err(ConfigError) names the field and the value
//!
//! let breaker = layer.breaker().clone();      // a handle: state, snapshot, events, control
//! let service = ServiceBuilder::new().layer(layer).service(payments);
//! # fn is_service(_: impl tower::Service<u32>) {}
//! # is_service(service);
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//!
//! A call is *bad* when it fails, when it takes longer than `slow_after`, or while it is in flight
//! for longer than that. With a backup, the breaker learns `slow_after` from the service's own
//! latency: see [`SlowAfter`](config::SlowAfter).
//!
//! - **Closed**: all calls go to the primary, the service that the layer wraps, until a
//!   [trip policy](policy) finds a reason to trip.
//! - **Open**: no call goes to the primary for the [open duration](recovery::OpenDuration). Calls
//!   are [rejected](on_open::Reject), go to a [backup](on_open::Backup), get [a response that you
//!   choose](on_open::Respond), or [wait](on_open::Wait).
//! - **Half-open**: first a probe, then rising shares of the calls go to the primary: see
//!   [`Recovery`](recovery::Recovery).
//!
//! The [`Breaker`] handle shows all of this and reports each change with its reason, and operators
//! can override it. The [guide] has pages on how it decides, tuning, recipes, operations and
//! testing.
//!
//! # Where to find what
//!
//! - [`policy`], [`recovery`], [`config`]: when to trip, how access returns, other settings.
//! - [`on_open`]: what happens to calls that the breaker refuses, and what the compiler says if
//!   that doesn't fit the service.
//! - [`classify`], [`protocol`]: telling good calls from bad ones, for any service, HTTP and gRPC.
//! - [`observe`], [`snapshot`]: events, records of calls, and what a breaker shows of itself.
//! - `keyed`, [`group`], [`registry`]: a breaker per key, breakers of one group, breakers by name.
//! - [`agent`]: checks of a service's health while it gets no calls.
//! - `console`, `telemetry`, `replay`: a page, metrics, and replaying what was recorded.
//! - [`layer`], [`future`], [`clock`]: the builder, the service's future, and the time.
//!
//! # Features
//!
//! None is on by default.
//!
//! - `http`: classifiers by HTTP status, `Retry-After`, a response for refused calls, and failing
//!   over requests with a body.
//! - `grpc`: the same for gRPC, by the status in headers or trailers.
//! - `tower-http`: tower-http's classifiers.
//! - `console`: a page that shows all breakers and operates them, as a service for any HTTP server.
//! - `fast-clock`: a clock that costs less to read, the processor's timestamp counter.
//! - `http-check`: a health check for the [agent], by HTTP.
//! - `keyed`: a breaker per key, such as a host or a tenant.
//! - `metrics`, `opentelemetry`: metrics of all breakers, as Prometheus's text, to the `metrics`
//!   facade, or to an OpenTelemetry meter.
//! - `replay`: recording what became of each call, replaying it under another configuration, and
//!   suggesting settings from a recording.
//! - `serde`: [`Config`] from TOML, JSON or YAML.
//! - `full`: all of the above.
//! - `unstable-machine`: the state machine that decides, as a module `machine`. It is exempt from
//!   semantic versioning, and not part of `full`.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod agent;
mod breaker;
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

/// When a breaker trips: the policies, the counts that they decide by, and the reasons that they
/// give.
pub mod policy {
    pub use crate::machine::{
        BucketView, ConsecutiveFailures, Counts, Evidence, FailureRate, Measurement, Policy, PolicyReading,
        SlidingWindow, SlowCallRate, TripPolicy, TripReason,
    };
}

/// How long a breaker stays open, and how access to the primary returns.
pub mod recovery {
    pub use crate::machine::{OpenDuration, Recovery};
}

/// What a [`Breaker`] shows of itself: its state and mode, its settings in force, and its counts.
pub mod snapshot {
    pub use crate::{
        breaker::{CallTotals, LastError, ReadinessTotals, Snapshot, Totals},
        machine::{Mode, State},
    };
}

/// The future that the services of this crate return, [`ResponseFuture`](future::ResponseFuture),
/// and what it is made of.
pub mod future {
    pub use crate::{
        layer::future::{CallFuture, ResponseFuture, WaitingCall},
        on_open::{backup::BackupFuture, fail_over::RetainedCall, reject::RejectFuture, respond::RespondFuture},
    };
}

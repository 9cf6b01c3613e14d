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
//! A call is *bad* when it failed, took longer than `slow_after`, or is still in flight past it. `slow_after` sets itself where there is a
//! backup: see [`SlowAfter`].
//!
//! - **Closed**: all calls go to the primary, until the [trip policy](TripPolicy) finds reason to trip.
//! - **Open**: none do. They are [rejected](Reject), go to a [backup](Builder::backup), or [wait](Wait), for the
//!   [open duration](OpenDuration).
//! - **Half-open**: first a probe, then rising shares of the calls go to the primary: see [`Recovery`].
//!
//! The [`Breaker`] handle shows all of this, tells of each change and its reason, and lets itself be overruled. The decisions
//! themselves are pure and stand in [`machine`].
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
mod backup;
mod breaker;
mod breaker_name;
mod builder;
mod call_record;
mod classify;
mod clock;
mod config;
#[cfg(feature = "console")]
pub mod console;
mod error;
mod event;
mod failover;
mod future;
mod group;
#[cfg(feature = "grpc")]
pub mod grpc;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "keyed")]
mod keyed;
mod layer;
pub mod machine;
#[cfg(any(feature = "metrics", feature = "opentelemetry"))]
pub mod metrics;
mod panics;
mod registry;
#[cfg(feature = "replay")]
pub mod replay;
mod respond;
mod service;
#[cfg(feature = "tower-http")]
pub mod tower_http;
mod waiting_task;

#[cfg(feature = "fast-clock")]
pub use self::clock::FastClock;
#[cfg(feature = "keyed")]
pub use self::keyed::{Breakers, ByKey, KeyedCircuitBreaker, KeyedLayer};
pub use self::{
    agent::Agent,
    backup::{Backup, BackupFuture, OnOpen, Reject, RejectFuture, Wait},
    breaker::{Breaker, CallTotals, LastError, Permit, ReadinessTotals, Snapshot, Totals},
    builder::Builder,
    call_record::{BackupRecord, CallOutcome, CallRecord, Look, Moment},
    classify::{Classify, ErrorsAsFailures, ShowErrors},
    clock::Clock,
    config::Config,
    error::CircuitOpen,
    event::{Event, Events, Observer},
    failover::{CloneRequests, FailOver, FailOverBudget, Replay},
    future::ResponseFuture,
    group::{Group, GroupBuilder, Outliers},
    layer::CircuitBreakerLayer,
    machine::{
        BucketView, CancelledCalls, ConfigError, ConsecutiveFailures, Counts, CustomPolicy, Evidence, FailureRate,
        Mode, ModeView, OpenDuration, Outcome, Policy, PolicyReading, Recovery, SlidingWindow, SlowAfter, SlowCallRate,
        State, Timestamp, Transition, TripPolicy, TripReason, View,
    },
    registry::{Configs, PartialConfig, Registry, RegistryError},
    respond::{Answer, Respond, RespondFuture},
    service::CircuitBreaker,
};

//! Classifiers and answers for HTTP and gRPC.
//!
//! The modules are in here, and not at the root, so that `use tower_breaker::*` doesn't hide the
//! crates `http` and `tower_http`.

#[cfg(feature = "grpc")]
pub mod grpc;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "tower-http")]
pub mod tower_http;

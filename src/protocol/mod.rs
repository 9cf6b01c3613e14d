//! Classifiers and answers for the protocols that run over Tower: HTTP and gRPC.

#[cfg(feature = "grpc")]
pub mod grpc;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "tower-http")]
pub mod tower_http;

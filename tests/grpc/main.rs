//! gRPC as it is spoken: tonic and hyper over loopback sockets.
#![allow(clippy::unwrap_used)]

mod channel;
mod client;
mod codes;
mod connections;
mod pushback;
mod server;
mod streams;
mod support;
mod tower_http;

//! gRPC as it is spoken: tonic and hyper over loopback sockets.
#![allow(clippy::unwrap_used, reason = "tests are exempt, their helpers too")]

#[path = "../common"]
#[allow(dead_code, reason = "each test binary takes what it needs")]
mod common {
    pub(crate) mod breakers;
    pub(crate) mod clock;
    pub(crate) mod durations;
    pub(crate) mod http2;
    pub(crate) mod sockets;
}

mod channel;
mod client;
mod codes;
mod connections;
mod pushback;
mod server;
mod streams;
mod support;
mod tower_http;

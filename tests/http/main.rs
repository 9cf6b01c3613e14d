//! HTTP as it is spoken: axum, hyper and reqwest over sockets of this machine, and what goes wrong
//! there.
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

mod at_end;
mod axum_router;
mod by_status;
mod disconnects;
mod fail_over;
mod faults;
mod hyper_client;
mod orders;
mod reqwest_client;
mod retry_after;
mod support;
mod wire;

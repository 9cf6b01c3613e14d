//! HTTP as it is spoken: axum, hyper and reqwest over sockets of this machine, and what goes wrong there.
#![allow(clippy::unwrap_used)]

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

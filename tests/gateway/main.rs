//! The gateway, which is an example: its parts, and all of it over sockets.
#![allow(clippy::unwrap_used, reason = "tests are exempt, their helpers too")]

#[path = "../common"]
#[allow(dead_code, reason = "each test binary takes what it needs")]
mod common {
    pub(crate) mod durations;
    pub(crate) mod sockets;
}

#[path = "../../examples/gateway/answers.rs"]
mod answers;
#[path = "../../examples/gateway/args.rs"]
mod args;
#[path = "../../examples/gateway/config/mod.rs"]
mod config;
#[path = "../../examples/gateway/console.rs"]
mod console;
#[path = "../../examples/gateway/elsewhere.rs"]
mod elsewhere;
#[path = "../../examples/gateway/headers.rs"]
mod headers;
#[path = "../../examples/gateway/instance.rs"]
mod instance;
#[path = "../../examples/gateway/judge.rs"]
mod judge;
#[path = "../../examples/gateway/proxy.rs"]
mod proxy;
#[path = "../../examples/gateway/reload.rs"]
mod reload;
#[path = "../../examples/gateway/server.rs"]
mod server;
#[path = "../../examples/gateway/table.rs"]
#[allow(dead_code, reason = "the demonstration shows all instances")]
mod table;
#[path = "../../examples/gateway/upstream.rs"]
mod upstream;

mod arguments;
mod configurations;
mod console_page;
mod failing_over;
mod forwarding;
mod reloading;
mod requests;
mod routes;
mod support;
mod wire;

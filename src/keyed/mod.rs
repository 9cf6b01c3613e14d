//! A breaker per key: see [`CircuitBreakerLayer::keyed`](crate::CircuitBreakerLayer::keyed).
//!
//! The service makes a key of each request, and asks the key's breaker for a permit. From there on
//! a call is like any other: `layer` has its future. The store finds breakers without a lock, makes
//! those of new keys, and evicts idle ones. At most `max_keys` keys have a breaker of their own;
//! all others share the overflow breaker.

mod breakers;
mod builder;
mod entry;
mod layer;
mod name;
mod service;
mod store;

pub use self::{breakers::Breakers, builder::ByKey, layer::KeyedCircuitBreakerLayer, service::KeyedCircuitBreaker};

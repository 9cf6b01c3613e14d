//! A breaker per key: see [`CircuitBreakerLayer::keyed`](crate::CircuitBreakerLayer::keyed).

mod breakers;
mod builder;
mod entry;
mod layer;
mod name;
mod service;
mod store;

pub use self::{breakers::Breakers, builder::ByKey, layer::KeyedCircuitBreakerLayer, service::KeyedCircuitBreaker};

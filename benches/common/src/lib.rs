//! What the two benchmarks share: [`svg`] pictures, result [`files`] and a [`progress`] bar.

pub mod files;
pub mod progress;
pub mod svg;

//! The figures as pictures.

mod cost;
mod scale;
mod scaling;
mod svg;

pub(crate) use self::{cost::cost, scaling::scaling};

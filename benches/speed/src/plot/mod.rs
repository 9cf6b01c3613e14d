//! The figures as SVG pictures.

mod cost;
mod scale;
mod scaling;
mod style;

pub(crate) use self::{cost::cost, scaling::scaling};

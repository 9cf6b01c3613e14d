//! The figures as SVG pictures.

mod cost;
mod scale;
mod scaling;

pub(crate) use self::{cost::cost, scaling::scaling};

/// The style of both pictures, on light pages and dark ones. The colors are Okabe and Ito's (2008),
/// or near them, so that readers with color blindness can distinguish them.
const STYLE: &str = include_str!("style.css");

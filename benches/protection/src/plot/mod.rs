//! Pictures of the results: SVG without scripts, fonts or links. The same results give the same
//! bytes.

mod axis;
mod gates;
mod heatmap;
mod regret;
mod timeline;

pub use self::{
    heatmap::heatmap,
    regret::regret,
    timeline::{Panel, SLOTS, timeline},
};

/// The style of all pictures, on light pages and dark ones. The colors are Okabe and Ito's (2008),
/// or near them, so that readers with color blindness can distinguish them.
const STYLE: &str = include_str!("style.css");

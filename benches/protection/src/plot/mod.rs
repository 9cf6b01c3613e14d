//! Pictures of what was measured: SVG without scripts, fonts or links, the same bytes for the same results.

mod axis;
mod gates;
mod heatmap;
mod regret;
mod svg;
mod timeline;

pub use self::{
    heatmap::heatmap,
    regret::regret,
    timeline::{History, SLOTS, timeline},
};

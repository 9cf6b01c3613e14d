//! Pictures of the results: SVG without scripts, fonts or links. The same results give the same
//! bytes.

mod axis;
mod gates;
mod heatmap;
mod regret;
mod style;
mod timeline;

pub use self::{
    heatmap::heatmap,
    regret::regret,
    timeline::{Panel, SLOTS, timeline},
};

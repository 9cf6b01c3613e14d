//! How the pictures look.

/// The style of both pictures, on light pages and dark ones. The colors are Okabe and Ito's (2008),
/// or near them, so that readers with color blindness can distinguish them.
pub(super) const STYLE: &str = include_str!("style.css");

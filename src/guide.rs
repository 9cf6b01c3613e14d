//! The guide: one page for each question that a user asks.
//!
//! | question | page |
//! |---|---|
//! | It tripped. What do I do? | [Runbook](runbook) |
//! | When does it trip, and how does it recover? | [How it decides](how_it_decides) |
//! | Which settings do I need? | [Tuning](tuning) |
//! | How do I put it into axum, tonic, hyper or reqwest? | [Recipes](recipes) |
//! | Where does the layer go among the others? | [The order of layers](ordering) |
//! | I have many hosts, tenants or instances. | [Many instances](many_instances) |
//! | How do I test my own service with it? | [Testing your own service](testing) |
//! | Why not another breaker? | [Comparison](comparison) |
//!
//! The pages are the files of the repository's `docs/` folder. Each code block compiles and runs as
//! a test of this crate.

/// Declares a page. Its links and pictures resolve in the repository by the definitions at the
/// file's end; here the definitions that come first take precedence.
///
/// The pages use every feature, so their code is tested only with the feature `full`.
macro_rules! page {
    ($name:ident, $file:literal) => {
        #[doc = "[how-it-decides]: crate::guide::how_it_decides"]
        #[doc = "[tuning]: crate::guide::tuning"]
        #[doc = "[recipes]: crate::guide::recipes"]
        #[doc = "[runbook]: crate::guide::runbook"]
        #[doc = "[ordering]: crate::guide::ordering"]
        #[doc = "[many-instances]: crate::guide::many_instances"]
        #[doc = "[testing]: crate::guide::testing"]
        #[doc = "[comparison]: crate::guide::comparison"]
        #[doc = "[console.png]: https://docs.rs/crate/tower-breaker/latest/source/docs/console.png"]
        #[doc = "[console-one.png]: https://docs.rs/crate/tower-breaker/latest/source/docs/console-one.png"]
        #[doc = ""]
        #[cfg_attr(any(not(doctest), feature = "full"), doc = include_str!($file))]
        pub mod $name {}
    };
}

page!(how_it_decides, "../docs/how-it-decides.md");
page!(tuning, "../docs/tuning.md");
page!(recipes, "../docs/recipes.md");
page!(runbook, "../docs/runbook.md");
page!(ordering, "../docs/ordering.md");
page!(many_instances, "../docs/many-instances.md");
page!(testing, "../docs/testing.md");
page!(comparison, "../docs/comparison.md");

/// Compiles the code of the README.
#[cfg(all(doctest, feature = "full"))]
#[doc = include_str!("../README.md")]
struct Readme;

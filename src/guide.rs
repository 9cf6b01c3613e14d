#![doc = "[how-it-decides]: how_it_decides"]
#![doc = "[tuning]: tuning"]
#![doc = "[recipes]: recipes"]
#![doc = "[runbook]: runbook"]
#![doc = "[ordering]: ordering"]
#![doc = "[many-instances]: many_instances"]
#![doc = "[testing]: testing"]
#![doc = "[comparison]: comparison"]
#![doc = ""]
#![doc = include_str!("../docs/README.md")]

/// Declares a page of `docs/`.
///
/// In the repository, a page's links and pictures resolve by the definitions at its end. Here the
/// definitions above it take precedence, as Markdown has it. The pages use every feature, so their
/// code is tested only with the feature `full`.
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

//! The public names at the crate's root: few, and none that hides a crate from its user.

use std::collections::BTreeSet;

use toml::{Table, Value};

use crate::files::read;

/// What a newcomer needs. All else stands in modules.
const MOST_NAMES_AT_THE_ROOT: usize = 12;

/// The modules that a crate's root makes public, in this text of its `lib.rs`.
fn public_modules(lib: &str) -> BTreeSet<String> {
    lib.lines()
        .filter_map(|line| line.strip_prefix("pub mod "))
        .map(|rest| rest.trim_end_matches([';', '{', ' ']).to_owned())
        .collect()
}

/// The names that `pub use` statements bring to the root.
fn names_at_the_root(lib: &str) -> BTreeSet<String> {
    let statements = lib.split("\npub use ").skip(1);
    let bodies = statements.map(|rest| rest.split(';').next().unwrap_or_default());
    let words = bodies.flat_map(|body| body.split(|c: char| !c.is_alphanumeric() && c != '_'));
    words
        .filter(|word| word.starts_with(char::is_uppercase))
        .map(str::to_owned)
        .collect()
}

/// The crates that the package, its tests or its examples use: as the source names them.
fn crates(manifest: &str) -> BTreeSet<String> {
    let manifest: Table = manifest.parse().unwrap();
    let for_targets = manifest.get("target").and_then(Value::as_table);
    let tables = for_targets
        .into_iter()
        .flat_map(Table::values)
        .filter_map(Value::as_table);
    [&manifest]
        .into_iter()
        .chain(tables)
        .flat_map(|table| ["dependencies", "dev-dependencies"].map(|kind| table.get(kind)))
        .filter_map(|dependencies| dependencies?.as_table())
        .flat_map(Table::keys)
        .map(|name| name.replace('-', "_"))
        .chain(["std", "core", "alloc"].map(str::to_owned))
        .collect()
}

#[test]
fn no_public_module_hides_a_crate() {
    let modules = public_modules(&read("src/lib.rs"));
    let crates = crates(&read("Cargo.toml"));
    assert!(modules.contains("on_open") && crates.contains("tower_http"));
    let hidden: Vec<_> = modules.intersection(&crates).collect();
    assert!(hidden.is_empty(), "`use tower_breaker::*` would hide {hidden:?}");
}

#[test]
fn the_root_has_few_names() {
    let names = names_at_the_root(&read("src/lib.rs"));
    assert!(names.contains("CircuitBreakerLayer"), "{names:?}");
    assert!(
        names.len() <= MOST_NAMES_AT_THE_ROOT,
        "{} names: {names:?}",
        names.len()
    );
}

#[test]
fn names_and_modules_are_found() {
    let lib = "\
        mod breaker;\n\
        pub mod http;\n\
        pub use self::{\n    breaker::{Breaker, Permit},\n    error::CircuitOpen,\n};\n\
        pub mod policy {\n    pub use crate::machine::Policy;\n}\n\
        pub use one::More;\n";
    assert_eq!(public_modules(lib), ["http", "policy"].map(str::to_owned).into());
    assert_eq!(
        names_at_the_root(lib),
        ["Breaker", "CircuitOpen", "More", "Permit"].map(str::to_owned).into()
    );
    let manifest = "[dependencies]\nhttp = \"1\"\n[dev-dependencies]\ntower-http = { version = \"0.6\" }";
    let found = crates(manifest);
    assert!(found.contains("http") && found.contains("tower_http"), "{found:?}");
}

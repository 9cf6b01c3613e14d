//! The purity of `src/machine/`: it names nothing outside itself, and does nothing but decide.

use std::{collections::BTreeSet, path::Path};

use crate::{
    files::{read, rust_files},
    source::{module, paths, without_literals},
};

const OTHER_CRATES: [&str; 7] = [
    "tower",
    "tokio",
    "tracing",
    "futures",
    "futures_core",
    "pin_project_lite",
    "serde",
];

/// What reads a clock, shares memory, waits, or talks to the world.
const EFFECTS: [&str; 12] = [
    "Mutex",
    "RwLock",
    "Instant",
    "SystemTime",
    "Waker",
    "thread",
    "fs",
    "net",
    "env",
    "async",
    "await",
    "unsafe",
];

/// What the code of a module of `machine/` may not contain. Its tests are held to the same.
fn foreign(text: &str, of: &[String], modules: &BTreeSet<String>) -> Vec<String> {
    let code = without_literals(text);
    let mut found = Vec::new();
    let words = code.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
    for word in words.filter(|word| !word.is_empty()) {
        let mut parts = word.split("::");
        let outside = word.contains("::") && OTHER_CRATES.contains(&word.split("::").next().unwrap_or_default());
        let effect = parts.any(|part| EFFECTS.contains(&part) || part.starts_with("Atomic"));
        if outside || effect {
            found.push(word.to_owned());
        }
    }
    for (index, _) in code.match_indices("use ") {
        let rest = &code[index + 4..];
        let root: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let at_start = code[..index].chars().next_back().is_none_or(char::is_whitespace);
        let is_own = ["std", "crate", "self", "super", ""].contains(&root.as_str()) || modules.contains(&root);
        if at_start && !is_own {
            found.push(format!("use {root}"));
        }
    }
    let leaves = |path: &Vec<String>| path.first().is_none_or(|first| first != "machine");
    found.extend(
        paths(&code, of)
            .iter()
            .filter(|path| leaves(path))
            .map(|path| path.join("::")),
    );
    found
}

/// The modules of `machine/`, by their own names.
fn modules() -> BTreeSet<String> {
    let files = rust_files("src/machine");
    files.iter().flat_map(|file| module(file).into_iter().skip(1)).collect()
}

#[test]
fn the_machine_names_nothing_outside_itself() {
    let (files, modules) = (rust_files("src/machine"), modules());
    assert!(files.len() >= 8, "the machine has moved");
    for file in files {
        let found = foreign(&read(&file), &module(&file), &modules);
        assert!(found.is_empty(), "{}: {found:?}", file.display());
    }
}

#[test]
fn what_is_foreign_is_recognised() {
    let foreign = |text: &str| foreign(text, &module(Path::new("src/machine/policy/mod.rs")), &modules());
    for line in [
        "use crate::breaker::Breaker;",
        "use super::super::super::breaker::Breaker;",
        "use std::{sync::Mutex, time::Duration};",
        "let now = std::time::Instant::now();",
        "use tokio::time::sleep;",
        "tracing::info!(\"no\");",
        "count: AtomicU64,",
        "use serde::Serialize;",
        "fn f(permit: crate::Permit) {}",
        "#[cfg(test)] mod tests { use crate::breaker::Breaker; }",
    ] {
        assert!(!foreign(line).is_empty(), "{line}");
    }
    for line in [
        "use super::{Timestamp, policy::Policy};\nuse std::time::Duration;",
        "use super::super::machine::State;",
        "use crate::machine::{State, view::View};",
        "// like `tokio::time::Instant`",
    ] {
        assert_eq!(foreign(line), [""; 0], "{line}");
    }
}

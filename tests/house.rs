//! The shape of the house: what decides names nothing outside itself.
#![allow(clippy::unwrap_used, reason = "tests are exempt, their helpers too")]

use std::{fs, path::Path};

/// The code of a file, without comments and doc examples.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

/// What the code of `machine/` may not contain.
fn foreign(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let words: Vec<&str> = code
        .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
        .filter(|word| !word.is_empty())
        .collect();
    for word in &words {
        let root = word.split("::").next().unwrap_or_default();
        let outside = word.contains("::")
            && !word.starts_with("crate::machine::")
            && *word != "crate::machine"
            && [
                "crate",
                "tower",
                "tokio",
                "tracing",
                "futures",
                "futures_core",
                "pin_project_lite",
                "serde",
            ]
            .contains(&root);
        let effect = word.split("::").any(|part| {
            [
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
            ]
            .contains(&part)
                || part.starts_with("Atomic")
        });
        if outside || effect {
            found.push((*word).to_owned());
        }
    }
    for (index, _) in code.match_indices("use ") {
        let rest = &code[index + 4..];
        let root: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let at_start = code[..index].chars().next_back().is_none_or(char::is_whitespace);
        let is_inside = rest.starts_with("crate::machine::");
        if at_start && !is_inside && !["std", "self", "super", ""].contains(&root.as_str()) && !is_own_module(&root) {
            found.push(format!("use {root}"));
        }
    }
    found
}

fn machine_files() -> Vec<std::path::PathBuf> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/machine")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn is_own_module(name: &str) -> bool {
    let is_this = |name_of: Option<&std::ffi::OsStr>| name_of.is_some_and(|own| own == name);
    machine_files()
        .iter()
        .any(|path| is_this(path.file_stem()) || is_this(path.parent().and_then(Path::file_name)))
}

#[test]
fn the_machine_names_nothing_outside_itself() {
    let files = machine_files();
    assert!(files.len() >= 8, "the house has moved");
    for path in files {
        let found = foreign(&code(&path));
        assert!(found.is_empty(), "{}: {found:?}", path.display());
        let is_root = path.ends_with("machine/mod.rs");
        let steps_out = code(&path).contains("super::super") || (is_root && code(&path).contains("super::"));
        assert!(!steps_out, "{} reaches out of machine/", path.display());
    }
}

#[test]
fn what_is_foreign_is_recognised() {
    for line in [
        "use crate::breaker::Breaker;",
        "use std::{sync::Mutex, time::Duration};",
        "let now = std::time::Instant::now();",
        "use tokio::time::sleep;",
        "tracing::info!(\"no\");",
        "count: AtomicU64,",
        "use serde::Serialize;",
    ] {
        assert!(!foreign(line).is_empty(), "{line}");
    }
    assert!(foreign("use super::{Timestamp, policy::Policy};\nuse std::time::Duration;").is_empty());
}

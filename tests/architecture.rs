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
        if at_start && !["std", "self", "super", ""].contains(&root.as_str()) && !is_own_module(&root) {
            found.push(format!("use {root}"));
        }
    }
    found
}

fn machine_files() -> Vec<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/machine");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

fn is_own_module(name: &str) -> bool {
    machine_files()
        .iter()
        .any(|path| path.file_stem().is_some_and(|stem| stem == name))
}

#[test]
fn the_machine_names_nothing_outside_itself() {
    let files = machine_files();
    assert!(files.len() >= 8, "the house has moved");
    for path in files {
        let found = foreign(&code(&path));
        assert!(found.is_empty(), "{}: {found:?}", path.display());
        let steps_out =
            code(&path).contains("super::super") || (path.ends_with("mod.rs") && code(&path).contains("super::"));
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

/// The first Rust block of a Markdown text or of a doc comment, without its hidden lines.
fn first_block(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| {
            line.strip_prefix("//!")
                .map_or(line, |doc| doc.strip_prefix(' ').unwrap_or(doc))
        })
        .skip_while(|line| !line.starts_with("```"))
        .skip(1)
        .take_while(|line| !line.starts_with("```"))
        .filter(|line| !line.starts_with("# ") && !line.starts_with("use "))
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|line| !line.is_empty())
        .collect()
}

#[test]
fn the_readmes_ten_lines_are_those_that_the_doc_test_compiles() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let [readme, docs] = ["README.md", "src/lib.rs"].map(|file| fs::read_to_string(root.join(file)).unwrap());
    let lines = first_block(&readme);
    assert!(lines.len() >= 7, "{lines:?}");
    assert_eq!(lines, first_block(&docs));
}

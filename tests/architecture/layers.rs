//! The direction in which the folders of `src/` import each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use crate::{
    files::{read, rust_files},
    source::{code, module, paths},
};

/// The folders and single files of `src/`, from the bottom to the top. Each may import the layers
/// below its own. Within a layer, imports may not form a circle.
const LAYERS: [&[&str]; 8] = [
    &["lock", "machine"],
    &["clock", "config", "error", "observe"],
    &["group"],
    &["breaker"],
    &["agent", "classify", "on_open", "registry", "replay"],
    &["layer"],
    &["keyed", "protocol"],
    &["console", "telemetry"],
];

/// What no other file imports: it may name everything.
const ABOVE_ALL: [&str; 2] = ["lib", "guide"];

/// A file of `src/`, and its text.
type File = (PathBuf, String);

fn source() -> Vec<File> {
    rust_files("src")
        .into_iter()
        .map(|file| (file.clone(), read(file)))
        .collect()
}

/// The folder of a file, or its own name where it lies in `src/` itself.
fn folder(file: &Path) -> String {
    module(file).into_iter().next().unwrap_or_else(|| "lib".to_owned())
}

/// What is wrong in these files, a line for each import.
fn upward_imports(files: &[File]) -> Vec<String> {
    let level = |folder: &str| LAYERS.iter().position(|layer| layer.contains(&folder));
    let folders: BTreeSet<_> = files.iter().map(|(file, _)| folder(file)).collect();
    let mut wrong = BTreeSet::new();
    let mut beside = BTreeMap::<_, BTreeSet<_>>::new();
    for (file, text) in files {
        let from = folder(file);
        if ABOVE_ALL.contains(&from.as_str()) {
            continue;
        }
        let Some(own) = level(&from) else {
            wrong.insert(format!("{}: `{from}` is in no layer", file.display()));
            continue;
        };
        for path in paths(&code(text), &module(file)) {
            let Some(to) = path.first().filter(|to| **to != from && folders.contains(*to)) else {
                continue;
            };
            match level(to) {
                Some(other) if other < own => {}
                Some(other) if other == own => drop(beside.entry(from.clone()).or_default().insert(to.clone())),
                _ => drop(wrong.insert(format!("{}: `{from}` is below `{}`", file.display(), path.join("::")))),
            }
        }
    }
    wrong.extend(
        beside
            .keys()
            .filter(|folder| reaches(&beside, folder, folder))
            .map(|folder| format!("src/{folder}: it imports itself, by way of {:?}", beside[folder])),
    );
    wrong.into_iter().collect()
}

/// Whether imports lead from one folder to the other.
fn reaches(imports: &BTreeMap<String, BTreeSet<String>>, from: &str, to: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut left = vec![from];
    while let Some(folder) = left.pop() {
        for next in imports.get(folder).into_iter().flatten() {
            if next == to {
                return true;
            }
            if seen.insert(next) {
                left.push(next);
            }
        }
    }
    false
}

/// Paths to names that the crate's root re-exports: they hide which folder is imported.
fn imports_of_the_root(files: &[File]) -> Vec<String> {
    let modules: BTreeSet<_> = files.iter().map(|(file, _)| folder(file)).collect();
    let mut wrong = BTreeSet::new();
    for (file, text) in files {
        if folder(file) == "lib" {
            continue;
        }
        for path in paths(&code(text), &module(file)) {
            if path.first().is_some_and(|first| !modules.contains(first)) {
                wrong.insert(format!("{}: `crate::{}`", file.display(), path.join("::")));
            }
        }
    }
    wrong.into_iter().collect()
}

#[test]
fn folders_import_in_one_direction() {
    let wrong = upward_imports(&source());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn imports_name_the_module_and_not_the_root() {
    let wrong = imports_of_the_root(&source());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_layer_exists() {
    let folders: BTreeSet<_> = source().iter().map(|(file, _)| folder(file)).collect();
    let missing: Vec<_> = LAYERS
        .into_iter()
        .flatten()
        .filter(|folder| !folders.contains(**folder))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

fn files<const N: usize>(files: [(&str, &str); N]) -> Vec<File> {
    files.map(|(file, text)| (file.into(), text.to_owned())).to_vec()
}

#[test]
fn imports_downwards_are_fine() {
    let files = files([
        ("src/lib.rs", "pub use breaker::Breaker; use crate::console::Console;"),
        (
            "src/machine/mod.rs",
            "use self::policy::Policy; use super::machine::State;",
        ),
        (
            "src/machine/policy/mod.rs",
            "use super::super::State; use crate::machine::Time;",
        ),
        (
            "src/breaker/mod.rs",
            "use crate::{error::CircuitOpen, machine::Machine};",
        ),
        (
            "src/error.rs",
            "/// See [`crate::breaker::Breaker`].\nuse crate::machine::State;",
        ),
        (
            "src/console/mod.rs",
            "use crate::breaker::Breaker; use crate::agent::Agent;",
        ),
        (
            "src/agent/mod.rs",
            "#[cfg(test)] mod tests { use crate::console::Console; }",
        ),
    ]);
    assert_eq!(upward_imports(&files), [""; 0]);
}

#[test]
fn imports_upwards_are_found_however_they_are_written() {
    let upward = [
        "use crate::breaker::Permit;",
        "use crate::{breaker::{Permit, self}, machine::State};",
        "fn f(permit: &crate::breaker::Permit) {}",
        "use super::breaker::Permit;",
        "mod inner { use super::super::breaker::Permit; }",
    ];
    for text in upward {
        let files = files([
            ("src/breaker/mod.rs", ""),
            ("src/config.rs", text),
            ("src/machine/mod.rs", ""),
        ]);
        let wrong = upward_imports(&files);
        assert!(wrong.iter().all(|line| line.starts_with("src/config.rs")), "{wrong:?}");
        assert!(!wrong.is_empty(), "{text}");
    }
}

#[test]
fn beside_each_other_folders_import_without_circles() {
    let replay = ("src/replay/mod.rs", "use crate::registry::Registry;");
    let registry = ("src/registry/mod.rs", "use crate::agent::Agent;");
    assert_eq!(
        upward_imports(&files([replay, registry, ("src/agent/mod.rs", "")])),
        [""; 0]
    );
    let circle = upward_imports(&files([
        replay,
        registry,
        ("src/agent/mod.rs", "use crate::replay::Replay;"),
    ]));
    assert_eq!(circle.len(), 3, "{circle:?}");
}

#[test]
fn a_folder_that_is_in_no_layer_is_found() {
    assert_eq!(
        upward_imports(&files([("src/new/mod.rs", "")])),
        ["src/new/mod.rs: `new` is in no layer"]
    );
    assert_eq!(
        upward_imports(&files([("src/guide.rs", "use crate::new::New;")])),
        [""; 0]
    );
}

#[test]
fn names_of_the_root_are_found() {
    let wrong = |text| {
        imports_of_the_root(&files([
            ("src/lib.rs", "use crate::Anything;"),
            ("src/breaker/mod.rs", ""),
            ("src/classify.rs", text),
        ]))
    };
    for text in [
        "use crate::{Outcome, breaker::Permit};",
        "use crate::*;",
        "use super::Outcome;",
        "fn f(_: crate::Outcome) {}",
    ] {
        assert_eq!(wrong(text).len(), 1, "{text}");
    }
    assert_eq!(wrong("use crate::breaker::Permit; pub(crate) fn f() {}"), [""; 0]);
    assert_eq!(wrong("use crate::breaker::{self, Permit};"), [""; 0]);
}

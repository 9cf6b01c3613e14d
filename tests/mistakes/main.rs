//! What the compiler says of a layer that doesn't fit its service: the messages that the page on
//! `on_open` quotes.
//!
//! Each file in `cases/` is a program with one mistake. With the feature `mended` it has none. They
//! are the binaries of a package that is written to `target/tmp`, and one run of `cargo check`
//! reports on all of them. Only the quoted parts of a message are compared: the rest differs
//! between compilers.
#![allow(clippy::unwrap_used, reason = "tests are exempt, their helpers too")]

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use serde_json::Value;

/// The programs, and what the compiler says of each. `…` stands for any text.
const MISTAKES: [(&str, &str); 10] = [
    (
        "reject_error",
        "the circuit breaker has no answer for calls that it refuses",
    ),
    (
        "reject_error_call",
        "exists for struct `CircuitBreaker<…>`, but its trait bounds were not satisfied",
    ),
    (
        "backup_response",
        "to be a future that resolves to `Result<…>`, but it resolves to `Result<…>`",
    ),
    (
        "backup_boxed",
        "type mismatch resolving `<… as Service<…>>::Response == …`",
    ),
    ("primary_clone", "…: Clone` is not satisfied"),
    ("classifier_signature", "type mismatch in closure arguments"),
    ("classifier_response", "type mismatch in closure arguments"),
    (
        "classifier_type",
        "does not classify calls with the response `…` and the error `…`",
    ),
    ("respond_response", "does not respond to a request `…` with a `…`"),
    ("retain_clone", "does not retain requests of the type `…`"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder of the package whose binaries are the cases.
static PACKAGE: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mistakes");
    fs::create_dir_all(&folder).unwrap();
    let mut manifest = format!(
        "[package]\n\
         name = \"mistakes\"\n\
         version = \"0.0.0\"\n\
         edition = \"2024\"\n\
         [workspace]\n\
         [features]\n\
         mended = []\n\
         [dependencies]\n\
         tower = {{ version = \"0.5.2\", features = [\"buffer\", \"util\"] }}\n\
         tower-breaker = {{ path = {:?} }}\n",
        root()
    );
    for (case, _) in MISTAKES {
        let path = root().join(format!("tests/mistakes/cases/{case}.rs"));
        manifest += &format!("[[bin]]\nname = \"{case}\"\npath = {path:?}\n");
    }
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    // The same versions of all dependencies: they have been downloaded already.
    fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    folder
});

/// Checks all cases, and returns what the compiler says of each in which it finds errors.
fn errors(arguments: &[&str]) -> BTreeMap<String, String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["check", "--offline", "--bins", "--keep-going", "--message-format=json"])
        .args(arguments)
        .current_dir(&*PACKAGE)
        .env("CARGO_TARGET_DIR", PACKAGE.join("target"))
        .output()
        .unwrap();
    let mut errors = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        if line["reason"] == "compiler-message" && line["message"]["level"] == "error" {
            let text: &mut String = errors
                .entry(line["target"]["name"].as_str().unwrap().to_owned())
                .or_default();
            text.push_str(line["message"]["rendered"].as_str().unwrap());
        }
    }
    assert_eq!(
        output.status.success(),
        errors.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    errors
}

/// Returns whether the text contains this, where `…` stands for any text.
fn contains(text: &str, quoted: &str) -> bool {
    let mut rest = text;
    quoted.split('…').all(|part| {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
        true
    })
}

#[test]
fn the_compiler_says_what_the_documentation_quotes() {
    let errors = errors(&[]);
    let page = fs::read_to_string(root().join("src/on_open/mod.rs")).unwrap();
    for (case, quoted) in MISTAKES {
        let said = errors.get(case).map(String::as_str).unwrap_or_default();
        assert!(contains(said, quoted), "{case}: the compiler says\n{said}");
        assert!(
            page.contains(&format!("``{quoted}")),
            "src/on_open/mod.rs doesn't quote\n{quoted}"
        );
    }
}

#[test]
fn without_their_mistakes_they_compile() {
    let errors = errors(&["--features", "mended"]);
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn each_case_is_checked() {
    let mut files: Vec<_> = fs::read_dir(root().join("tests/mistakes/cases"))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let mut cases = MISTAKES.map(|(case, _)| format!("{case}.rs"));
    cases.sort();
    assert_eq!(files, cases);
}

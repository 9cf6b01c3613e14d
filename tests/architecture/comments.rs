//! The width of comments.

use crate::files::{read, root, rust_files};

const WIDEST: usize = 100;

/// The numbers of the comment lines that are too wide.
fn too_wide(text: &str) -> Vec<usize> {
    let is_too_wide = |line: &&str| line.trim_start().starts_with("//") && line.chars().count() > WIDEST;
    let lines = (1..).zip(text.lines());
    lines
        .filter(|(_, line)| is_too_wide(line))
        .map(|(number, _)| number)
        .collect()
}

fn folders() -> Vec<String> {
    let mut folders = ["src", "tests", "examples"].map(str::to_owned).to_vec();
    for entry in std::fs::read_dir(root().join("benches")).unwrap() {
        let source = entry.unwrap().path().join("src");
        if source.is_dir() {
            folders.push(source.strip_prefix(root()).unwrap().to_str().unwrap().to_owned());
        }
    }
    folders
}

#[test]
fn only_comments_over_100_columns_are_too_wide() {
    let exact = format!("    /// {}", "é".repeat(92));
    let wider = format!("{exact}x");
    let code = format!("let text = \"{}\"; // not a comment line", "x".repeat(100));
    assert_eq!(too_wide(&[exact, wider, code].join("\n")), [2]);
}

#[test]
fn no_comment_line_is_over_100_columns() {
    let files = folders().into_iter().flat_map(|folder| rust_files(&folder));
    let found: Vec<_> = files
        .flat_map(|file| {
            let lines = too_wide(&read(&file));
            lines.into_iter().map(move |line| format!("{}:{line}", file.display()))
        })
        .collect();
    assert!(found.is_empty(), "{} lines:\n{}", found.len(), found.join("\n"));
}

//! The example of the README.

use crate::files::read;

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
    let [readme, docs] = ["README.md", "src/lib.rs"].map(read);
    let lines = first_block(&readme);
    assert!(lines.len() >= 7, "{lines:?}");
    assert_eq!(lines, first_block(&docs));
}

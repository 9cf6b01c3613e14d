//! Writes the figures to files: tables, CSV and pictures, and the tables in the README.

use std::{
    fs,
    io::{self, Error},
    path::Path,
};

use bench_common::files::{self, File, with_path};

use crate::{figures::Figures, plot, table};

/// Writes tables, CSV and plots to `directory`.
///
/// # Errors
///
/// Returns the file, and why it could not be written.
pub fn write(figures: &Figures, directory: &Path) -> io::Result<()> {
    let text = format!(
        "# Figures\n\nWritten by `cargo run --release`. {}\n## Budgets\n\n{}\n## By path\n\nMedians, with the quartiles in \
         brackets; of the bare call, its time itself.\n\n{}## Two threads\n\n{}\n## With more to remember\n\n{}",
        table::caption(),
        table::budgets(figures),
        table::paths(figures),
        table::threads(figures),
        table::scaling(figures)
    );
    files::write(
        directory,
        &[
            File::new("figures.md", text.trim_end().to_owned() + "\n"),
            File::new("figures.csv", figures.csv()),
            File::new("cost.svg", plot::cost(figures)),
            File::new("scaling.svg", plot::scaling(figures)),
        ],
    )
}

const BEGIN: &str = "<!-- figures: begin -->\n";
const END: &str = "<!-- figures: end -->";

/// Replaces what lies between the README's marks by the overview and the budgets.
///
/// # Errors
///
/// Returns an error if the file can't be read or written, or has no marks.
pub fn into_readme(figures: &Figures, path: &Path) -> io::Result<()> {
    let readme = fs::read_to_string(path).map_err(with_path(path))?;
    let tables = format!(
        "{}\n{}\n{}",
        table::caption(),
        table::overview(figures),
        table::budgets(figures)
    );
    let readme =
        between_marks(&readme, &tables).ok_or_else(|| Error::other(format!("{}: no marks", path.display())))?;
    fs::write(path, readme).map_err(with_path(path))
}

fn between_marks(text: &str, new: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_old, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{new}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_between_the_marks_is_replaced() {
        let readme = format!("before\n{BEGIN}old\n{END}\nafter\n");
        assert_eq!(
            between_marks(&readme, "new\n").unwrap(),
            format!("before\n{BEGIN}new\n{END}\nafter\n")
        );
        assert_eq!(between_marks("no marks", "new"), None);
    }

    #[test]
    fn readme_has_marks() {
        assert!(between_marks(include_str!("../README.md"), "").is_some());
    }
}

//! Files of the figures.

use std::{
    fs,
    io::{self, Error},
    path::Path,
};

use crate::{figures::Figures, plot, table};

/// Tables, CSV and plots.
///
/// # Errors
///
/// The file, and why it could not be written.
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
    fs::create_dir_all(directory).map_err(named(directory))?;
    for (name, text) in [
        ("figures.md", text.trim_end().to_owned() + "\n"),
        ("figures.csv", figures.csv()),
        ("cost.svg", plot::cost(figures)),
        ("scaling.svg", plot::scaling(figures)),
    ] {
        let path = directory.join(name);
        fs::write(&path, text).map_err(named(&path))?;
    }
    Ok(())
}

const BEGIN: &str = "<!-- figures: begin -->\n";
const END: &str = "<!-- figures: end -->";

/// The overview and the budgets, between the README's marks.
///
/// # Errors
///
/// Where it can't be read or written, or has no marks.
pub fn into_readme(figures: &Figures, path: &Path) -> io::Result<()> {
    let readme = fs::read_to_string(path).map_err(named(path))?;
    let tables = format!(
        "{}\n{}\n{}",
        table::caption(),
        table::overview(figures),
        table::budgets(figures)
    );
    let readme =
        between_marks(&readme, &tables).ok_or_else(|| Error::other(format!("{}: no marks", path.display())))?;
    fs::write(path, readme).map_err(named(path))
}

fn between_marks(text: &str, new: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_old, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{new}{END}{after}"))
}

fn named(path: &Path) -> impl Fn(Error) -> Error {
    move |error| Error::new(error.kind(), format!("{}: {error}", path.display()))
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

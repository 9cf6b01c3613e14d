//! The results as tables, in Markdown and in CSV.

mod csv;
mod details;
mod figures;
mod losses;
mod overview;

use std::fmt;

pub(crate) use self::figures::{regret, regret_with_error};
pub use self::{
    csv::{runs_csv, summary_csv},
    details::details,
    losses::losses,
    overview::{Precision, caption, overview},
};

/// A table in Markdown, with aligned columns for readers of the source.
#[derive(Clone, Debug, Default)]
pub struct Table {
    pub head: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    fn width(&self, column: usize) -> usize {
        let rows = std::iter::once(&self.head).chain(&self.rows);
        rows.map(|row| row[column].chars().count()).max().unwrap_or(0).max(2)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths: Vec<_> = (0..self.head.len()).map(|column| self.width(column)).collect();
        let line = |f: &mut fmt::Formatter<'_>, row: &[String]| {
            for (index, (cell, width)) in row.iter().zip(&widths).enumerate() {
                if index == 0 {
                    write!(f, "| {cell:<width$} |")?;
                } else {
                    write!(f, " {cell:>width$} |")?;
                }
            }
            writeln!(f)
        };
        line(f, &self.head)?;
        for (index, width) in widths.iter().enumerate() {
            if index == 0 {
                write!(f, "|{:-<1$}|", "", width + 2)?;
            } else {
                write!(f, "{:-<1$}:|", "", width + 1)?;
            }
        }
        writeln!(f)?;
        self.rows.iter().try_for_each(|row| line(f, row))
    }
}

/// Escapes text for a cell. It may come from a user's file.
pub(crate) fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

fn bold(text: &str) -> String {
    format!("**{text}**")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_characters() {
        let table = Table {
            head: vec![String::new(), "θ".into(), "mean".into()],
            rows: vec![["a|b", "±1.0", "2"].iter().map(|text| cell(text)).collect()],
        };
        let expected = "|      |    θ | mean |\n|------|-----:|-----:|\n| a\\|b | ±1.0 |    2 |\n";
        assert_eq!(table.to_string(), expected);
    }
}

//! A row: one contestant on one path.

use std::{fmt, str::FromStr};

use clap::ValueEnum;

use crate::{contestant::Contestant, path::Path, primary::Steady, subject::Subject};

/// A contestant on a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub contestant: Contestant,
    pub path: Path,
}

impl Row {
    /// Returns the rows that exist for these contestants and paths, and each path's bare row.
    #[must_use]
    pub fn of(contestants: &[Contestant], paths: &[Path]) -> Vec<Self> {
        let wanted = |contestant| contestant == Contestant::Bare || contestants.contains(&contestant);
        paths
            .iter()
            .flat_map(|&path| Contestant::ALL.iter().map(move |&contestant| Self { contestant, path }))
            .filter(|row| wanted(row.contestant) && row.exists())
            .collect()
    }

    fn exists(self) -> bool {
        match self.path {
            // Making this subject to see whether it exists would take seconds.
            Path::Learned => matches!(self.contestant, Contestant::Ours | Contestant::Bare),
            path => self.contestant.subject(path, Steady).is_some(),
        }
    }

    /// Builds the subject of this row.
    ///
    /// # Panics
    ///
    /// Panics if the contestant has no such path.
    #[must_use]
    pub fn subject(self) -> Box<dyn Subject> {
        let subject = self.contestant.subject(self.path, Steady);
        subject.unwrap_or_else(|| panic!("there is no row {self}"))
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.path.name(), self.contestant.name())
    }
}

/// Parses what `Display` writes.
impl FromStr for Row {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (path, contestant) = text.split_once('/').ok_or("a row is PATH/CONTESTANT")?;
        Ok(Self {
            contestant: Contestant::from_str(contestant, false)?,
            path: Path::from_str(path, false)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_displayed_is_read_back() {
        for &contestant in Contestant::ALL {
            for &path in Path::ALL {
                let row = Row { contestant, path };
                assert_eq!(row.to_string().parse(), Ok(row));
            }
        }
        assert!("closed".parse::<Row>().is_err() && "closed/none".parse::<Row>().is_err());
    }

    #[test]
    fn every_path_has_something_to_be_compared_with() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let _in_runtime = runtime.enter();
        let rows = Row::of(&[Contestant::Recloser], &[Path::Closed, Path::Backup]);
        let shown: Vec<_> = rows.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["closed/recloser", "closed/bare", "backup/bare"]);
    }
}

//! Selects the scenarios and contestants that the user named.

use std::{fmt, path::Path};

use crate::{
    entry::Entry,
    roster,
    scenario::{Scenario, ScenarioError},
};

/// Why a selection can't be run.
#[derive(Debug)]
pub enum SelectError {
    /// The name is unknown.
    Unknown {
        kind: &'static str,
        name: String,
        known: Vec<String>,
    },
    /// Two scenarios have names that look alike in tables or as files.
    Duplicate(String),
    File(ScenarioError),
}

impl fmt::Display for SelectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { kind, name, known } => {
                write!(f, "no {kind} is called {name:?}; there is {}", known.join(", "))
            }
            Self::Duplicate(name) => write!(f, "two scenarios are called {name:?}"),
            Self::File(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SelectError {}

/// Returns the scenarios with these names or in these files; or all built-in ones, if there are
/// none.
///
/// # Errors
///
/// Returns an error for an unknown name, a bad file, or two scenarios of one name.
pub fn scenarios(wanted: &[String]) -> Result<Vec<Scenario>, SelectError> {
    let built_in = Scenario::built_in();
    if wanted.is_empty() {
        return Ok(built_in);
    }
    let mut scenarios = Vec::new();
    for wanted in wanted {
        if is_file(wanted) {
            scenarios.push(Scenario::read(Path::new(wanted)).map_err(SelectError::File)?);
            continue;
        }
        for name in names(wanted) {
            let found = built_in
                .iter()
                .find(|scenario| scenario.name.eq_ignore_ascii_case(name));
            let unknown = || SelectError::Unknown {
                kind: "scenario",
                name: name.to_owned(),
                known: built_in
                    .iter()
                    .map(|scenario| scenario.name.clone())
                    .chain(["the path of a .toml file".to_owned()])
                    .collect(),
            };
            scenarios.push(found.ok_or_else(unknown)?.clone());
        }
    }
    let mut slugs: Vec<_> = scenarios
        .iter()
        .map(|scenario| (scenario.slug(), &scenario.name))
        .collect();
    slugs.sort();
    match slugs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some(pair) => Err(SelectError::Duplicate(pair[0].1.clone())),
        None => Ok(scenarios),
    }
}

/// Returns the contestants with these names, in the roster's order; or all, if there are none.
///
/// # Errors
///
/// Returns an error for an unknown name.
pub fn contestants(wanted: &[String]) -> Result<Vec<Entry>, SelectError> {
    let all = roster::all();
    let wanted: Vec<&str> = wanted.iter().flat_map(|wanted| names(wanted)).collect();
    if let Some(unknown) = wanted.iter().find(|name| !all.iter().any(|entry| entry.name == **name)) {
        return Err(SelectError::Unknown {
            kind: "contestant",
            name: (*unknown).to_owned(),
            known: all.iter().map(|entry| entry.name.to_owned()).collect(),
        });
    }
    let chosen = all
        .into_iter()
        .filter(|entry| wanted.is_empty() || wanted.contains(&entry.name));
    Ok(chosen.collect())
}

fn names(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty())
}

fn is_file(wanted: &str) -> bool {
    let is_toml = Path::new(wanted)
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("toml"));
    is_toml || wanted.contains(std::path::is_separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn names_come_in_lists_and_in_any_case() {
        let chosen = scenarios(&words(&["s8, S1", "S20"])).unwrap();
        let chosen: Vec<_> = chosen.iter().map(|scenario| scenario.name.as_str()).collect();
        assert_eq!(chosen, ["S8", "S1", "S20"]);
        assert_eq!(scenarios(&[]).unwrap().len(), 20);
    }

    #[test]
    fn unknown_name_is_reported_with_the_known_ones() {
        let error = scenarios(&words(&["S1,S99"])).unwrap_err().to_string();
        assert!(
            error.starts_with("no scenario is called \"S99\"; there is S1, S2,"),
            "{error}"
        );
        let error = contestants(&words(&["unheard-of"])).unwrap_err().to_string();
        assert!(
            error.starts_with("no contestant is called \"unheard-of\"; there is tower-breaker,"),
            "{error}"
        );
    }

    #[test]
    fn one_scenario_is_not_run_twice() {
        let error = scenarios(&words(&["S1", "S2,S1"])).unwrap_err().to_string();
        assert_eq!(error, "two scenarios are called \"S1\"");
    }

    #[test]
    fn missing_file_is_named() {
        let error = scenarios(&words(&["there/is/none.toml"])).unwrap_err().to_string();
        assert!(error.starts_with("there/is/none.toml: "), "{error}");
    }
}

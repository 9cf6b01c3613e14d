//! The contestants that take part.

use tower_breaker::{CircuitBreakerLayer, Config, config::SlowAfter};

use crate::{
    contestant::Contestant,
    entry::{Entry, Setup},
    ours::{self, Keyed},
    peers,
};

impl Entry {
    /// Returns whether it is one of this project's.
    pub fn is_ours(&self) -> bool {
        OURS.iter().any(|entry| entry.name == self.name)
    }
}

fn ours(config: Config, setup: Setup) -> Box<dyn Contestant> {
    let builder = CircuitBreakerLayer::builder().config(config).seed(setup.seed);
    ours::contestant(builder, setup.reject)
}

/// Returns all entries: this project's, then the others.
pub fn all() -> Vec<Entry> {
    OURS.iter().copied().chain(peers::roster()).collect()
}

/// This project's entries.
pub const OURS: &[Entry] = &[
    Entry {
        name: "tower-breaker",
        about: "the layer, slow_after = the objective, all else by default",
        timeout_at_objective: false,
        make: |setup| ours(Config::new("it").slow_after(setup.objective), setup),
    },
    Entry {
        name: "tower-breaker-learned",
        about: "the layer, all by default: slow_after sets itself",
        timeout_at_objective: false,
        make: |setup| ours(Config::new("it").slow_after(SlowAfter::Learned), setup),
    },
    Entry {
        name: "tower-breaker-keyed",
        about: "a layer for each key, slow_after = the objective, all else by default",
        timeout_at_objective: false,
        make: |setup| {
            let config = Config::new("it").slow_after(setup.objective);
            Box::new(Keyed::new(config, setup.seed, setup.reject))
        },
    },
    Entry {
        name: "tower-breaker-never-slow",
        about: "the layer, without slow_after",
        timeout_at_objective: false,
        make: |setup| ours(Config::new("it").slow_after(None), setup),
    },
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_in_kebab_case_and_unique() {
        let mut seen = HashSet::new();
        for entry in all() {
            let is_kebab = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
            assert!(
                entry.name.chars().all(is_kebab) && entry.name.len() <= 32,
                "{}",
                entry.name
            );
            assert!(seen.insert(entry.name), "{} is there twice", entry.name);
            assert!(!entry.about.is_empty() && !entry.about.contains('\n'), "{}", entry.name);
        }
    }
}

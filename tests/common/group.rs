//! Breakers that belong to a group.

use tower_breaker::{
    Breaker,
    group::{Group, GroupBuilder},
};

use super::breakers::named;

/// A group of so many breakers, each with its own name.
pub(crate) fn members(group: GroupBuilder, count: usize) -> (Group, Vec<Breaker>) {
    const NAMES: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    let group = group.build().unwrap();
    let layer = |name: &&'static str| named(name).group(&group).build().unwrap();
    let breakers = NAMES[..count].iter().map(|name| layer(name).breaker().clone());
    let breakers = breakers.collect();
    (group, breakers)
}

//! An entry of the roster: one row of the table, and how its contestant is made.

use std::{fmt, time::Duration};

use crate::contestant::Contestant;

/// A row of the table: a contestant with its parameters.
#[derive(Clone, Copy)]
pub struct Entry {
    /// A short name for tables and the command line.
    pub name: &'static str,
    /// One line: what the contestant is, and its parameters.
    pub about: &'static str,
    /// Whether it stands behind a client's timeout at the objective. A breaker that doesn't know
    /// slow calls should.
    pub timeout_at_objective: bool,
    pub make: fn(Setup) -> Box<dyn Contestant>,
}

/// What a contestant is made with.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub seed: u64,
    pub objective: Duration,
    /// Refused requests end in an error, without a backup.
    pub reject: bool,
}

impl Entry {
    /// The name of the row without a breaker.
    pub const NONE: &'static str = "none";
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

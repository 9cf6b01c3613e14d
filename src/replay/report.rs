//! The report of a replay: counts, trips and changes, and how they read.
//!
//! A replay fills in the fields; the methods derive what a trip cost and what users lost.

use std::{fmt, sync::Arc, time::Duration};

use super::{judged_calls::JudgedCalls, trace::seconds};
use crate::machine::{HumanDuration, Timestamp, Transition, TripReason};

/// A report of what a breaker would have done with the calls of a trace.
///
/// Displayed, it is a page for people.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// Calls that the breaker would have admitted. The bad ones still reached the primary.
    pub admitted: JudgedCalls,
    /// Calls that the breaker would have diverted to the backup, or rejected. The bad ones were
    /// avoided, the good ones given up.
    pub diverted: JudgedCalls,
    /// Calls that were refused when the trace was recorded, and would be again. The other counts
    /// exclude them.
    pub refused_again: u64,
    /// Calls that were refused when the trace was recorded, and would have been admitted. Their
    /// outcome is unknown, and the other counts exclude them.
    pub refused_before: u64,
    /// The trips, in order of time.
    pub trips: Vec<Trip>,
    /// All changes of state, in order of time.
    pub changes: Vec<Change>,
    /// What an answer of the backup is worth, from 0 to 1.
    pub worth: f64,
    /// The latency above which an answer of the primary is worth nothing; `None`: there is none.
    pub objective: Option<Duration>,
}

/// A change at a replayed breaker.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Change {
    /// When the breaker changed.
    pub at: Timestamp,
    /// The key of the breaker, or "" if one breaker replayed all calls.
    pub key: Arc<str>,
    /// The change.
    pub transition: Transition,
}

/// A trip: the time from when a closed breaker opened until it closed again.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Trip {
    /// The key of the breaker, or "" if one breaker replayed all calls.
    pub key: Arc<str>,
    /// When the breaker opened.
    pub at: Timestamp,
    /// Why it opened.
    pub reason: TripReason,
    /// How long the breaker took to notice that calls had turned bad, or `None` if they hadn't.
    ///
    /// In hindsight, calls turned bad at the start of the call from which on bad calls kept
    /// outweighing good ones, at the tolerated rate θ = min(0.5, 1 − worth).
    pub noticed_after: Option<Duration>,
    /// By how much bad calls outweighed good ones when the breaker opened, in hindsight.
    pub(super) excess: f64,
    /// The diverted calls that started before the first trial.
    pub(super) before_first_trial: JudgedCalls,
    /// How often the breaker became half-open.
    pub(super) trials: u32,
    /// How often a trial failed, so that the breaker opened again.
    pub reopened: u32,
    /// When the breaker closed, or `None` if the trace ended before.
    pub closed_at: Option<Timestamp>,
    /// The calls that the breaker diverted during the trip.
    pub diverted: JudgedCalls,
    /// The part of [`diverted`](Self::diverted) that started while the breaker was open, not
    /// half-open.
    pub while_open: JudgedCalls,
}

/// The least evidence at which the default policy trips.
const DEFAULT_MINIMUM_EVIDENCE: f64 = 8.0;

impl Trip {
    /// Returns whether the trip cost more than it saved, for a backup of this worth.
    ///
    /// That is so if the calls of [`while_open`](Self::while_open) would have been good at a rate
    /// of at least `worth`. Returns `None` if none of these is known.
    #[must_use]
    pub fn is_false(&self, worth: f64) -> Option<bool> {
        let good_rate = self.while_open.good_rate()?;
        Some(self.while_open.good > 0 && good_rate >= worth)
    }

    /// Returns whether the breaker tripped on a healthy primary, for a backup of this worth.
    ///
    /// That is so if two things hold. In hindsight there was no evidence against the primary: bad
    /// calls outweighed good ones by less than 8, the default policy's minimum. And the calls until
    /// the first trial would have been good at a rate of at least `worth`. A trip that only came
    /// too late is [false](Self::is_false), but wasn't on a healthy primary.
    #[must_use]
    pub fn was_healthy(&self, worth: f64) -> bool {
        let good_rate = self.before_first_trial.good_rate();
        self.excess < DEFAULT_MINIMUM_EVIDENCE
            && self.before_first_trial.good > 0
            && good_rate.is_some_and(|good_rate| good_rate >= worth)
    }
}

impl Report {
    /// Returns the number of calls, without those that were refused when the trace was recorded.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.admitted.total() + self.diverted.total()
    }

    /// Returns the trips that cost more than they saved: see [`Trip::is_false`].
    pub fn false_trips(&self) -> impl Iterator<Item = &Trip> {
        self.trips.iter().filter(|trip| trip.is_false(self.worth) == Some(true))
    }

    /// Returns the number of answers that users would have lost, among the known calls.
    ///
    /// Each bad call that reached the primary counts 1, and each diverted call 1 − worth.
    #[must_use]
    pub fn lost(&self) -> f64 {
        self.admitted.bad as f64 + self.diverted.known() as f64 * (1.0 - self.worth)
    }

    /// Returns the number of answers that users would have lost with no breaker: the bad calls.
    #[must_use]
    pub fn lost_without(&self) -> f64 {
        (self.admitted.bad + self.diverted.bad) as f64
    }

    /// Returns a number of answers per thousand known calls.
    #[must_use]
    pub fn per_thousand(&self, answers: f64) -> f64 {
        1000.0 * answers / (self.admitted.known() + self.diverted.known()).max(1) as f64
    }
}

impl fmt::Display for Report {
    /// Writes a page for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { admitted, diverted, .. } = self;
        let all = self.calls();
        let bad = admitted.bad + diverted.bad;
        write!(f, "{all} calls, {bad} bad")?;
        match self.objective {
            Some(objective) => writeln!(f, " (failed, or took longer than {})", HumanDuration(objective))?,
            None => writeln!(f, " (failed, or given up late)")?,
        }
        writeln!(
            f,
            "{} would have been diverted: {} bad (avoided), {} good (given up), {} unknown",
            diverted.total(),
            diverted.bad,
            diverted.good,
            diverted.unknown
        )?;
        writeln!(f, "{} bad calls would still have reached the primary", admitted.bad)?;
        if self.refused_again + self.refused_before > 0 {
            writeln!(
                f,
                "{} more had been refused when the trace was recorded: {} would be again; what would have become of {}, nobody knows",
                self.refused_again + self.refused_before,
                self.refused_again,
                self.refused_before
            )?;
        }
        writeln!(
            f,
            "answers lost: {:.1} of 1000 (with no breaker {:.1}), where a backup's answer is worth {}",
            self.per_thousand(self.lost()),
            self.per_thousand(self.lost_without()),
            self.worth
        )?;
        write!(
            f,
            "{}, {} of them false",
            CountedNoun(self.trips.len(), "trip"),
            self.false_trips().count()
        )?;
        for trip in &self.trips {
            write!(
                f,
                "\n  {}",
                TripLine {
                    trip,
                    worth: self.worth
                }
            )?;
        }
        Ok(())
    }
}

/// A number with its noun: "1 trip", "2 trips".
pub(super) struct CountedNoun(pub(super) usize, pub(super) &'static str);

impl fmt::Display for CountedNoun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, name) = self;
        write!(f, "{count} {name}{}", if *count == 1 { "" } else { "s" })
    }
}

/// A trip, in one line of a page.
struct TripLine<'a> {
    trip: &'a Trip,
    worth: f64,
}

impl fmt::Display for TripLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trip, worth } = self;
        write!(f, "{} s", seconds::text(trip.at.as_nanos()))?;
        if !trip.key.is_empty() {
            write!(f, " {}", trip.key.escape_debug())?;
        }
        write!(f, ": {}", trip.reason)?;
        match trip.noticed_after {
            Some(after) => write!(f, ", {} after calls turned bad", HumanDuration(after))?,
            None => f.write_str(", though calls had not turned bad")?,
        }
        match trip.closed_at {
            Some(closed) => write!(f, "; closed after {}", HumanDuration(closed.since(trip.at)))?,
            None => f.write_str("; not closed by the end")?,
        }
        if trip.reopened > 0 {
            write!(f, ", reopened {}", CountedNoun(trip.reopened as usize, "time"))?;
        }
        match (trip.is_false(*worth), trip.while_open.good_rate()) {
            (Some(is_false), Some(good_rate)) => write!(
                f,
                "; {} % of {} calls while open would have been good{}",
                (good_rate * 100.0).round(),
                trip.while_open.known(),
                if is_false { ": a false trip" } else { "" }
            ),
            _ => f.write_str("; what calls while open would have been like is unknown"),
        }
    }
}

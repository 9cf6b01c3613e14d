use std::{fmt, sync::Arc, time::Duration};

use super::verdict::Verdicts;
use crate::machine::{HumanDuration, Timestamp, Transition, TripReason};

/// What a breaker would have done with the calls of a trace.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// Calls of the trace that the breaker would have let through. The bad ones still reached the primary.
    pub admitted: Verdicts,
    /// Calls that would have been diverted to the backup, or rejected. The bad ones were avoided, the good ones given up.
    pub diverted: Verdicts,
    /// Calls that were refused when the trace was recorded, and would be again. They are no part of the other counts.
    pub refused_again: u64,
    /// Calls that were refused when the trace was recorded, and would have been let through: what would have become of them, nobody knows.
    pub refused_before: u64,
    /// The trips, in order of time.
    pub trips: Vec<Trip>,
    /// Each change, in order of time.
    pub changes: Vec<Change>,
    /// What the backup's answer is taken to be worth.
    pub worth: f64,
    /// From when on an answer of the primary is taken to be worth nothing.
    pub objective: Option<Duration>,
}

/// Something that changed at a replayed breaker.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// The key of the breaker; "" where there is one breaker for all.
    pub key: Arc<str>,
    /// What.
    pub transition: Transition,
}

/// One trip: from the moment when a closed breaker opened until it was closed again.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Trip {
    /// The key of the breaker; "" where there is one breaker for all.
    pub key: Arc<str>,
    /// When it opened.
    pub at: Timestamp,
    /// Why.
    pub reason: TripReason,
    /// How long that was after the calls had turned bad: after the start of the call from which on, in hindsight, bad calls kept outweighing
    /// good ones (by the tolerated rate that the backup's worth gives). `None` where they didn't.
    pub noticed_after: Option<Duration>,
    /// How far bad calls outweighed good ones by then, in hindsight.
    pub(super) excess: f64,
    /// The calls that started before the first trial.
    pub(super) at_first: Verdicts,
    pub(super) trials: u32,
    /// How often a trial failed, and it opened anew.
    pub reopened: u32,
    /// When it closed; `None` where the trace ended before.
    pub closed_at: Option<Timestamp>,
    /// The calls that it diverted.
    pub diverted: Verdicts,
    /// Those of them that started while it was open, not half-open.
    pub while_open: Verdicts,
}

/// The default policy's minimum.
const EVIDENCE: f64 = 8.0;

impl Trip {
    /// Whether it cost more than it saved: while it was open, calls to the primary were good at a rate at which the backup's answers, of this
    /// worth, were no better. It rests on [`while_open`](Self::while_open)'s known calls; `None` where there are none.
    #[must_use]
    pub fn is_false(&self, worth: f64) -> Option<bool> {
        let good_rate = self.while_open.good_rate()?;
        Some(self.while_open.good > 0 && good_rate >= worth)
    }

    /// Whether nothing was the reason of it: by hindsight, too, there was no evidence against the primary (by the default policy's measure: bad calls
    /// did not outweigh good ones by 8), and until the first trial calls to it were good at a rate at which the backup's answers, of this worth,
    /// were no better. A trip that only came too late is false, and not this.
    #[must_use]
    pub fn was_healthy(&self, worth: f64) -> bool {
        let good_rate = self.at_first.good_rate();
        self.excess < EVIDENCE && self.at_first.good > 0 && good_rate.is_some_and(|good_rate| good_rate >= worth)
    }
}

impl Report {
    /// All calls whose outcome the trace knows, or could know: those that weren't refused when it was recorded.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.admitted.total() + self.diverted.total()
    }

    /// The trips that cost more than they saved: see [`Trip::is_false`].
    pub fn false_trips(&self) -> impl Iterator<Item = &Trip> {
        self.trips.iter().filter(|trip| trip.is_false(self.worth) == Some(true))
    }

    /// Answers that users lose, of the calls that are known: 1 for each bad call that reached the primary, and for each call to the backup what its
    /// answer lacks of a good one.
    #[must_use]
    pub fn lost(&self) -> f64 {
        self.admitted.bad as f64 + self.diverted.known() as f64 * (1.0 - self.worth)
    }

    /// The same with no breaker at all.
    #[must_use]
    pub fn lost_without(&self) -> f64 {
        (self.admitted.bad + self.diverted.bad) as f64
    }

    /// So many of all known calls, per thousand.
    #[must_use]
    pub fn per_thousand(&self, answers: f64) -> f64 {
        1000.0 * answers / (self.admitted.known() + self.diverted.known()).max(1) as f64
    }
}

impl fmt::Display for Report {
    /// A page for people.
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
            Counted(self.trips.len(), "trip"),
            self.false_trips().count()
        )?;
        for trip in &self.trips {
            write!(f, "\n  {}", Line(trip, self.worth))?;
        }
        Ok(())
    }
}

/// "1 trip", "2 trips".
pub(super) struct Counted(pub(super) usize, pub(super) &'static str);

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, name) = self;
        write!(f, "{count} {name}{}", if *count == 1 { "" } else { "s" })
    }
}

/// A trip in one line.
struct Line<'a>(&'a Trip, f64);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(trip, worth) = self;
        write!(f, "{} s", super::trace::seconds::text(trip.at.as_nanos()))?;
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
            write!(f, ", reopened {}", Counted(trip.reopened as usize, "time"))?;
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

//! The half-open state: which calls are let through, and when half-open ends.
//!
//! It begins with a [`Trial`]. A gradual recovery then goes through [`Stage`]s. Nothing changes the
//! state of the machine from here: each step returns a [`Progress`], which the machine follows.
//! Half-open always ends, because every call that it admits is judged, given back, or overdue in
//! time.

use std::time::Duration;

use super::{Form, Gradual, Recovery, error_diffusion::ErrorDiffusion, reservation::Reservations};
use crate::machine::{
    completion::Assessment,
    policy::{
        bucket::Bucket,
        evidence::{Evidence, reaches, threshold},
        reason::TripReason,
    },
    time::Timestamp,
};

/// Standard deviations of chance that the evidence has to exceed in a stage.
const SIGMAS: f64 = 2.0;
/// So many calls in a row without a verdict, over at least [`NO_VERDICT_FOR`], end half-open.
const NO_VERDICT_CALLS: u64 = 10;
const NO_VERDICT_FOR: Duration = Duration::from_secs(1);

/// A half-open state: how far access has returned.
#[derive(Clone, Debug)]
pub(in crate::machine) struct HalfOpen {
    evidence: Evidence,
    step: Step,
    reservations: Reservations,
    /// Calls in a row that ended with no verdict.
    undecided: u64,
    decided_at: Timestamp,
}

#[derive(Clone, Debug)]
enum Step {
    Trial(Trial),
    Stage(Stage),
}

/// A fixed number of calls; `taken` of them are reserved, in flight or judged.
#[derive(Clone, Debug)]
struct Trial {
    calls: u64,
    too_many_bad: u64,
    taken: u64,
    judged: u64,
    bad: u64,
}

/// A stage of a gradual recovery: a share of the calls goes to the primary.
#[derive(Clone, Debug)]
struct Stage {
    index: usize,
    since: Timestamp,
    /// The stage isn't passed before then.
    passed_from: Timestamp,
    good: u64,
    good_in_a_row: u64,
    bucket: Bucket,
    spread: ErrorDiffusion,
}

/// A step that a half-open outcome, or time, leads to.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::machine) enum Progress {
    Stays,
    Moves { to: usize, reason: Option<TripReason> },
    Closes,
    Reopens(TripReason),
}

impl HalfOpen {
    pub(in crate::machine) fn new(recovery: &Recovery, evidence: Evidence, now: Timestamp) -> Self {
        Self {
            evidence,
            step: Step::Trial(Trial::new(&recovery.form)),
            reservations: Reservations::default(),
            undecided: 0,
            decided_at: now,
        }
    }

    /// Returns the percentage of the calls that is let through; 0 during the trial.
    pub(in crate::machine) fn share(&self, recovery: &Recovery) -> u8 {
        match (&self.step, &recovery.form) {
            (Step::Stage(stage), Form::Gradual(gradual)) => gradual.stages[stage.index],
            _ => 0,
        }
    }

    pub(in crate::machine) fn is_trial(&self) -> bool {
        matches!(self.step, Step::Trial(_))
    }

    /// Returns whether the next call goes to the primary. If so, its place is taken.
    pub(in crate::machine) fn admit(&mut self) -> bool {
        match &mut self.step {
            Step::Trial(trial) => {
                let free = trial.taken < trial.calls;
                trial.taken += u64::from(free);
                free
            }
            Step::Stage(stage) => stage.spread.admit(),
        }
    }

    /// Admits a call that will be made later, if it is made before `until`. Returns its
    /// reservation.
    pub(in crate::machine) fn reserve(&mut self, until: Timestamp) -> Option<u64> {
        self.admit().then(|| self.reservations.add(until))
    }

    /// Turns a reservation into a call. Returns `false` where it has lapsed, or is void.
    pub(in crate::machine) fn claim(&mut self, id: u64) -> bool {
        self.reservations.claim(id)
    }

    /// Gives back the place of a call or reservation that was never used.
    pub(in crate::machine) fn give_back(&mut self) {
        match &mut self.step {
            Step::Trial(trial) => trial.taken = trial.taken.saturating_sub(1),
            Step::Stage(stage) => stage.spread.give_back(),
        }
    }

    /// Gives back the places of reservations that have lapsed.
    pub(in crate::machine) fn drop_lapsed_reservations(&mut self, now: Timestamp) {
        for _ in 0..self.reservations.drop_lapsed(now) {
            self.give_back();
        }
    }

    /// Returns whether a reservation is still valid at `now`.
    pub(in crate::machine) fn is_valid(&self, id: u64, now: Timestamp) -> bool {
        self.reservations.is_valid(id, now)
    }

    /// Returns when the earliest reservation lapses.
    pub(in crate::machine) fn next_lapse(&self) -> Option<Timestamp> {
        self.reservations.next_lapse()
    }

    /// Records a call that was bad from `at` on, or good. Returns what that leads to.
    pub(in crate::machine) fn record(
        &mut self,
        recovery: &Recovery,
        assessment: Assessment,
        at: Timestamp,
        now: Timestamp,
    ) -> Progress {
        self.undecided = 0;
        self.decided_at = now;
        match &mut self.step {
            Step::Trial(trial) => match (trial.record(assessment), &recovery.form) {
                (None, _) => Progress::Stays,
                (Some(Err(reason)), _) => Progress::Reopens(reason),
                (Some(Ok(())), Form::Gradual(_)) => Progress::Moves { to: 0, reason: None },
                (Some(Ok(())), Form::PermittedCalls { .. }) => Progress::Closes,
            },
            Step::Stage(stage) => {
                stage.record(assessment, at, now);
                match &recovery.form {
                    Form::Gradual(gradual) => stage.progress(gradual, now),
                    Form::PermittedCalls { .. } => Progress::Stays,
                }
            }
        }
    }

    /// Records a call that ended with no verdict. Its place in a trial is free again. Returns what
    /// that leads to.
    pub(in crate::machine) fn record_undecided(&mut self, now: Timestamp) -> Progress {
        if let Step::Trial(_) = self.step {
            self.give_back();
        }
        self.undecided += 1;
        if self.undecided >= NO_VERDICT_CALLS && now.since(self.decided_at) >= NO_VERDICT_FOR {
            return Progress::Reopens(TripReason::NoVerdict {
                calls: self.undecided,
                threshold: NO_VERDICT_CALLS,
            });
        }
        Progress::Stays
    }

    /// Returns what time alone leads to.
    pub(in crate::machine) fn progress(&self, recovery: &Recovery, now: Timestamp) -> Progress {
        match (&self.step, &recovery.form) {
            (Step::Stage(stage), Form::Gradual(gradual)) => stage.progress(gradual, now),
            _ => Progress::Stays,
        }
    }

    /// Moves to a stage. Reservations of the step before are void: each stage keeps to its own
    /// share.
    pub(in crate::machine) fn move_to(&mut self, recovery: &Recovery, stage: usize, now: Timestamp) {
        if let Form::Gradual(gradual) = &recovery.form {
            self.reservations.clear();
            self.step = Step::Stage(Stage {
                index: stage,
                since: now,
                passed_from: now + gradual.stage_duration,
                good: 0,
                good_in_a_row: 0,
                bucket: Bucket::new(self.evidence),
                spread: ErrorDiffusion::new(gradual.stages[stage]),
            });
        }
    }
}

impl Trial {
    fn new(form: &Form) -> Self {
        let (calls, too_many_bad) = match *form {
            Form::Gradual(_) => (1, 1),
            Form::PermittedCalls { calls, bad_rate } => {
                // The least count whose rate reaches `bad_rate`. The product may have been rounded
                // up past it.
                let count = (f64::from(calls) * bad_rate).ceil().max(1.0);
                let enough = (count - 1.0) / f64::from(calls) >= bad_rate && count > 1.0;
                (calls.into(), if enough { count - 1.0 } else { count } as u64)
            }
        };
        Self {
            calls,
            too_many_bad,
            taken: 0,
            judged: 0,
            bad: 0,
        }
    }

    /// Records a call. Returns the verdict as soon as the calls that are still out can't change it.
    fn record(&mut self, assessment: Assessment) -> Option<Result<(), TripReason>> {
        self.judged += 1;
        self.bad += u64::from(assessment.is_bad());
        if self.bad >= self.too_many_bad {
            return Some(Err(TripReason::TrialFailed {
                bad: self.bad,
                calls: self.judged,
                threshold: self.too_many_bad,
            }));
        }
        let outstanding = self.calls.saturating_sub(self.judged);
        (self.bad + outstanding < self.too_many_bad).then_some(Ok(()))
    }
}

impl Stage {
    fn record(&mut self, assessment: Assessment, at: Timestamp, now: Timestamp) {
        if assessment.is_bad() {
            self.good_in_a_row = 0;
            self.bucket.record_bad(assessment, at);
        } else {
            self.good += 1;
            self.good_in_a_row += 1;
            self.bucket.record_good(now);
        }
    }

    fn progress(&self, gradual: &Gradual, now: Timestamp) -> Progress {
        // Most calls find the bucket below the minimum, and need no root.
        if self.bucket.holds(gradual.net_failures) {
            if let Some(reason) = self.relapse(gradual, now) {
                return match gradual.halved(self.index) {
                    Some(to) => Progress::Moves {
                        to,
                        reason: Some(reason),
                    },
                    None => Progress::Reopens(reason),
                };
            }
        }
        if now < self.passed_from {
            return Progress::Stays;
        }
        let lasted = now.since(self.since);
        let (least, enough) = gradual.durations(self.index);
        let quickly = self.good_in_a_row >= gradual.successes.into() && lasted >= least;
        let slowly = self.good > 0 && self.bucket.is_empty() && lasted >= enough;
        match self.index + 1 {
            _ if !quickly && !slowly => Progress::Stays,
            next if next < gradual.stages.len() => Progress::Moves { to: next, reason: None },
            _ => Progress::Closes,
        }
    }

    /// Returns the evidence that the primary isn't healthy yet, where there is enough.
    fn relapse(&self, gradual: &Gradual, now: Timestamp) -> Option<TripReason> {
        let bucket = self.bucket.view(now);
        let threshold = threshold(gradual.net_failures, SIGMAS, bucket.weight, bucket.judged);
        reaches(bucket.level, threshold).then_some(TripReason::Evidence {
            level: bucket.level,
            threshold,
            bad: bucket.bad,
            calls: bucket.judged,
            over: bucket.above_zero_for,
        })
    }
}

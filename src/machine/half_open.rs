use std::time::Duration;

use super::{
    Assessment, Timestamp,
    evidence::{Bucket, Evidence, reaches, threshold},
    reason::TripReason,
    recovery::{Form, Gradual, Recovery},
};

/// Standard deviations of chance that the evidence has to exceed in a stage.
const SIGMAS: f64 = 2.0;
/// So many calls in a row without a verdict, over at least [`NO_VERDICT_FOR`], end half-open.
const NO_VERDICT_CALLS: u64 = 10;
const NO_VERDICT_FOR: Duration = Duration::from_secs(1);

/// The half-open state: how far access has returned.
#[derive(Clone, Debug)]
pub(super) struct HalfOpen {
    evidence: Evidence,
    step: Step,
    leases: Vec<Lease>,
    next_lease: u64,
    undecided: u64,
    decided_at: Timestamp,
}

#[derive(Clone, Debug)]
enum Step {
    Trial(Trial),
    Stage(Stage),
}

/// A fixed number of calls; `taken` of them are promised, in flight or judged.
#[derive(Clone, Debug)]
struct Trial {
    calls: u64,
    too_many_bad: u64,
    taken: u64,
    judged: u64,
    bad: u64,
}

#[derive(Clone, Debug)]
struct Stage {
    index: usize,
    since: Timestamp,
    /// It isn't passed before.
    passed_from: Timestamp,
    good: u64,
    good_in_a_row: u64,
    bucket: Bucket,
    spread: ErrorDiffusion,
}

/// A place that was promised to a caller who hasn't called yet.
#[derive(Clone, Debug)]
struct Lease {
    id: u64,
    until: Timestamp,
}

/// What a half-open outcome, or time, leads to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Progress {
    Stays,
    Moves { to: usize, reason: Option<TripReason> },
    Closes,
    Reopens(TripReason),
}

impl HalfOpen {
    pub(super) fn new(recovery: &Recovery, evidence: Evidence, now: Timestamp) -> Self {
        Self {
            evidence,
            step: Step::Trial(Trial::new(&recovery.form)),
            leases: Vec::new(),
            next_lease: 0,
            undecided: 0,
            decided_at: now,
        }
    }

    /// The percentage of the calls that is let through; 0 during the trial.
    pub(super) fn share(&self, recovery: &Recovery) -> u8 {
        match (&self.step, &recovery.form) {
            (Step::Stage(stage), Form::Gradual(gradual)) => gradual.stages[stage.index],
            _ => 0,
        }
    }

    pub(super) fn is_trial(&self) -> bool {
        matches!(self.step, Step::Trial(_))
    }

    pub(super) fn admit(&mut self) -> bool {
        match &mut self.step {
            Step::Trial(trial) => {
                let free = trial.taken < trial.calls;
                trial.taken += u64::from(free);
                free
            }
            Step::Stage(stage) => stage.spread.ask(),
        }
    }

    /// Admits a call that will be made later, if it is made before `until`.
    pub(super) fn lease(&mut self, until: Timestamp) -> Option<u64> {
        self.admit().then(|| {
            self.next_lease += 1;
            self.leases.push(Lease {
                id: self.next_lease,
                until,
            });
            self.next_lease
        })
    }

    /// Turns a lease into a call; `false` where it has run out.
    pub(super) fn claim(&mut self, id: u64) -> bool {
        let before = self.leases.len();
        self.leases.retain(|lease| lease.id != id);
        self.leases.len() < before
    }

    /// Gives back the place of a call or promise that was never used.
    pub(super) fn give_back(&mut self) {
        match &mut self.step {
            Step::Trial(trial) => trial.taken = trial.taken.saturating_sub(1),
            Step::Stage(stage) => stage.spread.give_back(),
        }
    }

    pub(super) fn drop_lapsed_leases(&mut self, now: Timestamp) {
        if self.leases.is_empty() {
            return;
        }
        let before = self.leases.len();
        self.leases.retain(|lease| lease.until > now);
        for _ in self.leases.len()..before {
            self.give_back();
        }
    }

    /// Whether this promise still holds at `now`.
    pub(super) fn holds(&self, id: u64, now: Timestamp) -> bool {
        self.leases.iter().any(|lease| lease.id == id && lease.until > now)
    }

    /// When the last promise that is out runs out.
    pub(super) fn next_lapse(&self) -> Option<Timestamp> {
        self.leases.iter().map(|lease| lease.until).min()
    }

    /// Takes a verdict on a call that was bad from `at`, or good.
    pub(super) fn judge(
        &mut self,
        recovery: &Recovery,
        assessment: Assessment,
        at: Timestamp,
        now: Timestamp,
    ) -> Progress {
        self.undecided = 0;
        self.decided_at = now;
        match &mut self.step {
            Step::Trial(trial) => match (trial.judge(assessment), &recovery.form) {
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

    /// A call ended with no verdict: its place in a trial is free again.
    pub(super) fn undecided(&mut self, now: Timestamp) -> Progress {
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

    /// What time alone leads to.
    pub(super) fn progress(&self, recovery: &Recovery, now: Timestamp) -> Progress {
        match (&self.step, &recovery.form) {
            (Step::Stage(stage), Form::Gradual(gradual)) => stage.progress(gradual, now),
            _ => Progress::Stays,
        }
    }

    /// Moves to a stage. What was promised in the step before is void: each stage keeps to its own share.
    pub(super) fn move_to(&mut self, recovery: &Recovery, stage: usize, now: Timestamp) {
        if let Form::Gradual(gradual) = &recovery.form {
            self.leases.clear();
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
                // The least count whose rate reaches `bad_rate`; the product may have been rounded up past it.
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

    /// The verdict, as soon as the calls that are still out can't change it.
    fn judge(&mut self, assessment: Assessment) -> Option<Result<(), TripReason>> {
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
            self.bucket.bad(assessment, at);
        } else {
            self.good += 1;
            self.good_in_a_row += 1;
            self.bucket.good(now);
        }
    }

    fn progress(&self, gradual: &Gradual, now: Timestamp) -> Progress {
        // As long as it goes well, that is all.
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

    /// The evidence that the primary isn't healthy yet, where there is enough.
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

/// Spreads a share of the calls evenly (error diffusion): of any n calls in a row it admits at most ⌈n × share⌉.
#[derive(Clone, Debug)]
struct ErrorDiffusion {
    percent: u32,
    credit: u32,
}

impl ErrorDiffusion {
    /// The first call of a stage is let through, so that rare traffic gets an answer at each stage.
    fn new(percent: u8) -> Self {
        Self {
            percent: percent.into(),
            credit: 100 - u32::from(percent),
        }
    }

    fn ask(&mut self) -> bool {
        self.credit = self.credit.saturating_add(self.percent);
        let admitted = self.credit >= 100;
        if admitted {
            self.credit -= 100;
        }
        admitted
    }

    /// Undoes an ask that was granted. What it was refused to others for is gone: many that are undone at once make no burst.
    fn give_back(&mut self) {
        self.credit = (self.credit + 100 - self.percent) % 100;
    }
}

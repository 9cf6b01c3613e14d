use std::{fmt::Write as _, time::Duration};

use super::{Judgement, Timestamp, evidence::Bucket, invalid::ConfigError, policy::TripReason};

/// How access returns once the breaker has been open long enough.
///
/// [`gradual`](Self::gradual), the default: one probe; then 20, 40, 80 and 100 % of the calls, spread evenly, the rest refused.
/// A stage is passed on 5 good calls in a row and 0.25 s, or on 1 s with a good call and no bad ones outstanding. Evidence of
/// max(3, 2·√(a·n)) (see [`Evidence`](super::Evidence)) halves the share, and reopens the breaker at the lowest.
///
/// [`permitted_calls`](Self::permitted_calls) is the classical form.
///
/// Either way half-open ends: a call that never comes back counts as bad when its time is up, and ten calls in a row (over
/// a second or more) that were ignored or cancelled reopen the breaker.
///
/// ```
/// use tower_breaker::Recovery;
///
/// let careful = Recovery::gradual().stages([1, 5, 25, 100]).successes(20);
/// let classical = Recovery::permitted_calls(10).bad_rate(0.3);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Recovery {
    pub(crate) form: Form,
    pub(crate) probe_timeout: Option<Duration>,
    /// A setting of the other form.
    misplaced: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Form {
    Gradual(Gradual),
    PermittedCalls { calls: u32, bad_rate: f64 },
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Gradual {
    pub(crate) stages: Vec<u8>,
    pub(crate) successes: u32,
    pub(crate) stage_duration: Duration,
    pub(crate) net_failures: f64,
}

impl Default for Gradual {
    fn default() -> Self {
        Self {
            stages: vec![20, 40, 80, 100],
            successes: 5,
            stage_duration: Duration::from_millis(250),
            net_failures: 3.0,
        }
    }
}

impl Gradual {
    fn check(&self) -> Result<(), ConfigError> {
        let rising = self.stages.is_sorted_by(|a, b| a < b);
        if !rising || self.stages.first().is_none_or(|first| *first == 0) || self.stages.last() != Some(&100) {
            let mut shown = String::new();
            for stage in &self.stages {
                let comma = if shown.is_empty() { "" } else { ", " };
                let _ = write!(shown, "{comma}{stage}");
            }
            return Err(ConfigError::new(
                "recovery.stages",
                format!("[{shown}]"),
                "a list of percentages that starts above 0, rises, and ends at 100",
            ));
        }
        if self.successes == 0 {
            return Err(ConfigError::new("recovery.successes", 0, "1 or more"));
        }
        ConfigError::check_duration("recovery.stage_duration", self.stage_duration)?;
        if !(self.net_failures >= 1.0 && self.net_failures <= 1e9) {
            return Err(ConfigError::new(
                "recovery.net_failures",
                self.net_failures,
                "a number from 1 to 1e9",
            ));
        }
        Ok(())
    }

    /// The largest stage at or below half of the share of `stage`.
    fn halved(&self, stage: usize) -> Option<usize> {
        let half = self.stages[stage] / 2;
        self.stages.iter().rposition(|share| *share <= half)
    }
}

/// Standard deviations of chance that the evidence has to exceed in a stage.
const SIGMAS: f64 = 2.0;
/// So many calls in a row without a verdict, over at least [`NO_VERDICT_FOR`], end half-open.
const NO_VERDICT_CALLS: u64 = 10;
const NO_VERDICT_FOR: Duration = Duration::from_secs(1);

impl Recovery {
    /// One probe, then rising shares of the calls.
    #[must_use]
    pub fn gradual() -> Self {
        Self {
            form: Form::Gradual(Gradual::default()),
            probe_timeout: None,
            misplaced: None,
        }
    }

    /// The classical form: so many calls, then a verdict. The breaker closes, or reopens where half of them or more were bad.
    ///
    /// The verdict doesn't wait for calls that can no longer change it. From 1 to 1,000,000 calls.
    #[must_use]
    pub fn permitted_calls(calls: u32) -> Self {
        Self {
            form: Form::PermittedCalls { calls, bad_rate: 0.5 },
            probe_timeout: None,
            misplaced: None,
        }
    }

    /// For [`permitted_calls`](Self::permitted_calls): the rate of bad calls that reopens; above 0 and up to 1. Default: 0.5.
    #[must_use]
    pub fn bad_rate(mut self, rate: f64) -> Self {
        match &mut self.form {
            Form::PermittedCalls { bad_rate, .. } => *bad_rate = rate,
            Form::Gradual(_) => self.misplaced = Some("recovery.bad_rate"),
        }
        self
    }

    /// The shares of the calls, in percent, after the probe: rising, the last one 100. Default: 20, 40, 80, 100.
    #[must_use]
    pub fn stages(self, percents: impl Into<Vec<u8>>) -> Self {
        let stages = percents.into();
        self.with_gradual("recovery.stages", |gradual| gradual.stages = stages)
    }

    /// Good calls in a row that pass a stage, once it has lasted its [`stage_duration`](Self::stage_duration). Default: 5.
    #[must_use]
    pub fn successes(self, calls: u32) -> Self {
        self.with_gradual("recovery.successes", |gradual| gradual.successes = calls)
    }

    /// How long a stage lasts at least. After four times as long, a single good call passes it. Default: 250 ms.
    #[must_use]
    pub fn stage_duration(self, duration: Duration) -> Self {
        self.with_gradual("recovery.stage_duration", |gradual| gradual.stage_duration = duration)
    }

    /// How far bad calls may outweigh good ones in a stage, at the least, before it steps back. At least 1. Default: 3.
    #[must_use]
    pub fn net_failures(self, excess: f64) -> Self {
        self.with_gradual("recovery.net_failures", |gradual| gradual.net_failures = excess)
    }

    /// After how long a half-open call that hasn't come back counts as bad, where no `slow_after` says so earlier, and how long a
    /// readiness promise is kept. Default: max(1 s, 2 × `slow_after`); with no `slow_after`, 1 s × 1.5ᵏ up to
    /// 60 s, k being the number of failed attempts, so that a slow but healthy service does come back.
    #[must_use]
    pub fn probe_timeout(mut self, timeout: Duration) -> Self {
        self.probe_timeout = Some(timeout);
        self
    }

    fn with_gradual(mut self, field: &'static str, change: impl FnOnce(&mut Gradual)) -> Self {
        match &mut self.form {
            Form::Gradual(gradual) => change(gradual),
            Form::PermittedCalls { .. } => self.misplaced = Some(field),
        }
        self
    }

    /// How long a half-open call or promise may take, at attempt number `attempt`.
    pub(super) fn lease(&self, slow_after: Option<Duration>, attempt: u32) -> Duration {
        match (self.probe_timeout, slow_after) {
            (Some(timeout), _) => timeout,
            (None, Some(slow_after)) => slow_after.saturating_mul(2).max(Duration::from_secs(1)),
            (None, None) => Duration::from_secs_f64(1.5_f64.powf(f64::from(attempt)).min(60.0)),
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if let Some(field) = self.misplaced {
            return Err(ConfigError::new(
                field,
                "set",
                match self.form {
                    Form::Gradual(_) => "it with `permitted_calls` only; nothing here",
                    Form::PermittedCalls { .. } => "it with a gradual recovery only; nothing here",
                },
            ));
        }
        match &self.form {
            Form::Gradual(gradual) => gradual.check()?,
            Form::PermittedCalls { calls, bad_rate } => {
                if !(1..=1_000_000).contains(calls) {
                    return Err(ConfigError::new(
                        "recovery.permitted_calls",
                        calls,
                        "1 to 1000000 calls",
                    ));
                }
                ConfigError::check_rate("recovery.bad_rate", *bad_rate)?;
            }
        }
        match self.probe_timeout {
            Some(timeout) => ConfigError::check_duration("recovery.probe_timeout", timeout),
            None => Ok(()),
        }
    }
}

impl Default for Recovery {
    fn default() -> Self {
        Self::gradual()
    }
}

/// The half-open state: how far access has returned.
#[derive(Clone, Debug)]
pub(super) struct HalfOpen {
    weight: f64,
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
    good: u64,
    good_in_a_row: u64,
    bucket: Bucket,
    spread: Spread,
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
    pub(super) fn new(recovery: &Recovery, weight: f64, now: Timestamp) -> Self {
        Self {
            weight,
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
    pub(super) fn redeem(&mut self, id: u64) -> bool {
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
        judgement: Judgement,
        at: Timestamp,
        now: Timestamp,
    ) -> Progress {
        self.undecided = 0;
        self.decided_at = now;
        match &mut self.step {
            Step::Trial(trial) => match (trial.judge(judgement), &recovery.form) {
                (None, _) => Progress::Stays,
                (Some(Err(reason)), _) => Progress::Reopens(reason),
                (Some(Ok(())), Form::Gradual(_)) => Progress::Moves { to: 0, reason: None },
                (Some(Ok(())), Form::PermittedCalls { .. }) => Progress::Closes,
            },
            Step::Stage(stage) => {
                stage.record(judgement, at);
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
                good: 0,
                good_in_a_row: 0,
                bucket: Bucket::new(self.weight),
                spread: Spread::new(gradual.stages[stage]),
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
    fn judge(&mut self, judgement: Judgement) -> Option<Result<(), TripReason>> {
        self.judged += 1;
        self.bad += u64::from(judgement.is_bad());
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
    fn record(&mut self, judgement: Judgement, at: Timestamp) {
        if judgement.is_bad() {
            self.good_in_a_row = 0;
            self.bucket.bad(at);
        } else {
            self.good += 1;
            self.good_in_a_row += 1;
            self.bucket.good();
        }
    }

    fn progress(&self, gradual: &Gradual, now: Timestamp) -> Progress {
        let bucket = self.bucket.view(now);
        let threshold = bucket.threshold(gradual.net_failures, SIGMAS);
        if bucket.reaches(threshold) {
            let reason = TripReason::Evidence {
                level: bucket.level,
                threshold,
                bad: bucket.bad,
                calls: bucket.judged,
                over: bucket.above_zero_for,
            };
            return match gradual.halved(self.index) {
                Some(to) => Progress::Moves {
                    to,
                    reason: Some(reason),
                },
                None => Progress::Reopens(reason),
            };
        }
        let lasted = now.since(self.since);
        let quickly = self.good_in_a_row >= gradual.successes.into() && lasted >= gradual.stage_duration;
        let slowly = self.good > 0 && self.bucket.is_empty() && lasted >= gradual.stage_duration.saturating_mul(4);
        match self.index + 1 {
            _ if !quickly && !slowly => Progress::Stays,
            next if next < gradual.stages.len() => Progress::Moves { to: next, reason: None },
            _ => Progress::Closes,
        }
    }
}

/// Spreads a share of the calls evenly (error diffusion): of any n calls in a row it admits at most ⌈n × share⌉.
#[derive(Clone, Debug)]
struct Spread {
    percent: u32,
    credit: u32,
}

impl Spread {
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

    fn give_back(&mut self) {
        self.credit = self.credit.saturating_add(100);
    }
}

//! Configurations, as data that shrinks and prints well, in whole numbers wherever a decision hangs
//! on them.

use std::time::Duration;

use proptest::{collection::vec, option, prelude::*, sample::select};
use tower_breaker::{
    Config, Evidence,
    config::{CancelledCalls, SlowAfter},
    machine::Settings,
    policy::{ConsecutiveFailures, Counts, FailureRate, Policy, SlidingWindow, SlowCallRate, TripPolicy, TripReason},
    recovery::{OpenDuration, Recovery},
};

use crate::common::durations::ms;

/// What one good call takes out of the failure bucket, in the unit that its level is counted in: so
/// that the reference knows exactly when the bucket breaks even. A bad call puts in a whole number
/// of these, for θ = 84/(84 + weight).
pub(crate) const GOOD: u64 = 84;

/// The least that a bad call weighs here, in the same unit.
const LEAST_WEIGHT: u64 = 10;

/// One valid configuration.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) slow_after: SlowAfter,
    pub(crate) policies: Vec<PolicyPlan>,
    /// Whether the policies are nested to the right, as a user may well write them.
    pub(crate) nested: bool,
    pub(crate) open: OpenPlan,
    pub(crate) recovery: RecoveryPlan,
    pub(crate) cancelled: CancelledCalls,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PolicyPlan {
    Evidence {
        weight: u64,
        excess: u64,
        sustained: Duration,
    },
    FailureRate(RatePlan),
    SlowCallRate(RatePlan),
    Consecutive(u64),
    /// A user's own: so many bad calls in a window, or since the breaker closed.
    BadCalls {
        most: u64,
        window: Option<SlidingWindow>,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RatePlan {
    pub(crate) percent: u64,
    pub(crate) window: SlidingWindow,
    /// `None`: the default.
    pub(crate) minimum: Option<u64>,
}

#[derive(Clone, Debug)]
pub(crate) struct OpenPlan {
    pub(crate) initial: Duration,
    pub(crate) max: Duration,
    pub(crate) factor: f64,
    pub(crate) jitter: f64,
    pub(crate) refused: u32,
    /// How many refused calls end it early; 0 where none do, and where jitter would make it another
    /// number.
    pub(crate) enough: u32,
    /// How long the primary may ask to be left alone for.
    pub(crate) pause_cap: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RecoveryPlan {
    pub(crate) form: FormPlan,
    pub(crate) probe_timeout: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum FormPlan {
    Gradual {
        stages: Vec<u8>,
        successes: u32,
        stage_duration: Duration,
        net_failures: u64,
    },
    Permitted {
        calls: u32,
        bad_percent: u64,
    },
}

impl Plan {
    pub(crate) fn settings(&self) -> Settings {
        Settings::default()
            .slow_after(self.slow_after)
            .trip_when(self.policy())
            .open_duration(self.open.build())
            .recovery(self.recovery.build())
            .cancelled_calls(self.cancelled)
    }

    pub(crate) fn config(&self) -> Config {
        Config::new("model")
            .slow_after(self.slow_after)
            .trip_when(self.policy())
            .open_duration(self.open.build())
            .recovery(self.recovery.build())
            .cancelled_calls(self.cancelled)
    }

    fn policy(&self) -> Policy {
        let mut policies = self.policies.iter().map(PolicyPlan::build);
        if self.nested {
            let join = |inner, outer: Policy| outer.or(inner);
            policies.rev().reduce(join).expect("a plan has at least one policy")
        } else {
            let first = policies.next().expect("a plan has at least one policy");
            policies.fold(first, Policy::or)
        }
    }

    /// What a bad call weighs in half-open, in units of [`GOOD`].
    pub(crate) fn half_open_weight(&self) -> u64 {
        let weight = |policy: &PolicyPlan| match policy {
            PolicyPlan::Evidence { weight, .. } => Some(*weight),
            _ => None,
        };
        self.policies.iter().find_map(weight).unwrap_or(GOOD)
    }

    /// Whether anything is learned of the latency. There is no backup here, so that
    /// [`SlowAfter::Auto`] is never.
    pub(crate) fn learns(&self) -> bool {
        matches!(self.slow_after, SlowAfter::After(_) | SlowAfter::Learned)
    }

    /// The shares after the probe, if there are any.
    pub(crate) fn stages(&self) -> &[u8] {
        match &self.recovery.form {
            FormPlan::Gradual { stages, .. } => stages,
            FormPlan::Permitted { .. } => &[],
        }
    }

    /// No call has longer to come back than this.
    pub(crate) fn longest_limit(&self) -> Duration {
        let slow_after = match self.slow_after {
            SlowAfter::After(slow_after) => Some(2 * slow_after),
            _ => None,
        };
        let limits = [slow_after, self.recovery.probe_timeout].into_iter().flatten();
        limits.fold(Duration::from_secs(60), Duration::max)
    }

    /// How many calls there may be at most, a dozen of them within every time limit, before
    /// half-open has to end where all end alike.
    pub(crate) fn most_half_open_calls(&self) -> u64 {
        let judged = match &self.recovery.form {
            FormPlan::Permitted { calls, .. } => u64::from(*calls) + 12,
            FormPlan::Gradual {
                stages,
                successes,
                net_failures,
                ..
            } => {
                // Where all are bad, a·n ≥ 4 is enough; a mixed past may ask for more.
                let bad = GOOD * (4 + net_failures) / LEAST_WEIGHT + 20;
                let calls_a_turn = |share: &u8| 100_u64.div_ceil((*share).into());
                let turns: u64 = stages.iter().map(calls_a_turn).sum();
                turns * (bad.max(u64::from(*successes)) + 12)
            }
        };
        3 * judged + 200
    }
}

impl PolicyPlan {
    pub(crate) fn build(&self) -> Policy {
        match *self {
            Self::Evidence {
                weight,
                excess,
                sustained,
            } => Evidence::tolerating(GOOD as f64 / (GOOD + weight) as f64)
                .minimum_excess(excess as f64)
                .sustained_for(sustained)
                .into(),
            Self::FailureRate(ref plan) => {
                let policy = FailureRate::at_least(plan.percent as f64 / 100.0).over(plan.window);
                plan.minimum.map_or(policy, |calls| policy.minimum_calls(calls)).into()
            }
            Self::SlowCallRate(ref plan) => {
                let policy = SlowCallRate::at_least(plan.percent as f64 / 100.0).over(plan.window);
                plan.minimum.map_or(policy, |calls| policy.minimum_calls(calls)).into()
            }
            Self::Consecutive(count) => ConsecutiveFailures::of(count).into(),
            Self::BadCalls { most, window } => BadCalls { most, window }.into(),
        }
    }

    pub(crate) fn window(&self) -> Option<SlidingWindow> {
        match self {
            Self::FailureRate(rate) | Self::SlowCallRate(rate) => Some(rate.window),
            Self::BadCalls { window, .. } => *window,
            Self::Evidence { .. } | Self::Consecutive(_) => None,
        }
    }
}

impl OpenPlan {
    fn build(&self) -> OpenDuration {
        let growing = OpenDuration::growing(self.initial, self.max)
            .factor(self.factor)
            .jitter(self.jitter)
            .refused_before_trial(self.refused)
            .ends_after_refusals(self.enough);
        match self.pause_cap {
            Some(cap) => growing.honor_retry_after(cap),
            None => growing,
        }
    }
}

impl RecoveryPlan {
    pub(crate) fn build(&self) -> Recovery {
        let recovery = match &self.form {
            FormPlan::Gradual {
                stages,
                successes,
                stage_duration,
                net_failures,
            } => Recovery::gradual()
                .stages(stages.clone())
                .successes(*successes)
                .stage_duration(*stage_duration)
                .net_failures(*net_failures as f64),
            FormPlan::Permitted { calls, bad_percent } => {
                Recovery::permitted_calls(*calls).bad_rate(*bad_percent as f64 / 100.0)
            }
        };
        match self.probe_timeout {
            Some(timeout) => recovery.probe_timeout(timeout),
            None => recovery,
        }
    }
}

#[derive(Debug)]
struct BadCalls {
    most: u64,
    window: Option<SlidingWindow>,
}

impl TripPolicy for BadCalls {
    fn trip(&self, counts: &Counts) -> Option<TripReason> {
        (counts.bad >= self.most).then(|| TripReason::custom("bad calls", counts.bad as f64, self.most as f64))
    }

    fn window(&self) -> Option<SlidingWindow> {
        self.window
    }
}

pub(crate) fn plans() -> impl Strategy<Value = Plan> {
    (
        slow_afters(),
        several_policies(),
        any::<bool>(),
        opens(),
        recoveries(),
        cancelled(),
    )
        .prop_map(|(slow_after, policies, nested, open, recovery, cancelled)| {
            let plan = Plan {
                slow_after,
                policies,
                nested,
                open,
                recovery,
                cancelled,
            };
            plan.made_valid()
        })
}

/// Another configuration, or the same but for one setting.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    All(Box<Plan>),
    SlowAfter(SlowAfter),
    Policies(Vec<PolicyPlan>),
    /// Of all rate policies.
    Windows(SlidingWindow),
    Open(OpenPlan),
    Recovery(RecoveryPlan),
    Cancelled(CancelledCalls),
}

pub(crate) fn changes() -> impl Strategy<Value = Change> {
    prop_oneof![
        1 => plans().prop_map(|plan| Change::All(Box::new(plan))),
        2 => slow_afters().prop_map(Change::SlowAfter),
        2 => several_policies().prop_map(Change::Policies),
        2 => windows().prop_map(Change::Windows),
        1 => opens().prop_map(Change::Open),
        1 => recoveries().prop_map(Change::Recovery),
        1 => cancelled().prop_map(Change::Cancelled),
    ]
}

impl Change {
    pub(crate) fn of(&self, plan: &Plan) -> Plan {
        let mut plan = plan.clone();
        match self.clone() {
            Self::All(other) => plan = *other,
            Self::SlowAfter(slow_after) => plan.slow_after = slow_after,
            Self::Policies(policies) => plan.policies = policies,
            Self::Windows(window) => {
                for policy in &mut plan.policies {
                    if let PolicyPlan::FailureRate(rate) | PolicyPlan::SlowCallRate(rate) = policy {
                        *rate = RatePlan::new(rate.percent, window, rate.minimum);
                    }
                }
            }
            Self::Open(open) => plan.open = open,
            Self::Recovery(recovery) => plan.recovery = recovery,
            Self::Cancelled(cancelled) => plan.cancelled = cancelled,
        }
        plan.made_valid()
    }
}

impl Plan {
    /// Where nothing says which calls are slow, nothing can ask for their rate.
    fn made_valid(mut self) -> Self {
        for policy in &mut self.policies {
            if let (PolicyPlan::SlowCallRate(rate), SlowAfter::Auto | SlowAfter::Never) = (&policy, self.slow_after) {
                *policy = PolicyPlan::FailureRate(rate.clone());
            }
        }
        self
    }
}

impl RatePlan {
    fn new(percent: u64, window: SlidingWindow, minimum: Option<u64>) -> Self {
        let mut plan = Self {
            percent,
            window,
            minimum,
        };
        plan.minimum = minimum.map(|minimum| minimum.min(plan.most_calls()));
        plan
    }

    /// How many calls there have to be: 20, unless the plan says something else or the window
    /// doesn't hold as many.
    pub(crate) fn minimum_calls(&self) -> u64 {
        self.minimum.unwrap_or(20).min(self.most_calls())
    }

    fn most_calls(&self) -> u64 {
        match self.window {
            SlidingWindow::Calls(calls) => calls as u64,
            SlidingWindow::Time(_) => u64::MAX,
            _ => unreachable!("there is no third kind of window"),
        }
    }
}

pub(crate) fn slow_afters() -> impl Strategy<Value = SlowAfter> {
    let usual = select(vec![100, 20, 300, 1000, 10_000]).prop_map(ms);
    let extreme = select(vec![1, 40, 365 * 24 * 3600 * 1_000_000_000]).prop_map(Duration::from_nanos);
    prop_oneof![
        3 => prop_oneof![12 => usual, 1 => extreme].prop_map(SlowAfter::After),
        3 => Just(SlowAfter::Learned),
        1 => Just(SlowAfter::Never),
        1 => Just(SlowAfter::Auto),
    ]
}

fn several_policies() -> impl Strategy<Value = Vec<PolicyPlan>> {
    prop_oneof![4 => vec(policies(), 1), 3 => vec(policies(), 2..=3)]
}

fn cancelled() -> impl Strategy<Value = CancelledCalls> {
    select(vec![
        CancelledCalls::SlowIfOverdue,
        CancelledCalls::Ignore,
        CancelledCalls::Failure,
    ])
}

fn policies() -> impl Strategy<Value = PolicyPlan> {
    let weights = prop_oneof![
        3 => Just(GOOD),
        // θ = 0.7, 0.8, 0.3, 0.2, 0.1 and 0.05
        3 => select(vec![36, 21, 196, 336, 756, 1596]),
        1 => LEAST_WEIGHT..2000,
    ];
    let sustained = select(vec![500, 0, 1, 100, 2000]).prop_map(ms);
    let evidence = (weights, select(vec![8, 1, 2, 3, 7, 20]), sustained).prop_map(|(weight, excess, sustained)| {
        PolicyPlan::Evidence {
            weight,
            excess,
            sustained,
        }
    });
    prop_oneof![
        3 => evidence,
        2 => rates().prop_map(PolicyPlan::FailureRate),
        2 => rates().prop_map(PolicyPlan::SlowCallRate),
        1 => (1_u64..12).prop_map(PolicyPlan::Consecutive),
        1 => (1_u64..12, option::of(windows())).prop_map(|(most, window)| PolicyPlan::BadCalls { most, window }),
    ]
}

fn rates() -> impl Strategy<Value = RatePlan> {
    let percents = prop_oneof![2 => select(vec![50, 100, 1, 29, 33]), 1 => 1_u64..=100];
    (percents, windows(), option::weighted(0.9, 1_u64..=20))
        .prop_map(|(percent, window, minimum)| RatePlan::new(percent, window, minimum))
}

fn windows() -> impl Strategy<Value = SlidingWindow> {
    prop_oneof![
        (1_usize..=30).prop_map(SlidingWindow::last_calls),
        select(vec![10_000, 1, 500, 1000, 1007, 60_000, 3_600_000]).prop_map(|time| SlidingWindow::last(ms(time))),
        (1_000_000_u64..5_000_000_000).prop_map(|nanos| SlidingWindow::last(Duration::from_nanos(nanos))),
    ]
}

fn opens() -> impl Strategy<Value = OpenPlan> {
    let caps = option::weighted(0.3, select(vec![10_000, 700, 100_000]).prop_map(ms));
    let fixed = select(vec![1000, 1, 500, 5000, 90_000]).prop_map(|time| (time, time, 1.0, 0.0, 0, 0));
    let growing = (
        select(vec![500, 100, 2000]),
        select(vec![3000, 2000, 30_000, 100_000]),
        select(vec![1.5, 1.0, 2.0, 100.0]),
        prop_oneof![3 => Just(0.0), 1 => select(vec![0.5, 0.1, 1.0])],
        prop_oneof![1 => Just(0), 1 => Just(10), 2 => 0_u32..5],
        prop_oneof![1 => Just(0), 1 => Just(200), 2 => 1_u32..12],
    );
    (prop_oneof![fixed, growing], caps).prop_map(|((initial, max, factor, jitter, refused, enough), pause_cap)| {
        OpenPlan {
            initial: ms(initial),
            max: ms(max),
            factor,
            jitter,
            refused,
            enough: if jitter > 0.0 { 0 } else { enough },
            pause_cap,
        }
    })
}

fn recoveries() -> impl Strategy<Value = RecoveryPlan> {
    let stages = select(vec![
        vec![20, 40, 80, 100],
        vec![100],
        vec![50, 100],
        vec![5, 10, 20, 40, 100],
        vec![7, 33, 34, 99, 100],
        vec![50, 60, 100],
    ]);
    let gradual = (
        stages,
        prop_oneof![1 => Just(5), 2 => 1_u32..8],
        select(vec![250, 1, 50, 2000]).prop_map(ms),
        1_u64..6,
    )
        .prop_map(|(stages, successes, stage_duration, net_failures)| FormPlan::Gradual {
            stages,
            successes,
            stage_duration,
            net_failures,
        });
    let permitted = (
        prop_oneof![3 => 1_u32..=10, 1 => 11_u32..=100],
        prop_oneof![1 => Just(50), 2 => 1_u64..=100],
    )
        .prop_map(|(calls, bad_percent)| FormPlan::Permitted { calls, bad_percent });
    let timeouts = option::weighted(0.3, select(vec![1000, 10, 250, 5000]).prop_map(ms));
    (prop_oneof![2 => gradual, 1 => permitted], timeouts)
        .prop_map(|(form, probe_timeout)| RecoveryPlan { form, probe_timeout })
}

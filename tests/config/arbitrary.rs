use std::time::Duration;

use proptest::{collection, option, prelude::*, sample};
use tower_breaker::{
    Config, Evidence,
    config::{CancelledCalls, SlowAfter},
    policy::{ConsecutiveFailures, FailureRate, Policy, SlidingWindow, SlowCallRate},
    recovery::{OpenDuration, Recovery},
};

pub(crate) const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// Any configuration that is accepted, most often at the edges of what is. No count exceeds `most`.
pub(crate) fn config(most: u64) -> impl Strategy<Value = Config> {
    let name = collection::vec(any::<char>(), 1..=64).prop_map(String::from_iter);
    let cancelled = sample::select(vec![
        CancelledCalls::SlowIfOverdue,
        CancelledCalls::Ignore,
        CancelledCalls::Failure,
    ]);
    let slow_after = prop_oneof![
        3 => duration().prop_map(SlowAfter::After),
        1 => sample::select(vec![SlowAfter::Learned, SlowAfter::Never, SlowAfter::Auto]),
    ];
    (name, slow_after, policies(most), open_duration(), recovery(), cancelled).prop_map(
        |(name, slow_after, policies, open_duration, recovery, cancelled)| {
            let asks_for_slow_calls = flat(&policies).iter().any(|policy| policy.name() == "slow-call rate");
            Config::new(name)
                .slow_after(match slow_after {
                    // There is no backup in these tests.
                    SlowAfter::Never | SlowAfter::Auto if asks_for_slow_calls => SlowAfter::Learned,
                    slow_after => slow_after,
                })
                .trip_when(policies)
                .open_duration(open_duration)
                .recovery(recovery)
                .cancelled_calls(cancelled)
        },
    )
}

/// The single policies of a combination.
pub(crate) fn flat(policy: &Policy) -> Vec<Policy> {
    policy.parts().collect()
}

pub(crate) fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::from_nanos(1)),
        (1..=10_000_000_000_u64).prop_map(Duration::from_nanos),
        (1..=YEAR.as_nanos() as u64).prop_map(Duration::from_nanos),
        Just(YEAR),
    ]
}

fn rate() -> impl Strategy<Value = f64> {
    prop_oneof![Just(f64::from_bits(1)), f64::EPSILON..=1.0, Just(1.0)]
}

fn excess() -> impl Strategy<Value = f64> {
    prop_oneof![Just(1.0), 1.0..=20.0, Just(1e9)]
}

fn policies(most: u64) -> impl Strategy<Value = Policy> {
    let any_of = |all: Vec<Policy>| all.into_iter().reduce(Policy::or).expect("it has at least one");
    policy(most).prop_recursive(2, 4, 3, move |inner| collection::vec(inner, 1..=3).prop_map(any_of))
}

fn policy(most: u64) -> impl Strategy<Value = Policy> {
    prop_oneof![
        evidence().prop_map(Policy::from),
        (rate(), window(most))
            .prop_map(|(rate, (window, calls))| FailureRate::at_least(rate).over(window).minimum_calls(calls).into()),
        (rate(), window(most))
            .prop_map(|(rate, (window, calls))| SlowCallRate::at_least(rate).over(window).minimum_calls(calls).into()),
        prop_oneof![1..=5_u64, Just(most)].prop_map(|count| ConsecutiveFailures::of(count).into()),
    ]
}

fn evidence() -> impl Strategy<Value = Evidence> {
    let tolerated = prop_oneof![Just(0.001), 0.001..=0.999, Just(0.999)];
    let sustained = prop_oneof![Just(Duration::ZERO), duration()];
    (tolerated, excess(), sustained).prop_map(|(tolerated, excess, sustained)| {
        Evidence::tolerating(tolerated)
            .minimum_excess(excess)
            .sustained_for(sustained)
    })
}

/// A window, and the calls that it takes at the least.
fn window(most: u64) -> impl Strategy<Value = (SlidingWindow, u64)> {
    let calls = prop_oneof![Just(1_usize), 1..=100_usize, Just(SlidingWindow::MAX_CALLS)];
    prop_oneof![
        calls.prop_flat_map(|calls| (Just(SlidingWindow::last_calls(calls)), 1..=calls as u64)),
        (duration(), prop_oneof![1..=10_u64, Just(most)]).prop_map(|(time, calls)| {
            let time = time.max(Duration::from_millis(1));
            (SlidingWindow::last(time), calls)
        }),
    ]
}

fn open_duration() -> impl Strategy<Value = OpenDuration> {
    let factor = prop_oneof![Just(1.0), 1.0..=100.0, Just(100.0)];
    let jitter = prop_oneof![Just(0.0), 0.0..=1.0, Just(1.0)];
    let refused = prop_oneof![0..=20_u32, Just(u32::MAX)];
    let form = prop_oneof![
        duration().prop_map(OpenDuration::fixed),
        (duration(), duration(), factor, jitter, refused).prop_map(|(one, other, factor, jitter, refused)| {
            OpenDuration::growing(one.min(other), one.max(other))
                .factor(factor)
                .jitter(jitter)
                .refused_before_trial(refused)
                .ends_after_refusals(refused / 2)
        }),
    ];
    (form, option::of(duration())).prop_map(|(form, cap)| match cap {
        Some(cap) => form.honor_retry_after(cap),
        None => form,
    })
}

fn recovery() -> impl Strategy<Value = Recovery> {
    let stages = sample::subsequence((1..100).collect::<Vec<u8>>(), 0..=99).prop_map(|mut stages| {
        stages.push(100);
        stages
    });
    let successes = prop_oneof![1..=5_u32, Just(u32::MAX)];
    let permitted = prop_oneof![8 => 1..=5_u32, 4 => 1..=1000_u32, 1 => Just(1_000_000_u32)];
    let form = prop_oneof![
        (stages, successes, duration(), excess()).prop_map(|(stages, successes, duration, excess)| {
            Recovery::gradual()
                .stages(stages)
                .successes(successes)
                .stage_duration(duration)
                .net_failures(excess)
        }),
        (permitted, rate()).prop_map(|(calls, rate)| Recovery::permitted_calls(calls).bad_rate(rate)),
    ];
    (form, option::of(duration())).prop_map(|(recovery, timeout)| match timeout {
        Some(timeout) => recovery.probe_timeout(timeout),
        None => recovery,
    })
}

use std::time::Duration;

use tokio::time::advance;
use tower_breaker::{
    CircuitBreakerLayer, CircuitOpen, Config, Outcome, State,
    config::{CancelledCalls, SlowAfter},
    machine::{Completion, Machine, Settings, Settled, Ticket, Timestamp},
    observe::Transition,
    on_open::{CloneRequests, FailOverBudget},
    policy::SlowCallRate,
    recovery::{OpenDuration, Recovery},
    snapshot::Mode,
};

use crate::support::*;

// `slow_after` sets itself.

fn learning() -> Settings {
    settings().slow_after(SlowAfter::Learned)
}

/// Good calls, each of which is learned from, and when the last one has come back.
fn teach(machine: &mut Machine, calls: u32, takes: Duration, mut now: Timestamp) -> Timestamp {
    for _ in 0..calls {
        let mut ticket = machine.admit(now).unwrap();
        while !ticket.is_sampled() {
            machine.settle(ticket, Completion::Unused, now);
            now = now + ms(5);
            ticket = machine.admit(now).unwrap();
        }
        now = now + takes;
        machine.settle(ticket, GOOD, now);
    }
    now
}

/// A machine that has learned from 64 calls of 40 ms: their p99 is read as 45.25 ms, so calls are
/// slow after 203.6 ms. And the time.
fn taught(settings: Settings) -> (Machine, Timestamp) {
    let mut machine = machine(settings);
    let now = teach(&mut machine, 64, ms(40), at(0));
    (machine, now)
}

fn p99(machine: &Machine, now: Timestamp) -> Option<Duration> {
    machine.view(now).learned_p99
}

/// Minutes of calls that take so long.
fn minutes(machine: &mut Machine, minutes: u64, takes: Duration, now: Timestamp) -> Timestamp {
    let until = now + Duration::from_secs(60 * minutes);
    let mut now = now;
    while now < until {
        now = teach(machine, 1, takes, now);
    }
    now
}

#[test]
fn nothing_is_slow_before_64_calls_have_been_learned_from() {
    let mut machine = machine(learning());
    let now = teach(&mut machine, 63, ms(40), at(0));
    assert_eq!((machine.slow_after(), p99(&machine, now)), (None, None));
    let ticket = machine.admit(now).unwrap();
    assert_eq!(ticket.due(now), None);
    let now = teach(&mut machine, 1, ms(40), now);
    assert_eq!(p99(&machine, now), Some(Duration::from_nanos(45_254_848)));
    assert_eq!(machine.slow_after(), Some(Duration::from_nanos(203_646_816)));
    assert_eq!(machine.view(now).slow_after, machine.slow_after());
}

#[test]
fn the_p99_is_the_upper_edge_of_its_quarter_octave() {
    let of = |most: Duration, longest: Duration| {
        let mut machine = machine(learning());
        let now = teach(&mut machine, 63, most, at(0));
        let now = teach(&mut machine, 1, longest, now);
        p99(&machine, now).unwrap()
    };
    let nanos = Duration::from_nanos;
    assert_eq!(of(ms(8), ms(8)), ms(8));
    assert_eq!(of(ms(8), ms(8) + nanos(1)), nanos(9_513_656));
    assert_eq!(of(ms(1), nanos(9_513_657)), nanos(11_313_712));
    assert_eq!(of(ms(1), ms(16)), ms(16));
    assert_eq!(of(nanos(0), nanos(1)), ms(1));
    assert_eq!(of(ms(1), Duration::from_secs(3600)), ms(1 << 20));
}

#[test]
fn one_slow_call_in_a_hundred_is_the_p99_and_one_in_more_is_not() {
    let mut machine = machine(learning());
    let now = teach(&mut machine, 63, ms(40), at(0));
    let now = teach(&mut machine, 1, ms(400), now);
    assert!(p99(&machine, now) > Some(ms(400)), "1 of 64");
    // The old samples weigh half by now.
    let now = teach(&mut machine, 64, ms(40), now);
    assert!(p99(&machine, now) < Some(ms(50)), "half a one of 96");
}

#[test]
fn calls_are_never_slow_that_take_no_more_than_100_ms() {
    let mut machine = machine(learning());
    teach(&mut machine, 64, ms(2), at(0));
    assert_eq!(machine.slow_after(), Some(ms(100)));
}

#[test]
fn it_falls_freely_for_ten_minutes_and_then_by_half_in_ten_minutes() {
    let mut machine = machine(learning());
    let now = teach(&mut machine, 64, ms(4000), at(0));
    assert!(machine.slow_after() > Some(ms(18_000)));
    let now = minutes(&mut machine, 4, ms(40), now);
    assert!(machine.slow_after() < Some(ms(204)), "{:?}", machine.slow_after());

    let now = minutes(&mut machine, 7, ms(40), now);
    let before = machine.slow_after().unwrap();
    let now = minutes(&mut machine, 10, ms(4), now);
    let after = machine.slow_after().unwrap();
    assert!(
        after > before.mul_f64(0.49) && after < before.mul_f64(0.53),
        "{after:?} from {before:?}"
    );
    let now = minutes(&mut machine, 1, ms(4), now);
    let p99 = p99(&machine, now).unwrap();
    assert!(p99 > ms(20) && p99 < ms(23), "the p99 moves no faster: {p99:?}");
}

#[test]
fn it_doubles_in_ten_minutes_at_most_from_the_first() {
    let (mut machine, now) = taught(learning());
    let before = machine.slow_after().unwrap();
    // Slow calls don't trip this one: they come back good one by one.
    machine.set_mode(Mode::Shadow, "a test".into(), None, now);
    let now = minutes(&mut machine, 10, ms(4000), now);
    let after = machine.slow_after().unwrap();
    assert!(
        after <= before * 2 && after > before.mul_f64(1.7),
        "{after:?} from {before:?}"
    );
    minutes(&mut machine, 60, ms(4000), now);
    assert!(machine.slow_after() > Some(ms(18_000)), "it is absorbed in the end");
}

#[test]
fn an_idle_hour_adds_no_slack() {
    let after = |idle: Duration| {
        let (mut machine, now) = taught(learning());
        machine.set_mode(Mode::Shadow, "a test".into(), None, now);
        teach(&mut machine, 64, ms(1000), now + idle);
        machine.slow_after().unwrap()
    };
    let (busy, idle) = (after(Duration::ZERO), after(Duration::from_secs(3600)));
    assert!(idle <= busy.mul_f64(1.012), "{idle:?}, and {busy:?} with no idle hour");
}

#[test]
fn a_call_every_five_seconds_is_learned_from_as_fast_as_many() {
    let mut machine = machine(learning());
    let mut now = at(0);
    for call in 0..640 {
        machine.set_mode(Mode::Shadow, "a test".into(), None, now);
        now = now + Duration::from_secs(5);
        now = teach(&mut machine, 1, ms(if call < 64 { 40 } else { 4000 }), now);
    }
    // 48 minutes, of which each 64 calls were read together.
    assert!(machine.slow_after() > Some(ms(203 * 16)), "{:?}", machine.slow_after());
}

#[test]
fn about_ten_calls_a_second_are_learned_from() {
    for (every, seconds) in [(1, 100), (10, 100), (40, 100)] {
        let mut machine = machine(learning());
        let sampled: Vec<u64> = (0..seconds * 1000)
            .step_by(every)
            .filter(|now| machine.admit(at(*now)).unwrap().is_sampled())
            .collect();
        assert!(sampled.windows(2).all(|pair| pair[1] - pair[0] >= 50), "{every}");
        let number = sampled.len() as u64;
        assert!(
            (8 * seconds..13 * seconds).contains(&number),
            "{number} of one every {every} ms"
        );
    }
}

#[test]
fn the_seed_says_which_calls_are_learned_from() {
    let sampled = |seed| {
        let mut machine = Machine::new(learning(), seed).unwrap();
        let mut is_sampled = |now: &u64| machine.admit(at(*now)).unwrap().is_sampled();
        (0..10_000).filter(|now| is_sampled(now)).collect::<Vec<_>>()
    };
    assert_eq!(sampled(1), sampled(1));
    assert_ne!(sampled(1), sampled(2));
}

#[test]
fn rare_calls_are_all_learned_from() {
    let mut machine = machine(learning());
    for call in 0..100 {
        assert!(machine.admit(at(call * 1000)).unwrap().is_sampled());
    }
}

#[test]
fn any_call_of_a_burst_may_be_learned_from() {
    let mut machine = machine(learning());
    let mut places = Vec::new();
    for burst in 0..200 {
        let place = |place: &usize| {
            machine
                .admit(at(burst * 10_000 + *place as u64 / 1000))
                .unwrap()
                .is_sampled()
        };
        places.extend((0..100).filter(place));
    }
    let late = places.iter().filter(|place| **place >= 50).count();
    assert!(
        places.len() >= 100 && (places.len() / 3..places.len() * 2 / 3).contains(&late),
        "{places:?}"
    );
}

#[test]
fn the_limit_of_a_calls_start_counts() {
    let (mut machine, now) = taught(learning());
    let before = machine.admit(now).unwrap();
    let now = teach(&mut machine, 10 * 64, ms(4), now);
    assert_eq!(machine.slow_after(), Some(ms(100)));
    let after = machine.admit(now).unwrap();
    let slow = |machine: &mut Machine, ticket: Ticket, now| match machine.settle(ticket, GOOD, now) {
        Settled::Counted(assessment) => assessment.slow,
        settled => panic!("{settled:?}"),
    };
    assert!(slow(&mut machine, after, now + ms(150)));
    assert_eq!(before.due(now), before.due(at(0)));
    let started = now;
    let mut restarted = before;
    restarted.start(started);
    assert!(!slow(&mut machine, restarted, started + ms(203)));
}

#[test]
fn a_call_from_before_the_first_reading_is_never_slow() {
    let mut machine = machine(learning());
    let early = machine.admit(at(0)).unwrap();
    let now = teach(&mut machine, 64, ms(40), at(0));
    let settled = machine.settle(early, GOOD, now + ms(100_000));
    assert!(
        matches!(settled, Settled::Counted(assessment) if !assessment.slow),
        "{settled:?}"
    );
}

#[test]
fn failures_ignored_and_cancelled_calls_teach_nothing() {
    let mut machine = machine(learning());
    machine.set_mode(Mode::Shadow, "a test".into(), None, at(0));
    for call in 0..1000 {
        let now = at(call * 200);
        let ticket = machine.admit(now).unwrap();
        let completion = [BAD, IGNORED, Completion::Cancelled, Completion::Unused][call as usize % 4];
        machine.settle(ticket, completion, now + ms(40));
    }
    assert_eq!(p99(&machine, at(200_000)), None);
}

#[test]
fn a_stale_success_teaches() {
    let (mut machine, ticket, now) = tripped_while_learning(63);
    assert_eq!(machine.settle(ticket, GOOD, now + ms(40)), Settled::Stale);
    assert!(machine.slow_after().is_some());
}

/// A machine that has learned from so many calls and then tripped, with a call to learn from that
/// began before that.
fn tripped_while_learning(calls: u32) -> (Machine, Ticket, Timestamp) {
    let mut machine = machine(learning());
    let now = teach(&mut machine, calls, ms(40), at(0)) + ms(10_000);
    let mut ticket = machine.admit(now).unwrap();
    while !ticket.is_sampled() {
        ticket = machine.admit(now).unwrap();
    }
    for _ in 0..3 {
        call(&mut machine, BAD, now);
    }
    assert_eq!(machine.state(now), State::Open);
    (machine, ticket, now)
}

#[test]
fn probes_and_stages_teach() {
    let (mut machine, ..) = tripped_while_learning(62);
    let now = at(60_000);
    let probe = machine.admit(now).unwrap();
    assert!(probe.is_sampled() && machine.state(now) == State::HalfOpen);
    machine.settle(probe, GOOD, now + ms(40));
    let staged = machine.admit(now + ms(100)).unwrap();
    assert!(staged.is_sampled() && machine.view(now).share == 20);
    machine.settle(staged, GOOD, now + ms(140));
    assert!(machine.slow_after().is_some());
}

#[test]
fn disabled_teaches_nothing_and_shadow_does() {
    for (mode, teaches) in [(Mode::Disabled, false), (Mode::Shadow, true)] {
        let mut machine = machine(learning());
        let now = teach(&mut machine, 63, ms(40), at(0));
        let before = (0..100)
            .map(|_| machine.admit(now + ms(500)).unwrap())
            .find(Ticket::is_sampled);
        machine.set_mode(mode, "a test".into(), None, now + ms(500));
        for call in 1..200 {
            let ticket = machine.admit(now + ms(call * 1000)).unwrap();
            machine.settle(ticket, GOOD, now + ms(call * 1000 + 40));
        }
        machine.settle(before.unwrap(), GOOD, now + ms(200_000));
        assert_eq!(machine.slow_after().is_some(), teaches, "{mode}");
    }
}

#[test]
fn modes_keep_what_was_learned_and_reset_forgets_it() {
    let (mut machine, now) = taught(learning());
    let learned = machine.slow_after();
    for mode in [Mode::Disabled, Mode::ForcedOpen, Mode::Shadow, Mode::Automatic] {
        machine.set_mode(mode, "a test".into(), None, now);
        assert_eq!(machine.slow_after(), learned);
    }
    machine.reset("a test".into(), now);
    assert_eq!((machine.slow_after(), p99(&machine, now)), (None, None));
    teach(&mut machine, 64, ms(80), now);
    assert!(
        machine.slow_after() > learned.map(|learned| learned.mul_f64(1.9)),
        "it begins anew"
    );
}

#[test]
fn a_call_from_before_a_reset_teaches_nothing_after_it() {
    let mut machine = machine(learning());
    let old = machine.admit(at(0)).unwrap();
    assert!(old.is_sampled());
    machine.reset("a test".into(), at(0));
    let now = teach(&mut machine, 63, ms(40), at(1000));
    machine.settle(old, GOOD, now);
    assert_eq!(machine.slow_after(), None);
}

#[test]
fn another_configuration_keeps_what_was_learned() {
    let (mut machine, now) = taught(learning());
    let learned = machine.slow_after();
    let mut by_hand = learning();
    by_hand.slow_after = ms(300).into();
    machine.reconfigure(by_hand, now).unwrap();
    assert_eq!(machine.slow_after(), Some(ms(300)));
    let never = settings();
    machine.reconfigure(never, now).unwrap();
    let view = machine.view(now);
    assert_eq!((view.slow_after, view.learned_p99), (None, None));
    machine.reconfigure(learning(), now).unwrap();
    assert_eq!(machine.slow_after(), learned);
}

#[test]
fn a_probe_is_given_twice_the_learned_limit() {
    let mut machine = machine(learning());
    let now = teach(&mut machine, 64, ms(500), at(0));
    let slow_after = machine.slow_after().unwrap();
    assert!(slow_after > ms(2000));
    for _ in 0..3 {
        call(&mut machine, BAD, now);
    }
    let now = now + ms(1000);
    let mut probe = machine.admit(now).unwrap();
    assert_eq!(probe.streaming_deadline(now), Some(now + slow_after * 2));
    probe.wait();
    assert_eq!(probe.due(now), Some(now + slow_after * 2));
}

#[test]
fn jitter_is_the_same_whether_anything_is_learned_or_not() {
    let open_times = |slow_after| {
        let mut machine = machine(
            settings()
                .slow_after(slow_after)
                .open_duration(OpenDuration::default().refused_before_trial(0)),
        );
        let mut opened = Vec::new();
        for second in 0..500 {
            if let Ok(ticket) = machine.admit(at(second * 1000)) {
                machine.settle(ticket, BAD, at(second * 1000));
            }
            opened.extend(
                machine
                    .take_transitions()
                    .into_iter()
                    .filter_map(|transition| match transition {
                        Transition::Opened { open_for, .. } => Some(open_for),
                        _ => None,
                    }),
            );
        }
        opened
    };
    let learned = open_times(SlowAfter::Learned);
    assert!(learned.len() > 20);
    assert_eq!(learned, open_times(SlowAfter::Never));
}

// Rule 2: calls whose callers give up.

#[test]
fn a_call_that_is_given_up_past_one_and_a_half_p99s_is_slow() {
    for slow_after in [SlowAfter::Learned, SlowAfter::After(ms(10_000))] {
        let (mut machine, mut now) = taught(settings().slow_after(slow_after));
        let limit = p99(&machine, now).unwrap() * 3 / 2;
        let mut given_up = |after| {
            let ticket = machine.admit(now).unwrap();
            now = now + after;
            machine.settle(ticket, Completion::Cancelled, now)
        };
        assert_eq!(given_up(limit), Settled::Cancelled);
        let settled = given_up(limit + Duration::from_nanos(1));
        assert!(
            matches!(settled, Settled::Counted(assessment) if assessment.slow && !assessment.failed),
            "{settled:?}"
        );
    }
}

#[test]
fn a_call_that_is_given_up_says_nothing_where_nothing_was_learned() {
    for (slow_after, calls) in [(SlowAfter::Learned, 63), (SlowAfter::Never, 64)] {
        let mut machine = machine(learning());
        let now = teach(&mut machine, calls, ms(40), at(0));
        let other = settings().slow_after(slow_after);
        machine.reconfigure(other, now).unwrap();
        let ticket = machine.admit(now).unwrap();
        let settled = machine.settle(ticket, Completion::Cancelled, now + Duration::from_secs(60));
        assert_eq!(settled, Settled::Cancelled);
    }
}

#[test]
fn given_up_calls_that_are_ignored_stay_so_past_any_p99() {
    let (mut machine, now) = taught(learning().cancelled_calls(CancelledCalls::Ignore));
    let ticket = machine.admit(now).unwrap();
    assert_eq!(
        machine.settle(ticket, Completion::Cancelled, now + ms(150)),
        Settled::Cancelled
    );
}

#[tokio::test(start_paused = true)]
async fn impatient_callers_of_a_primary_that_hangs_trip_the_breaker() {
    let breaker = builder()
        .slow_after(SlowAfter::Learned)
        .build()
        .unwrap()
        .breaker()
        .clone();
    for _ in 0..64 {
        let permit = breaker.try_acquire().unwrap();
        advance(ms(50)).await;
        permit.record(Outcome::Success);
    }
    for _ in 0..3 {
        let permit = breaker.try_acquire().unwrap();
        advance(ms(120)).await;
        drop(permit);
    }
    assert!(breaker.snapshot().slow_after > Some(ms(120)));
    assert_eq!(breaker.state(), State::Open);
    assert_eq!(breaker.snapshot().totals.primary.slow, 3);
}

// What `Auto` stands for.

#[test]
fn auto_is_learned_with_a_backup_and_never_without() {
    let learns = |breaker: &tower_breaker::Breaker, clock: &ManualClock, from: u64| {
        for call in from..from + 64 {
            clock.set(ms(call * 1000));
            breaker.try_acquire().unwrap().record(Outcome::Success);
        }
        breaker.snapshot().slow_after.is_some()
    };
    let clock = ManualClock::default();
    let builder = || CircuitBreakerLayer::builder().clock(clock.clone());
    let budget = FailOverBudget::percent(10);
    let layers = [
        (builder().backup(Spare).build().unwrap().breaker().clone(), true),
        (
            builder()
                .backup(Spare)
                .fail_over(CloneRequests, budget)
                .build()
                .unwrap()
                .breaker()
                .clone(),
            true,
        ),
        (builder().build().unwrap().breaker().clone(), false),
        (
            builder().backup(Spare).reject().build().unwrap().breaker().clone(),
            false,
        ),
        (builder().wait().build().unwrap().breaker().clone(), false),
        (
            builder()
                .respond(|_: u32, _: CircuitOpen| "busy")
                .build()
                .unwrap()
                .breaker()
                .clone(),
            false,
        ),
    ];
    for (index, (breaker, expected)) in layers.iter().enumerate() {
        clock.set(Duration::ZERO);
        assert_eq!(learns(breaker, &clock, 0), *expected, "{index}");
        // And so it is in a configuration that comes later.
        breaker
            .reconfigure(Config::default().slow_after(SlowAfter::Never))
            .unwrap();
        assert_eq!(breaker.snapshot().slow_after, None);
        breaker.reconfigure(Config::default()).unwrap();
        assert_eq!(learns(breaker, &clock, 100), *expected, "{index}");
        assert_eq!(breaker.config(), Config::default());
    }
}

#[test]
fn a_slow_call_rate_needs_no_slow_after_where_it_is_learned() {
    let builder = || CircuitBreakerLayer::builder().trip_when(SlowCallRate::at_least(0.5));
    let layer = builder().backup(Spare).build().unwrap();
    let config = Config::default().trip_when(SlowCallRate::at_least(0.8));
    layer.breaker().reconfigure(config.clone()).unwrap();
    assert!(builder().build().is_err());
    assert!(builder().slow_after(SlowAfter::Learned).build().is_ok());
    let never = config.slow_after(None);
    assert_eq!(layer.breaker().reconfigure(never).unwrap_err().field(), "slow_after");
}

#[tokio::test(start_paused = true)]
async fn calls_that_were_overdue_teach_when_they_come_back() {
    let breaker = builder()
        .slow_after(SlowAfter::Learned)
        .build()
        .unwrap()
        .breaker()
        .clone();
    breaker.shadow("a test", None);
    for takes in [50, 500].into_iter().flat_map(|takes| [takes; 200]) {
        let mut permit = breaker.try_acquire().unwrap();
        advance(ms(takes - 10)).await;
        // Whatever is done to the breaker finds what is overdue.
        permit.note_retry_after(Duration::ZERO);
        advance(ms(10)).await;
        permit.record(Outcome::Success);
    }
    let view = breaker.snapshot();
    assert!(breaker.snapshot().totals.primary.slow > 30);
    assert!(view.learned_p99 > Some(ms(58)), "{:?}", view.learned_p99);
}

#[test]
fn a_streams_answer_is_what_is_learned_and_not_its_end() {
    let (mut machine, ..) = tripped_while_learning(63);
    let now = at(60_000);
    let mut probe = machine.admit(now).unwrap();
    probe.answer(now + ms(40));
    machine.streaming(now + ms(5000));
    machine.learn(&probe, GOOD, now + ms(3_600_000));
    assert_eq!(p99(&machine, now), Some(Duration::from_nanos(45_254_848)));
}

#[test]
fn recovery_by_permitted_calls_takes_a_learned_limit() {
    let (mut machine, now) = taught(learning().recovery(Recovery::permitted_calls(1)));
    for _ in 0..3 {
        call(&mut machine, BAD, now);
    }
    let probe = machine.admit(now + ms(1000)).unwrap();
    machine.settle(probe, GOOD, now + ms(1000 + 204));
    assert_eq!(machine.state(now + ms(1204)), State::Open, "the probe was slow");
}

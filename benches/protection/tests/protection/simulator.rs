//! Compares the simulator with results that can be calculated by hand.

use std::time::Duration;

use tower_breaker::clock::Timestamp;
use tower_breaker_protection::{
    contestant::End,
    scenario::{Plan, Scenario},
    sim::{self, Conditions},
};

use crate::contestants::{CONDITIONS, ObservedCall, all_to_backup, all_to_primary, scenario, trip_at};

fn is_near(measured: f64, expected: f64, tolerance: f64) {
    assert!(
        (measured - expected).abs() <= tolerance,
        "{measured} is not {expected} ± {tolerance}"
    );
}

/// Returns the share of the calls that started in these seconds and failed.
fn failed(seen: &[ObservedCall], from: f64, until: f64) -> f64 {
    let within: Vec<_> = seen
        .iter()
        .filter(|call| (from..until).contains(&call.started))
        .collect();
    within.iter().filter(|call| call.end == End::Failure).count() as f64 / within.len() as f64
}

#[test]
fn outage_without_a_breaker_costs_the_backups_answers() {
    let outage = scenario(
        "duration = \"100s\"\narrivals = { rate = 100 }\n[[fault]]\nfrom = \"35s\"\nlasts = \"30s\"\nerrors = 1.0\n",
    );
    let regrets = (1..=10).map(|seed| {
        let conditions = Conditions { seed, ..CONDITIONS };
        let reference = sim::run_reference(&outage, conditions).0;
        all_to_primary(&outage, conditions).0.regret(&reference)
    });
    // 30 of 100 s, in which the backup's answer would have been worth 0.5.
    is_near(regrets.sum::<f64>() / 10.0, 150.0, 3.0);
}

#[test]
fn requests_arrive_at_their_rate_as_a_poisson_process() {
    let healthy = scenario("duration = \"1000s\"\narrivals = { rate = 50 }\n");
    let (measures, seen) = all_to_primary(&healthy, CONDITIONS);
    is_near(measures.requests as f64, 50_000.0, 3.0 * 50_000.0_f64.sqrt());
    let mut a_second = vec![0_u32; 1000];
    seen.iter().for_each(|call| a_second[call.started as usize] += 1);
    let variance = a_second
        .iter()
        .map(|count| (f64::from(*count) - 50.0).powi(2))
        .sum::<f64>()
        / 1000.0;
    is_near(variance, 50.0, 10.0);
}

#[test]
fn healthy_service_leaves_nothing_to_regret() {
    let healthy = scenario("duration = \"300s\"\narrivals = { rate = 100 }\n");
    let reference = sim::run_reference(&healthy, CONDITIONS).0;
    let (measures, seen) = all_to_primary(&healthy, CONDITIONS);
    assert_eq!(measures.regret(&reference), 0.0);
    assert_eq!((measures.to_primary, measures.refused), (measures.requests, 0));
    // The errors of a healthy primary; a lognormal's median, and its 99th percentile at e^(0.4 ×
    // 2.326) times the median.
    is_near(failed(&seen, 0.0, 300.0), 0.002, 0.001);
    is_near(measures.latency(0.5).unwrap().as_secs_f64(), 0.040, 0.002);
    is_near(measures.latency(0.99).unwrap().as_secs_f64(), 0.1014, 0.006);
}

#[test]
fn no_contestant_does_better_than_the_reference() {
    for scenario in Scenario::built_in() {
        // In a closed loop, a contestant that answers sooner gets more requests, so that the
        // reference may lose.
        if scenario.arrivals.callers.is_some() || scenario.arrivals.rate > Some(1000.0) {
            continue;
        }
        let reference = sim::run_reference(&scenario, CONDITIONS).0;
        let others = [
            all_to_primary(&scenario, CONDITIONS).0,
            all_to_backup(&scenario, CONDITIONS).0,
        ];
        for other in others {
            assert_eq!(other.requests, reference.requests, "{}", scenario.name);
            let regret = other.regret(&reference);
            assert!(regret > -0.5, "{}: {regret}", scenario.name);
        }
    }
}

#[test]
fn every_request_comes_to_one_end() {
    for scenario in Scenario::built_in()
        .into_iter()
        .filter(|scenario| scenario.name != "S17")
    {
        let run = all_to_primary(&scenario, CONDITIONS).0;
        let ends = run.good + run.slow + run.by_backup + run.errors + run.dropped;
        assert_eq!(run.requests, ends, "{}", scenario.name);
    }
}

#[test]
fn hanging_calls_end_at_the_timeout_or_at_the_objective_behind_one() {
    let hole = scenario(
        "duration = \"20s\"\narrivals = { rate = 100 }\nclient = { timeout = \"3s\" }\n[[fault]]\nfrom = \"5s\"\nhangs = 1.0\n",
    );
    for (timeout_at_objective, limit) in [(false, 3.0), (true, 0.5)] {
        let conditions = Conditions {
            timeout_at_objective,
            ..CONDITIONS
        };
        let (measures, seen) = all_to_primary(&hole, conditions);
        let hung: Vec<_> = seen.iter().filter(|call| call.started > 5.0).collect();
        assert!(hung.len() > 1000);
        assert!(hung.iter().all(|call| call.end == End::Failure && call.took == limit));
        assert!(measures.errors as usize >= hung.len());
    }
}

#[test]
fn answer_after_the_objective_is_slow_and_worth_nothing() {
    let slow = scenario(
        "duration = \"20s\"\narrivals = { rate = 100 }\nservice = { median = \"700ms\", sigma = 0.01, errors = 0.0 }\n",
    );
    let measures = all_to_primary(&slow, CONDITIONS).0;
    assert_eq!((measures.slow, measures.utility), (measures.requests, 0.0));
    let conditions = Conditions {
        timeout_at_objective: true,
        ..CONDITIONS
    };
    assert_eq!(all_to_primary(&slow, conditions).0.errors, measures.requests);
}

#[test]
fn callers_who_give_up_are_counted_and_reported_to_the_breaker() {
    let impatient = scenario(
        "duration = \"100s\"\narrivals = { rate = 100 }\nclient = { drops = { share = 0.3, after = \"1ms\" } }\n",
    );
    let (measures, seen) = all_to_primary(&impatient, CONDITIONS);
    is_near(measures.dropped as f64 / measures.requests as f64, 0.3, 0.015);
    let dropped: Vec<_> = seen.iter().filter(|call| call.end == End::Dropped).collect();
    assert_eq!(dropped.len() as u64, measures.dropped);
    assert!(dropped.iter().all(|call| call.took == 0.001));
}

#[test]
fn failed_requests_are_tried_again_after_a_wait_that_doubles() {
    let retried = scenario(
        "duration = \"200s\"\narrivals = { callers = 1, pause = \"5s\" }\n\
         client = { retries = 2, retry_after = { uniform = [\"20ms\", \"100ms\"] } }\n\
         [[fault]]\nfrom = \"0s\"\nerrors = 1.0\nerror_after = \"5ms\"\n",
    );
    let (measures, seen) = all_to_primary(&retried, CONDITIONS);
    assert!(measures.requests > 30);
    assert_eq!(
        (measures.errors, measures.to_primary),
        (measures.requests, 3 * measures.requests)
    );
    for attempts in seen.chunks(3) {
        let waits = [0, 1].map(|index| attempts[index + 1].started - attempts[index].started - attempts[index].took);
        assert!(
            (0.02..0.1).contains(&waits[0]) && (0.04..0.2).contains(&waits[1]),
            "{waits:?}"
        );
    }
}

#[test]
fn pool_with_idle_workers_has_no_wait() {
    let free = "duration = \"200s\"\narrivals = { rate = 50 }\n";
    let pooled = format!("{free}pool = {{ workers = 50 }}\n");
    let (free, pooled) = (
        all_to_primary(&scenario(free), CONDITIONS).0,
        all_to_primary(&scenario(&pooled), CONDITIONS).0,
    );
    assert_eq!(
        (free.good, free.utility, free.errors),
        (pooled.good, pooled.utility, pooled.errors)
    );
    assert_eq!(
        [0.5, 0.99, 1.0].map(|share| free.latency(share)),
        [0.5, 0.99, 1.0].map(|share| pooled.latency(share))
    );
}

#[test]
fn one_worker_makes_calls_wait_as_long_as_pollaczek_and_khinchine_say() {
    let busy = scenario(
        "duration = \"20000s\"\narrivals = { rate = 10 }\nservice = { median = \"50ms\", sigma = 0.01, errors = 0.0 }\n\
         client = { timeout = \"100s\" }\npool = { workers = 1 }\n",
    );
    let (_, seen) = all_to_primary(&busy, CONDITIONS);
    let mean = seen.iter().map(|call| call.took).sum::<f64>() / seen.len() as f64;
    // M/D/1 with ρ = 0.5: the wait is ρ / (2 (1 − ρ)) service times before the call's own.
    is_near(mean, 0.050 * 1.5, 0.001);
}

#[test]
fn full_queue_turns_others_away_at_once() {
    let busy = scenario(
        "duration = \"60s\"\narrivals = { rate = 100 }\nservice = { median = \"100ms\", sigma = 0.01, errors = 0.0 }\n\
         client = { timeout = \"10s\" }\npool = { workers = 1, queue = 5 }\n",
    );
    let (measures, seen) = all_to_primary(&busy, CONDITIONS);
    // A worker serves 10 a second. A call is there for at most six of its turns.
    is_near(measures.good as f64 + measures.slow as f64, 600.0, 10.0);
    assert!(seen.iter().all(|call| call.took < 0.65));
    assert!(seen.iter().all(|call| call.end == End::Success || call.took == 0.005));
}

#[test]
fn pool_that_was_down_is_cold_and_warms_with_each_answer() {
    let cold = scenario(
        "duration = \"60s\"\narrivals = { rate = 20 }\nservice = { median = \"40ms\", sigma = 0.001, errors = 0.0 }\n\
         [pool]\nworkers = 100\nwarm_up = { slower = 4.0, answers = 200 }\n\
         [[fault]]\nfrom = \"10s\"\nlasts = \"10s\"\ndown = true\n",
    );
    let (measures, seen) = all_to_primary(&cold, CONDITIONS);
    assert_eq!(failed(&seen, 10.0, 20.0), 1.0);
    let mut after: Vec<_> = seen.iter().filter(|call| call.started >= 20.0).collect();
    after.sort_by(|one, other| one.started.total_cmp(&other.started));
    is_near(after[0].took, 0.040 * 5.0, 0.001);
    is_near(after[100].took, 0.040 * 3.0, 0.005);
    is_near(after.last().unwrap().took, 0.040, 0.001);
    assert_eq!(measures.crashes, 0);
}

#[test]
fn wait_that_is_too_long_crashes_the_pool_for_its_time() {
    let overrun = scenario(
        "duration = \"120s\"\narrivals = { rate = 100 }\nservice = { median = \"40ms\", sigma = 0.01, errors = 0.0 }\n\
         client = { timeout = \"5s\" }\n[pool]\nworkers = 2\ncrash = { after_wait = \"1s\", down = \"10s\" }\n",
    );
    let (measures, seen) = all_to_primary(&overrun, CONDITIONS);
    // Of 100 a second it serves 50: after two seconds the queue is a second long.
    is_near(measures.crashes as f64, 10.0, 1.0);
    let first = seen.iter().find(|call| call.end == End::Failure).unwrap();
    let crash = first.started + first.took;
    is_near(crash, 2.0, 0.6);
    assert_eq!(failed(&seen, crash, crash + 10.0), 1.0);
    assert!(failed(&seen, crash + 10.0, crash + 10.5) < 0.1);
}

#[test]
fn work_is_done_even_if_its_caller_gave_up() {
    let abandoned = |timeout: &str| {
        let text = format!(
            "duration = \"60s\"\narrivals = {{ rate = 60 }}\nservice = {{ median = \"40ms\", sigma = 0.01, errors = 0.0 }}\n\
             client = {{ timeout = \"{timeout}\" }}\npool = {{ workers = 2 }}\n"
        );
        all_to_primary(&scenario(&text), CONDITIONS).1
    };
    // 20 % too much: the queue grows by a second in five. No answer comes within 500 ms any more,
    // although 5 of 6 could.
    assert_eq!(failed(&abandoned("500ms"), 30.0, 60.0), 1.0);
    assert_eq!(failed(&abandoned("60s"), 30.0, 60.0), 0.0);
}

#[test]
fn pause_delays_what_overlaps_it_and_nothing_else() {
    let paused = scenario(
        "duration = \"60s\"\narrivals = { rate = 200 }\nservice = { median = \"40ms\", sigma = 0.001, errors = 0.0 }\n\
         [[fault]]\nfrom = \"10s\"\nlasts = \"800ms\"\nevery = \"20s\"\npauses = true\n",
    );
    let (_, seen) = all_to_primary(&paused, CONDITIONS);
    let mut delayed = 0;
    for call in &seen {
        let pause = 10.0 + 20.0 * ((call.started - 9.9) / 20.0).floor();
        let left = pause + 0.8 - call.started.max(pause);
        let is_hit = call.started + 0.040 > pause && left > 0.0;
        // Within a millisecond of a pause's start, chance decides.
        if (call.started + 0.040 - pause).abs() > 0.001 {
            is_near(call.took, 0.040 + if is_hit { left } else { 0.0 }, 0.001);
            delayed += u32::from(is_hit);
        }
    }
    is_near(f64::from(delayed), 3.0 * 200.0 * 0.84, 75.0);
}

#[test]
fn flapping_alternates_for_as_long_as_it_is_meant_to() {
    let flapping = scenario(
        "duration = \"300s\"\narrivals = { rate = 1 }\n[[fault]]\nfrom = \"60s\"\nlasts = \"180s\"\nerrors = 1.0\n\
         flaps = { there = { exponential = \"8s\" }, away = { exponential = \"8s\" } }\n",
    );
    let at = |seconds| Timestamp::START + Duration::from_secs(seconds);
    let mut there = Duration::ZERO;
    for seed in 0..200 {
        let outages = Plan::draw(&flapping, seed).outages;
        assert_eq!(outages[0].from, at(60));
        assert!(outages.windows(2).all(|pair| pair[0].until < pair[1].from));
        assert!(
            outages
                .iter()
                .all(|outage| outage.from < outage.until && outage.until <= at(240))
        );
        there += outages
            .iter()
            .map(|outage| outage.until.since(outage.from))
            .sum::<Duration>();
    }
    // It begins there. On and off in turn, it is there for half of the time, plus half a turn of 4
    // s.
    is_near(there.as_secs_f64() / 200.0, 92.0, 5.0);
}

#[test]
fn leak_fails_half_of_the_calls_at_half_of_its_time() {
    let leak = scenario(
        "duration = \"100s\"\narrivals = { rate = 2000 }\nservice = { errors = 0.0 }\n\
         [[fault]]\nfrom = \"0s\"\nlasts = \"100s\"\nerrors = 0.0\nerrors_to = 1.0\n",
    );
    let (_, seen) = all_to_primary(&leak, CONDITIONS);
    for at in [10.0, 50.0, 90.0] {
        is_near(failed(&seen, at - 1.0, at + 1.0), at / 100.0, 0.03);
    }
}

#[test]
fn dead_shard_fails_its_own_calls_only() {
    let shard = scenario(
        "duration = \"60s\"\narrivals = { rate = 200, keys = 10 }\nservice = { errors = 0.0 }\n\
         [[fault]]\nfrom = \"0s\"\nkey = 3\nerrors = 1.0\n",
    );
    let (measures, seen) = all_to_primary(&shard, CONDITIONS);
    assert!(seen.iter().all(|call| (call.key == 3) == (call.end == End::Failure)));
    is_near(measures.errors as f64 / measures.requests as f64, 0.1, 0.01);
}

#[test]
fn demand_grows_with_its_fault() {
    let flood = scenario(
        "duration = \"60s\"\narrivals = { rate = 100 }\n[[fault]]\nfrom = \"20s\"\nlasts = \"20s\"\ndemand = 3.0\n",
    );
    let (_, seen) = all_to_primary(&flood, CONDITIONS);
    let came = |from: f64| {
        seen.iter()
            .filter(|call| (from..from + 20.0).contains(&call.started))
            .count()
    };
    is_near(came(0.0) as f64, 2000.0, 140.0);
    is_near(came(20.0) as f64, 6000.0, 240.0);
    is_near(came(40.0) as f64, 2000.0, 140.0);
}

#[test]
fn caller_waits_for_the_answer_and_then_pauses() {
    let few = scenario(
        "duration = \"100s\"\narrivals = { callers = 2, pause = \"60ms\" }\n\
         service = { median = \"40ms\", sigma = 0.001, errors = 0.0 }\n",
    );
    let (measures, seen) = all_to_primary(&few, CONDITIONS);
    is_near(measures.requests as f64, 2000.0, 4.0);
    for pair in seen.windows(3) {
        assert!(
            pair[0].started + pair[0].took <= pair[2].started,
            "three calls of two callers"
        );
    }
}

#[test]
fn saturated_backup_gives_as_many_answers_as_it_can() {
    let tired = scenario("duration = \"100s\"\narrivals = { rate = 100 }\nbackup = { rate = 30, queue = 60 }\n");
    let (measures, seen) = all_to_backup(&tired, CONDITIONS);
    // Except for the first ones, while the queue fills, they are too late to be worth anything.
    is_near((measures.by_backup + measures.slow) as f64, 30.0 * 100.0 + 60.0, 5.0);
    is_near(measures.by_backup as f64, 22.0, 5.0);
    assert_eq!(measures.errors, measures.requests - measures.by_backup - measures.slow);
    assert_eq!(measures.utility, 0.5 * measures.by_backup as f64);
    let longest = seen.iter().map(|call| call.took).fold(0.0, f64::max);
    is_near(longest, 60.0 / 30.0 + 0.010, 0.04);
}

#[test]
fn rejected_calls_end_in_errors() {
    let healthy = scenario("duration = \"10s\"\narrivals = { rate = 100 }\n");
    let conditions = Conditions {
        reject: true,
        ..CONDITIONS
    };
    let measures = all_to_backup(&healthy, conditions).0;
    assert_eq!((measures.errors, measures.by_backup), (measures.requests, 0));
    assert_eq!((measures.refused, measures.utility), (measures.requests, 0.0));
}

#[test]
fn trip_is_false_where_the_reference_would_have_called() {
    let trips = |scenario: &Scenario, seconds| {
        let measures = trip_at(scenario, seconds);
        (measures.trips, measures.false_trips)
    };
    let outage = |must_not_trip: bool| {
        scenario(&format!(
            "duration = \"60s\"\nmust_not_trip = {must_not_trip}\narrivals = {{ rate = 100 }}\n\
             [[fault]]\nfrom = \"20s\"\nlasts = \"20s\"\nerrors = 0.4\n"
        ))
    };
    assert_eq!(trips(&outage(false), 10), (1, 1));
    assert_eq!(trips(&outage(false), 30), (1, 0));
    assert_eq!(trips(&outage(true), 30), (1, 1));
    // The fault is long over, but the queue that it left is not.
    let metastable = &Scenario::built_in()[8];
    assert_eq!(metastable.name, "S9");
    assert_eq!(trips(metastable, 150), (1, 0));
    assert_eq!(trips(metastable, 30), (1, 1));
}

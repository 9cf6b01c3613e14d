//! Healthy traffic of every kind trips no breaker whose `slow_after` is learned; what isn't healthy
//! does.

use crate::{
    support::*,
    traffic::{Chances, Traffic, secs},
};

const MINUTE: f64 = 60.0;
const HOUR: f64 = 3600.0;

/// 40 ms in the median, 101 ms at the p99.
fn usual(_: f64, chances: &mut Chances) -> f64 {
    chances.lognormal(0.040, 0.4)
}

/// A service that has been well for twenty minutes.
fn settled() -> Traffic {
    let mut traffic = Traffic::new();
    traffic.run(50.0, 20.0 * MINUTE, usual);
    assert!(traffic.trips.is_empty(), "{:?}", traffic.trips);
    traffic
}

fn assert_never_trips(per_second: f64, seconds: f64, takes: impl FnMut(f64, &mut Chances) -> f64) -> Traffic {
    let mut traffic = Traffic::new();
    traffic.run(per_second, seconds, takes);
    assert!(traffic.trips.is_empty(), "{:?}", traffic.trips);
    assert!(traffic.machine.slow_after().is_some());
    traffic
}

#[test]
fn usual_traffic_has_a_limit_of_four_and_a_half_p99s() {
    let slow_after = settled().slow_after().as_secs_f64();
    assert!((3.0..6.0).contains(&(slow_after / 0.101)), "{slow_after}");
}

#[test]
fn two_humps() {
    for slow in [0.005, 0.02, 0.1, 0.4] {
        assert_never_trips(50.0, 20.0 * MINUTE, |_, chances| {
            let is_slow = chances.even() < slow;
            chances.lognormal(if is_slow { 0.8 } else { 0.02 }, 0.3)
        });
    }
}

#[test]
fn a_heavy_tail() {
    assert_never_trips(50.0, 30.0 * MINUTE, |_, chances| chances.lognormal(0.03, 1.5));
    assert_never_trips(50.0, 30.0 * MINUTE, |_, chances| {
        0.02 * (1.0 - chances.even()).powf(-1.0 / 1.2)
    });
}

#[test]
fn a_drift_of_one_doubling_in_ten_minutes() {
    let takes = |now: f64, chances: &mut Chances| chances.lognormal(0.04, 0.4) * 2_f64.powf(now / (10.0 * MINUTE));
    assert_never_trips(50.0, HOUR, takes);
}

#[test]
fn steps_up_and_down() {
    assert_never_trips(50.0, HOUR, |now, chances| {
        let factor = if (now / (15.0 * MINUTE)) as u64 % 2 == 0 {
            1.0
        } else {
            4.0
        };
        chances.lognormal(0.04 * factor, 0.4)
    });
}

#[test]
fn a_cold_start() {
    let traffic = assert_never_trips(50.0, 9.0 * MINUTE, |now, chances| {
        chances.lognormal(0.04, 0.4) * (1.0 + 30.0 * (-now / 20.0).exp())
    });
    assert!(traffic.slow_after() < ms(700), "{:?}", traffic.slow_after());
}

#[test]
fn bursts() {
    let mut traffic = Traffic::new();
    for _ in 0..1000 {
        let mut queue = 0.0;
        traffic.burst(200, |_, chances| {
            queue += 0.002;
            queue + chances.lognormal(0.04, 0.4)
        });
        traffic.sleep(10.0);
    }
    assert!(traffic.trips.is_empty(), "{:?}", traffic.trips);
    assert!(traffic.machine.slow_after().is_some());
}

#[test]
fn rare_calls() {
    let traffic = assert_never_trips(0.2, 24.0 * HOUR, usual);
    assert!(traffic.slow_after() < ms(1000), "{:?}", traffic.slow_after());
}

#[test]
fn pauses() {
    // All that starts in a pause waits for its end.
    assert_never_trips(200.0, 20.0 * MINUTE, |now, chances| {
        let into = now % 20.0;
        chances.lognormal(0.04, 0.4) + (0.8 - into).max(0.0)
    });
}

#[test]
fn a_lasting_step_up_is_absorbed_in_the_end() {
    for (per_second, healthy, hours) in [(20.0, 20.0 * MINUTE, 0.5), (0.2, 2.0 * HOUR, 6.0)] {
        let mut traffic = Traffic::new();
        traffic.run(per_second, healthy, usual);
        assert!(traffic.trips.is_empty(), "{:?}", traffic.trips);
        let slow = |_: f64, chances: &mut Chances| chances.lognormal(1.6, 0.4);
        traffic.run(per_second, 5.0 * MINUTE, slow);
        assert!(!traffic.trips.is_empty(), "forty times as slow is an outage at first");
        traffic.run(per_second, hours * HOUR, slow);
        traffic.trips.clear();
        traffic.run(per_second, 30.0 * MINUTE, slow);
        assert!(traffic.trips.is_empty(), "{:?}", traffic.trips);
        assert!(traffic.is_closed());
    }
}

#[test]
fn a_brownout_is_over_before_it_is_taken_for_health() {
    let mut traffic = settled();
    let before = traffic.slow_after();
    traffic.run(50.0, 2.0 * MINUTE, |_, chances| chances.lognormal(0.6, 0.4));
    assert!(!traffic.trips.is_empty());
    assert!(
        traffic.slow_after() < before.mul_f64(1.2),
        "{:?} from {before:?}",
        traffic.slow_after()
    );
}

#[test]
fn a_hang_is_noticed_after_the_learned_limit() {
    let mut traffic = settled();
    let (slow_after, began) = (traffic.slow_after(), 20.0 * MINUTE);
    traffic.run(50.0, 10.0, |_, _| HOUR);
    let noticed = secs(traffic.trips[0] - began);
    assert!(
        noticed >= slow_after && noticed < ms(1300).max(slow_after + ms(600)),
        "{noticed:?}"
    );
}

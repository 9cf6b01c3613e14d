//! The entries of all other breakers, with their parameters.

use std::time::Duration;

use seatbelt::breaker::HalfOpenMode;

#[cfg(target_os = "linux")]
use super::{failsafe, recloser::Recloser, tower_resilience::TowerResilience};
use super::{
    go_zero::{self, GoZero},
    gobreaker::{self, Gobreaker},
    linkerd::{self, Linkerd},
    none::None,
    polly::{self, Polly},
    resilience4j::{self, Resilience4j},
    seatbelt::Seatbelt,
    semian::{self, Semian},
    semian_pid::{self, SemianPid},
    sre_throttle::{self, SreThrottle},
};
use crate::entry::Entry;

/// Builds the entry of a peer.
macro_rules! row {
    ($name:literal, $about:expr, $make:expr $(,)?) => {
        Entry {
            name: $name,
            about: $about,
            timeout_at_objective: false,
            make: $make,
        }
    };
}

/// Builds the entries of a peer that is tuned for this traffic: one as it is, one behind a timeout
/// at the objective.
macro_rules! tuned {
    ($name:literal, $about:literal, $make:expr $(,)?) => {
        [
            row!($name, $about, $make),
            Entry {
                name: concat!($name, "-timeout"),
                about: concat!($about, "; behind a timeout at the objective"),
                timeout_at_objective: true,
                make: $make,
            },
        ]
    };
}

/// Returns all peers. Omits those whose time can't be made virtual on this platform.
pub fn roster() -> Vec<Entry> {
    let mut entries = vec![row!("none", "everything to the primary", |_| Box::new(None))];
    #[cfg(target_os = "linux")]
    entries.extend(crates_on_real_clocks());
    entries.extend(seatbelt());
    entries.extend(state_machines());
    entries.extend(throttles());
    entries
}

#[cfg(target_os = "linux")]
fn crates_on_real_clocks() -> Vec<Entry> {
    let mut entries = vec![
        row!(
            "tower-resilience",
            "tower-resilience-circuitbreaker 0.14.0, defaults: 50 % of 100 calls or more since the last change, open 30 s, 1 \
             probe",
            |_| Box::new(TowerResilience::with_defaults()),
        ),
        row!(
            "failsafe",
            "failsafe 1.3.0, defaults (backoff jitter from a seeded generator): success rate below 80 % in 30 s, min 5, or \
             5 failures in a row; open 10 to 300 s, equal jitter",
            |setup| Box::new(failsafe::with_defaults(setup.seed)),
        ),
        row!(
            "recloser",
            "recloser 1.4.0, defaults: 50 % of the last 100 calls, open 30 s, half-open until 11 have ended",
            |_| Box::new(Recloser::with_defaults()),
        ),
    ];
    entries.extend(tuned!(
        "tower-resilience-tuned",
        "tower-resilience-circuitbreaker 0.14.0: 50 % failed or 50 % slower than the objective in 10 s, min 20, open 5 s, 1 \
         probe",
        |setup| Box::new(TowerResilience::tuned(setup.objective)),
    ));
    entries.extend(tuned!(
        "failsafe-tuned",
        "failsafe 1.3.0: success rate below 50 % in 10 s, min 20, or 7 failures in a row; open 1 to 5 s",
        |_| Box::new(failsafe::tuned()),
    ));
    entries.extend(tuned!(
        "recloser-tuned",
        "recloser 1.4.0, which knows no window of time: 50 % of the last 100 calls, open 1 to 5 s, half-open until 2 have \
         ended",
        |_| Box::new(Recloser::tuned()),
    ));
    entries
}

fn seatbelt() -> Vec<Entry> {
    let mut entries = vec![row!(
        "seatbelt",
        "seatbelt 0.11.0, defaults (its generator seeded): 10 % in 30 s, min 100, open 5 s, then 1 probe and 0.1 to 50 % in \
         6 stages of 5 s",
        |setup| Box::new(Seatbelt::with_defaults(setup.seed)),
    )];
    entries.extend(tuned!(
        "seatbelt-tuned",
        "seatbelt 0.11.0: 50 % in 10 s, min 20, open 5 s, closed by 1 probe",
        |setup| Box::new(Seatbelt::tuned(setup.seed, HalfOpenMode::quick())),
    ));
    entries.extend(tuned!(
        "seatbelt-tuned-stages",
        "seatbelt 0.11.0: 50 % in 10 s, min 20, open 5 s, then 1 probe and 0.1 to 50 % in 6 stages of 1 s",
        |setup| Box::new(Seatbelt::tuned(
            setup.seed,
            HalfOpenMode::progressive(Duration::from_secs(1))
        )),
    ));
    entries
}

fn state_machines() -> Vec<Entry> {
    let mut entries = vec![
        row!(
            "resilience4j",
            "re-implemented from resilience4j 2, defaults: 50 % of the last 100 calls, or 100 % slower than 60 s; open 60 s, \
             10 probes",
            |_| Box::new(Resilience4j::new(resilience4j::Settings::DEFAULT)),
        ),
        row!(
            "polly",
            "re-implemented from Polly v8, defaults: 10 % in 30 s, min 100, open 5 s, 1 probe",
            |_| Box::new(Polly::new(polly::Settings::DEFAULT)),
        ),
        row!(
            "gobreaker",
            "re-implemented from sony/gobreaker v2, defaults: more than 5 failures in a row, open 60 s, 1 probe",
            |_| Box::new(Gobreaker::new(gobreaker::Settings::DEFAULT)),
        ),
        row!(
            "linkerd",
            "re-implemented from linkerd2-proxy, defaults: 7 failures in a row, open 1 to 60 s, jitter 0.5, 1 probe",
            |setup| Box::new(Linkerd::new(linkerd::Settings::DEFAULT, setup.seed)),
        ),
        row!(
            "semian",
            "re-implemented from Semian's classic breaker, which has no defaults, as in one of its authors' experiments: 12 errors in \
             20 s, open 15 s after the last, 2 successes close it",
            |_| Box::new(Semian::new(semian::Settings::DEFAULT)),
        ),
    ];
    entries.extend(tuned!(
        "resilience4j-tuned",
        "re-implemented from resilience4j 2: 50 % failed or 50 % slower than the objective in 10 s, min 20, open 5 s, 3 \
         probes",
        |setup| Box::new(Resilience4j::new(resilience4j::Settings::tuned(setup.objective))),
    ));
    entries.extend(tuned!(
        "resilience4j-swift",
        "re-implemented from resilience4j 2: 50 % failed or 50 % slower than the objective in 2 s, min 10, open 2 s, 3 \
         probes",
        |setup| Box::new(Resilience4j::new(resilience4j::Settings::swift(setup.objective))),
    ));
    entries.extend(tuned!(
        "polly-tuned",
        "re-implemented from Polly v8: 50 % in 10 s, min 20, open 5 s, 1 probe",
        |_| Box::new(Polly::new(polly::Settings::TUNED)),
    ));
    entries.extend(tuned!(
        "polly-swift",
        "re-implemented from Polly v8: 50 % in 2 s, min 10, open 2 s, 1 probe",
        |_| Box::new(Polly::new(polly::Settings::SWIFT)),
    ));
    entries.extend(tuned!(
        "gobreaker-tuned",
        "re-implemented from sony/gobreaker v2: 50 % in 10 s by buckets of 1 s, min 20, open 5 s, 1 probe, cancelled calls \
         are successes",
        |_| Box::new(Gobreaker::new(gobreaker::Settings::TUNED)),
    ));
    entries.extend(tuned!(
        "linkerd-tuned",
        "re-implemented from linkerd2-proxy: 7 failures in a row, open 1 to 5 s, jitter 0.5, 1 probe",
        |setup| Box::new(Linkerd::new(linkerd::Settings::TUNED, setup.seed)),
    ));
    entries.extend(tuned!(
        "semian-tuned",
        "re-implemented from Semian's classic breaker: 20 errors in 10 s, open 5 s after the last, 2 successes close it",
        |_| Box::new(Semian::new(semian::Settings::TUNED)),
    ));
    entries
}

fn throttles() -> Vec<Entry> {
    let mut entries = vec![
        row!(
            "sre-throttle",
            "re-implemented from Google's SRE book, counting calls as they end: K 2 over 120 s",
            |setup| Box::new(SreThrottle::new(sre_throttle::Settings::DEFAULT, setup.seed)),
        ),
        row!(
            "go-zero",
            "re-implemented from go-zero's googleBreaker, defaults: K 1.5 to 1.1 over 10 s, 5 calls free, 1 call a second",
            |setup| Box::new(GoZero::new(go_zero::Settings::DEFAULT, setup.seed)),
        ),
        row!(
            "semian-pid",
            "re-implemented from Semian's adaptive breaker, defaults: every 1 s over 10 s, kp 1, ki 0.2, ideal from 5 %",
            |setup| Box::new(SemianPid::new(semian_pid::Settings::DEFAULT, setup.seed)),
        ),
    ];
    entries.extend(tuned!(
        "sre-throttle-tuned",
        "re-implemented from Google's SRE book, counting calls as they end: K 2 (50 %) over 2 s",
        |setup| Box::new(SreThrottle::new(sre_throttle::Settings::TUNED, setup.seed)),
    ));
    entries.extend(tuned!(
        "go-zero-tuned",
        "re-implemented from go-zero's googleBreaker: K 2 (50 %) to 1.1 over 10 s, 5 calls free, 1 call a second, cancelled \
         calls are successes",
        |setup| Box::new(GoZero::new(go_zero::Settings::TUNED, setup.seed)),
    ));
    entries.extend(tuned!(
        "semian-pid-tuned",
        "re-implemented from Semian's adaptive breaker: every 1 s over 5 s, kp 1, ki 0.2, dead zone 0.5, ideal from 10 % and \
         up to 50 %",
        |setup| Box::new(SemianPid::new(semian_pid::Settings::TUNED, setup.seed)),
    ));
    entries
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::Duration};

    use fastrand::Rng;
    use tower_breaker::clock::Timestamp;

    use super::roster;
    use crate::{
        contestant::{Call, CallId, Contestant, End, Gate, Route},
        entry::Setup,
    };

    const SETUP: Setup = Setup {
        seed: 7,
        objective: Duration::from_millis(500),
        reject: false,
    };

    /// A contestant with calls that take up to a quarter of a second, and where its calls went.
    struct Played {
        contestant: Box<dyn Contestant>,
        in_flight: Vec<(Timestamp, CallId, End)>,
        seen: Vec<(Route, Gate)>,
    }

    impl Played {
        fn new(contestant: Box<dyn Contestant>) -> Self {
            Self {
                contestant,
                in_flight: Vec::new(),
                seen: Vec::new(),
            }
        }

        fn step(&mut self, now: Timestamp, took: Duration, end: End) {
            self.in_flight.sort_by_key(|&(at, ..)| at);
            let due = self.in_flight.partition_point(|&(at, ..)| at <= now);
            for (at, id, end) in self.in_flight.drain(..due) {
                self.contestant.primary_ended(id, end, at);
            }
            let route = self.contestant.ask(Call { key: 0 }, now);
            if let Route::Primary(id) = route {
                self.in_flight.push((now + took, id, end));
            }
            self.seen.push((route, self.contestant.gate(now)));
        }

        /// Returns the share of the last calls that the primary got.
        fn share(&self, last: usize) -> f64 {
            let calls = &self.seen[self.seen.len() - last..];
            let admitted = calls.iter().filter(|(route, _)| matches!(route, Route::Primary(_)));
            admitted.count() as f64 / last as f64
        }
    }

    /// Returns a hundred calls per second: half a minute of health, an outage of a minute, and ten
    /// minutes of health with some cancelled calls.
    fn script() -> impl Iterator<Item = (Timestamp, Duration, End)> {
        let mut rng = Rng::with_seed(1);
        (1..72_000_u64).map(move |n| {
            let now = Timestamp::START + Duration::from_millis(10) * n as u32;
            let end = match (n / 3000, rng.u16(..500)) {
                (1 | 2, _) | (_, 0) => End::Failure,
                (3.., 1..20) => End::Dropped,
                _ => End::Success,
            };
            (now, Duration::from_millis(rng.u64(5..250)), end)
        })
    }

    #[test]
    fn names_are_unique_and_in_kebab_case() {
        let names: Vec<_> = roster().iter().map(|entry| entry.name).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        for name in names {
            assert!(
                name.chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
                "{name}"
            );
        }
    }

    #[test]
    fn a_seed_repeats_every_peer_also_when_two_take_turns() {
        for entry in roster() {
            let [mut one, mut other] = [(); 2].map(|()| Played::new((entry.make)(SETUP)));
            for (now, took, end) in script().take(15_000) {
                one.step(now, took, end);
                other.step(now, took, end);
            }
            assert!(one.seen == other.seen, "{}", entry.name);
        }
    }

    #[test]
    fn every_peer_spares_a_dead_primary_and_returns_to_it() {
        for entry in roster().into_iter().filter(|entry| entry.name != "none") {
            let mut played = Played::new((entry.make)(SETUP));
            let mut script = script();
            for (now, took, end) in script.by_ref().take(2999) {
                played.step(now, took, end);
            }
            assert!(played.share(2000) > 0.99, "{}: false trips", entry.name);
            for (now, took, end) in script.by_ref().take(6000) {
                played.step(now, took, end);
            }
            assert!(
                played.share(2000) < 0.8,
                "{}: {} let through",
                entry.name,
                played.share(2000)
            );
            for (now, took, end) in script {
                played.step(now, took, end);
            }
            assert!(
                played.share(6000) > 0.9,
                "{}: {} comes back",
                entry.name,
                played.share(6000)
            );
        }
    }

    #[test]
    fn a_gate_is_closed_before_anything_has_failed() {
        for entry in roster() {
            assert_eq!(
                (entry.make)(SETUP).gate(Timestamp::START),
                Gate::Closed,
                "{}",
                entry.name
            );
        }
    }
}

use std::time::Duration;

use loom::thread;
use tower_breaker::{Outcome, policy::ConsecutiveFailures, recovery::Recovery};

use crate::{HandClock, breaker, model};

#[test]
fn of_two_that_ask_at_once_one_gets_the_only_permit() {
    model(|| {
        let clock = HandClock::default();
        let breaker = breaker(&clock, |builder| {
            builder
                .trip_when(ConsecutiveFailures::of(1))
                .open_duration(Duration::from_secs(1))
                .recovery(Recovery::permitted_calls(1))
        });
        breaker.try_acquire().expect("it is closed").record(Outcome::Failure);
        clock.set(1000);
        let another = thread::spawn({
            let breaker = breaker.clone();
            move || breaker.try_acquire().ok()
        });
        let (here, there) = (breaker.try_acquire().ok(), another.join().unwrap());
        assert_eq!(u32::from(here.is_some()) + u32::from(there.is_some()), 1);
    });
}

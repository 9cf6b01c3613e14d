use std::sync::{Arc, Mutex, OnceLock, mpsc};

use futures::StreamExt;
use tower_breaker::{
    Breaker, Event, Outcome, State,
    observe::{Events, Transition},
};

use crate::support::*;

// Rule 15: observers run outside every lock, after the state is stored.

#[test]
fn an_observer_may_read_the_breaker_and_operate_it() {
    let handle: Arc<OnceLock<Breaker>> = Arc::default();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let layer = builder()
        .observer({
            let (handle, seen) = (handle.clone(), seen.clone());
            move |event: &Event| {
                let breaker = handle.get().unwrap();
                seen.lock().unwrap().push((event.to_string(), breaker.state()));
                if matches!(event.transition, Transition::Opened { .. }) {
                    breaker.reset("the observer knows better");
                }
            }
        })
        .build()
        .unwrap();
    let breaker = layer.breaker();
    handle.set(breaker.clone()).unwrap();
    for _ in 0..3 {
        breaker.try_acquire().unwrap().record(Outcome::Failure);
    }
    let seen = seen.lock().unwrap();
    assert_eq!(
        *seen,
        [
            (
                "breaker: closed → open for 1.0 s: 3 bad calls in a row (threshold 3)".to_owned(),
                State::Open
            ),
            ("breaker: reset: the observer knows better".to_owned(), State::Closed),
        ]
    );
}

#[test]
fn an_observer_that_panics_harms_no_outcome_and_no_other_observer() {
    let (sender, events) = mpsc::channel();
    let layer = builder()
        .observer(|_: &Event| panic!("on purpose"))
        .observer(move |event: &Event| sender.send(event.generation).unwrap())
        .build()
        .unwrap();
    trip(layer.breaker());
    assert_eq!(layer.breaker().snapshot().totals.primary.failed, 3);
    assert_eq!(events.try_recv(), Ok(2));
}

#[test]
fn an_observer_that_blocks_harms_no_other_call() {
    let (release, blocked) = mpsc::channel::<()>();
    let (entered, has_entered) = mpsc::channel();
    let blocked = Mutex::new(blocked);
    let layer = builder()
        .observer(move |_: &Event| {
            entered.send(()).unwrap();
            let _ = blocked.lock().unwrap().recv();
        })
        .build()
        .unwrap();
    let breaker = layer.breaker().clone();
    let tripping = std::thread::spawn({
        let breaker = breaker.clone();
        move || {
            for _ in 0..3 {
                breaker.try_acquire().unwrap().record(Outcome::Failure);
            }
        }
    });
    has_entered.recv().unwrap();
    assert_eq!(breaker.state(), State::Open, "stored before any observer runs");
    assert!(breaker.try_acquire().is_err());
    release.send(()).unwrap();
    tripping.join().unwrap();
}

#[tokio::test(start_paused = true)]
async fn events_tell_the_whole_story_in_order() {
    let breaker = builder().name("payments").build().unwrap().breaker().clone();
    let mut events = breaker.subscribe();
    trip_and_cool(&breaker).await;
    while breaker.state() != State::Closed {
        if let Ok(permit) = breaker.try_acquire() {
            permit.record(Outcome::Success);
        }
        tokio::time::advance(ms(10)).await;
    }
    breaker.shadow("trying it out", ms(5000));
    for _ in 0..3 {
        breaker.try_acquire().unwrap().record(Outcome::Failure);
    }
    drop(breaker);
    let mut transitions = Vec::new();
    while let Some(event) = events.next().await {
        assert_eq!(event.sequence, transitions.len() as u64);
        transitions.push(event.transition.to_string());
    }
    assert_eq!(
        transitions,
        [
            "closed → open for 1.0 s: 3 bad calls in a row (threshold 3)",
            "open → half-open: the open time is up, probing",
            "half-open: 0 % → 20 % of calls to the primary",
            "half-open: 20 % → 40 % of calls to the primary",
            "half-open: 40 % → 80 % of calls to the primary",
            "half-open: 80 % → 100 % of calls to the primary",
            "half-open → closed: the primary is healthy again",
            "automatic → shadow: trying it out (for 5.0 s)",
            "would have tripped: 3 bad calls in a row (threshold 3)",
        ]
    );
}

#[test]
fn a_slow_reader_loses_the_oldest_events_and_learns_how_many() {
    let breaker = builder().build().unwrap().breaker().clone();
    let mut events = breaker.subscribe();
    for _ in 0..Events::CAPACITY + 10 {
        breaker.reset("again");
    }
    assert_eq!(events.lost(), 10);
    assert_eq!(events.try_next().unwrap().sequence, 10);
    assert_eq!(std::iter::from_fn(|| events.try_next()).count(), Events::CAPACITY - 1);
}

#[tokio::test]
async fn a_reader_is_woken_by_an_event() {
    let breaker = builder().build().unwrap().breaker().clone();
    let mut events = breaker.subscribe();
    let reader = tokio::spawn(async move { events.next().await });
    tokio::task::yield_now().await;
    breaker.force_open("now", None);
    let event = reader.await.unwrap().unwrap();
    assert!(matches!(event.transition, Transition::ModeChanged { .. }));
}

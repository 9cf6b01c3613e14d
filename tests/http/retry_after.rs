//! `Retry-After` from the primary, where `honor_retry_after` asks for it to be heeded.

use std::time::{Duration, SystemTime};

use axum::body::Body;
use http::header::RETRY_AFTER;
use tower::Layer;
use tower_breaker::{
    Breaker, Outcome, State,
    on_open::FailOverBudget,
    protocol::http::{ByStatus, Latency, RetainRequests},
    recovery::OpenDuration,
};

use crate::support::*;

const SECOND: Duration = Duration::from_secs(1);
const CAP: Duration = Duration::from_secs(30);

fn heeding() -> OpenDuration {
    OpenDuration::fixed(SECOND).honor_retry_after(CAP)
}

/// How long a breaker stays open whose primary answers with this status and this `Retry-After`.
async fn open_for(duration: OpenDuration, status: u16, retry_after: &str) -> Duration {
    let [primary, backup] = [Origin::start("primary").await, Origin::start("backup").await];
    primary.answers(status);
    primary.sends(RETRY_AFTER, retry_after);
    let layer = builder()
        .open_duration(duration)
        .classify(ByStatus::overload_as_failure())
        .backup(client_of(Protocol::Http1, backup.address))
        .build()
        .unwrap();
    let service = layer.layer(client_of(Protocol::Http1, primary.address));
    for _ in 0..3 {
        assert_eq!(say(&service, "/").await, format!("{status} primary"));
    }
    assert_eq!(say(&service, "/").await, "200 backup");
    still_open_for(layer.breaker())
}

fn still_open_for(breaker: &Breaker) -> Duration {
    assert_eq!(breaker.state(), State::Open);
    breaker.snapshot().retry_after.unwrap()
}

#[tokio::test]
async fn seconds_are_heeded_up_to_the_cap_and_never_shorten_the_open_time() {
    for (asked, open) in [
        ("0", 1),
        ("1", 1),
        ("20", 20),
        ("30", 30),
        ("31", 30),
        ("3153600000", 30),
    ] {
        for status in [429, 503] {
            assert_eq!(open_for(heeding(), status, asked).await, open * SECOND, "{asked}");
        }
    }
}

#[tokio::test]
async fn a_date_is_heeded_up_to_the_cap() {
    let date = |after: Duration| httpdate::fmt_http_date(SystemTime::now() + after);
    let soon = open_for(heeding(), 503, &date(20 * SECOND)).await;
    // A date is in whole seconds, and the call takes a moment on a busy machine.
    assert!((5 * SECOND..=20 * SECOND).contains(&soon), "{soon:?}");
    assert_eq!(open_for(heeding(), 503, &date(3600 * SECOND)).await, CAP);
    for (date, open) in [
        ("Fri, 31 Dec 1999 23:59:59 GMT", SECOND),
        ("Sun, 06-Nov-94 08:49:37 GMT", SECOND),
        ("Fri, 31 Dec 9999 23:59:59 GMT", CAP),
    ] {
        assert_eq!(open_for(heeding(), 503, date).await, open, "{date}");
    }
}

#[tokio::test]
async fn garbage_is_not_heeded() {
    for garbage in [
        "",
        "soon",
        "-5",
        "1e3",
        "20 seconds",
        "0x20",
        "Fri, 99 Foo 2199 00:00:00 GMT",
    ] {
        assert_eq!(open_for(heeding(), 503, garbage).await, SECOND, "{garbage}");
    }
}

#[tokio::test]
async fn a_century_or_more_is_the_cap_and_no_panic() {
    for century in ["18446744073709551615", "18446744073709551616", &"9".repeat(400)] {
        assert_eq!(open_for(heeding(), 503, century).await, CAP, "{century}");
    }
}

#[tokio::test]
async fn nothing_is_heeded_unless_one_asks_for_it() {
    assert_eq!(open_for(SECOND.into(), 503, "20").await, SECOND);
}

#[tokio::test]
async fn a_good_answer_asks_for_nothing() {
    let origin = Origin::start("primary").await;
    origin.sends(RETRY_AFTER, "20");
    let layer = builder()
        .open_duration(heeding())
        .classify(ByStatus::new())
        .backup(client_of(Protocol::Http1, origin.address))
        .build()
        .unwrap();
    let service = layer.layer(client_of(Protocol::Http1, origin.address));
    assert_eq!(say(&service, "/").await, "200 primary");
    trip(layer.breaker());
    assert_eq!(still_open_for(layer.breaker()), SECOND);
}

#[tokio::test]
async fn what_was_asked_for_long_ago_has_passed() {
    let clock = ManualClock::default();
    let origin = Origin::start("primary").await;
    origin.answers(503);
    origin.sends(RETRY_AFTER, "20");
    let layer = builder_on(&clock)
        .open_duration(heeding())
        .classify(ByStatus::new())
        .backup(client_of(Protocol::Http1, origin.address))
        .build()
        .unwrap();
    let service = layer.layer(client_of(Protocol::Http1, origin.address));
    assert_eq!(say(&service, "/").await, "503 primary");
    clock.advance(15 * SECOND);
    for _ in 0..2 {
        layer.breaker().try_acquire().unwrap().record(Outcome::Failure);
    }
    assert_eq!(still_open_for(layer.breaker()), 5 * SECOND);
}

#[tokio::test]
async fn it_is_heeded_when_the_body_is_judged_and_when_the_call_fails_over() {
    let [primary, backup] = [Origin::start("primary").await, Origin::start("backup").await];
    primary.answers(503);
    primary.sends(RETRY_AFTER, "20");
    let classify = ByStatus::new();
    let layer = builder()
        .open_duration(heeding())
        .classify(classify.clone().at_end(Latency::ToEnd))
        .backup(client_of(Protocol::Http1, backup.address))
        .build()
        .unwrap();
    let service = layer.layer(client_of(Protocol::Http1, primary.address));
    for _ in 0..3 {
        assert_eq!(say(&service, "/").await, "503 primary");
    }
    assert_eq!(still_open_for(layer.breaker()), 20 * SECOND);

    let layer = builder()
        .open_duration(heeding())
        .classify(classify)
        .backup(client_of(Protocol::Http1, backup.address))
        .fail_over(RetainRequests::new(Body::new), FailOverBudget::percent(100))
        .build()
        .unwrap();
    let service = layer.layer(client_of(Protocol::Http1, primary.address));
    for _ in 0..3 {
        assert_eq!(say(&service, "/").await, "200 backup");
    }
    assert_eq!(still_open_for(layer.breaker()), 20 * SECOND);
}

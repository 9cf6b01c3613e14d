use bytes::Bytes;
use futures::FutureExt;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use tokio::time::sleep;
use tower_breaker::{
    Outcome,
    console::{Console, ConsoleBody},
    registry::Registry,
};

use crate::support::*;

async fn open(console: &Console) -> ConsoleBody {
    let request = Request::get("/api/events").body(Full::<Bytes>::default()).unwrap();
    let response = send(console, request).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    response.into_body()
}

async fn next(body: &mut ConsoleBody) -> Value {
    loop {
        let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
        let text = std::str::from_utf8(&frame).unwrap();
        if let Some(data) = text.strip_prefix("event: breakers\ndata: ") {
            assert!(data.ends_with("\n\n") && data.matches('\n').count() == 2);
            return serde_json::from_str(data).unwrap();
        }
        assert_eq!(text, ": still here\n\n");
    }
}

fn names(frame: &Value) -> Vec<&str> {
    let breakers = frame["breakers"].as_array().unwrap();
    breakers.iter().map(|one| one["name"].as_str().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_reader_gets_everything_and_then_what_has_changed() {
    let registry = Registry::new();
    let console = builder(&registry).build();
    let layers = ["a\n\nb", "c"].map(|name| layer(&registry, name));
    sleep(ms(1500)).await;
    let mut body = open(&console).await;
    let all = next(&mut body).await;
    assert_eq!((names(&all), &all["all"]), (vec!["a\n\nb", "c"], &true.into()));
    trip(&layers[1]);
    let changes = next(&mut body).await;
    assert_eq!((names(&changes), &changes["all"]), (vec!["c"], &false.into()));
    assert_eq!(changes["breakers"][0]["state"], "open");
    assert_eq!(changes["events"][0]["to"], "open");
    let [first, second] = layers;
    drop(first);
    let changes = loop {
        let changes = next(&mut body).await;
        if changes["gone"] != serde_json::json!([]) {
            break changes;
        }
    };
    assert_eq!(changes["gone"][0], "a\n\nb");
    drop(second);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_too_slow_gets_everything_again_and_keeps_nothing_waiting() {
    let registry = Registry::new();
    let console = builder(&registry).build();
    let layer = layer(&registry, "a");
    sleep(ms(1500)).await;
    let mut body = open(&console).await;
    next(&mut body).await;
    next(&mut body).await;
    for _ in 0..100 {
        call(&layer, Outcome::Success);
        sleep(secs(1)).await;
    }
    let again = next(&mut body).await;
    assert_eq!(again["all"], true);
    assert!(body.frame().now_or_never().is_none(), "nothing else was waiting");
}

#[tokio::test(start_paused = true)]
async fn where_nothing_happens_the_reader_still_hears_something() {
    let registry = Registry::new();
    let console = builder(&registry).build();
    let mut body = open(&console).await;
    next(&mut body).await;
    let frame = tokio::time::timeout(secs(20), body.frame()).await;
    assert!(frame.is_ok());
}

#[tokio::test(start_paused = true)]
async fn more_streams_than_there_may_be_are_turned_away() {
    let registry = Registry::new();
    let console = builder(&registry).build();
    let mut streams = Vec::new();
    for _ in 0..256 {
        streams.push(open(&console).await);
    }
    for _ in 0..744 {
        let answer = ask(&console, Method::GET, "/api/events", "").await;
        assert_eq!(
            (answer.status, error(&answer)),
            (StatusCode::SERVICE_UNAVAILABLE, "256 streams are open already")
        );
    }
    // One that hangs up makes room.
    streams.pop();
    open(&console).await;
}

#[tokio::test(start_paused = true)]
async fn the_stream_ends_with_the_console() {
    let registry = Registry::new();
    let console = builder(&registry).build();
    let weak = {
        let mut body = open(&console).await;
        next(&mut body).await;
        body
    };
    drop(console);
    // A stream that is open keeps what it reads; when it is gone as well, so is the task that
    // samples.
    drop(weak);
    sleep(secs(2)).await;
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0);
}

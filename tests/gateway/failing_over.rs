use http::{Method, StatusCode};
use tokio::time::{sleep, timeout};
use tower_breaker::State;

use crate::support::*;

#[tokio::test]
async fn an_instance_that_is_killed_and_restarted_under_load_costs_no_answer() {
    let (mut a, b) = (Instance::saying("a").await, Instance::saying("b").await);
    // With no backup service: the other instance takes over.
    let gateway = Gateway::start(&routed_to_main(&service("main", &[&a, &b], ""))).await;
    let load = Load::start(&gateway, 8, &Method::GET);
    sleep(ms(500)).await;
    let good = load.good();
    assert!(good["a"] > 20 && good["b"] > 20, "{good:?}");

    a.kill().await;
    sleep(ms(1500)).await;
    let good = load.good();
    assert!(good["b"] > 100, "{good:?}");
    assert_ne!(gateway.registry().get("main/a").unwrap().state(), State::Closed);

    a.start_again();
    sleep(ms(4500)).await;
    load.good();
    sleep(ms(1500)).await;
    let good = load.good();
    assert!(good["a"] > 50 && good["b"] > 50, "{good:?}");
    load.end().await;
}

#[tokio::test]
async fn a_request_that_may_be_sent_once_only_goes_elsewhere_where_nothing_of_it_was_sent() {
    let (mut a, b) = (Instance::saying("a").await, Instance::saying("b").await);
    a.kill().await;
    let gateway = Gateway::start(&routed_to_main(&service("main", &[&a, &b], ""))).await;
    for _ in 0..50 {
        assert_eq!(
            gateway.send(Method::POST, "/", "order").await,
            (StatusCode::OK, "b".to_owned())
        );
    }
    // One that an instance has had is its to answer.
    let failing = Instance::failing(StatusCode::INTERNAL_SERVER_ERROR).await;
    let config = routed_to_main(&(service("main", &[&failing], "backup = 'other'") + &service("other", &[&b], "")));
    let gateway = Gateway::start(&config).await;
    let (status, _) = gateway.send(Method::POST, "/", "order").await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(
        gateway.send(Method::PUT, "/", "order").await,
        (StatusCode::OK, "b".to_owned())
    );
}

#[tokio::test]
async fn requests_go_down_the_chain_of_backups() {
    let failing = Instance::failing(StatusCode::SERVICE_UNAVAILABLE).await;
    let mut dead = Instance::saying("dead").await;
    dead.kill().await;
    let last = Instance::saying("last").await;
    let config = routed_to_main(
        &(service("main", &[&failing, &failing_twin().await], "backup = 'second'")
            + &service("second", &[&dead], "backup = 'third'")
            + &service("third", &[&last], "")),
    );
    let gateway = Gateway::start(&config).await;
    for _ in 0..300 {
        assert_eq!(gateway.get("/").await, (StatusCode::OK, "last".to_owned()));
        sleep(ms(4)).await;
    }
    // By now, no request goes to those that fail.
    for name in ["main/a", "main/b", "second/a"] {
        assert_ne!(gateway.registry().get(name).unwrap().state(), State::Closed, "{name}");
    }
    assert!(failing.requests() < 300);
}

async fn failing_twin() -> Instance {
    Instance::failing(StatusCode::BAD_GATEWAY).await
}

#[tokio::test]
async fn where_no_instance_is_left_the_last_answer_counts_or_503() {
    let failing = Instance::failing(StatusCode::INTERNAL_SERVER_ERROR).await;
    let gateway = Gateway::start(&routed_to_main(&service("main", &[&failing], ""))).await;
    // The instance's own, as long as it is asked.
    assert_eq!(
        gateway.get("/").await,
        (StatusCode::INTERNAL_SERVER_ERROR, "failed".to_owned())
    );
    gateway.registry().get("main/a").unwrap().force_open("an example", None);
    let response = client().get(gateway.uri("/").parse().unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "1");
}

#[tokio::test]
async fn an_instance_that_hangs_is_given_up_and_another_asked() {
    let hanging = Instance::new(|_| Box::pin(std::future::pending())).await;
    let b = Instance::saying("b").await;
    let config = service("main", &[&hanging], "timeout = '200ms'\nbackup = 'other'") + &service("other", &[&b], "");
    let gateway = Gateway::start(&routed_to_main(&config)).await;
    assert_eq!(gateway.get("/").await, (StatusCode::OK, "b".to_owned()));
    // With no other instance to ask, and nothing that may be sent twice:
    let alone = Gateway::start(&routed_to_main(&service("main", &[&hanging], "timeout = '200ms'"))).await;
    assert_eq!(alone.get("/").await.0, StatusCode::GATEWAY_TIMEOUT);
}

#[tokio::test]
async fn the_agent_notices_an_instance_that_gets_no_requests() {
    let (mut a, b) = (Instance::saying("a").await, Instance::saying("b").await);
    let check = "check = { path = '/health', every = '50ms', timeout = '20ms', trip_after = 2 }";
    let gateway = Gateway::start(&routed_to_main(&service("main", &[&a, &b], check))).await;
    sleep(ms(300)).await;
    assert!(a.requests() > 2, "it is checked");
    a.kill().await;
    let breaker = gateway.registry().get("main/a").unwrap();
    let trips = async {
        while breaker.state() == State::Closed {
            sleep(ms(10)).await;
        }
    };
    timeout(ms(5000), trips).await.unwrap();
    let reason = breaker.snapshot().last_trip.unwrap();
    assert_eq!(reason.name(), "health checks");
}

#[tokio::test]
async fn without_breakers_it_is_a_plain_proxy() {
    let failing = Instance::failing(StatusCode::INTERNAL_SERVER_ERROR).await;
    let config = routed_to_main(&service("main", &[&failing], ""));
    let gateway = Gateway::start(&format!("breakers = false\n{config}")).await;
    for _ in 0..100 {
        assert_eq!(gateway.get("/").await.0, StatusCode::INTERNAL_SERVER_ERROR);
    }
    assert_eq!(failing.requests(), 100);
    assert!(gateway.registry().breakers().is_empty());
}

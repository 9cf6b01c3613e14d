use std::time::Duration;

use http::{Method, Response, StatusCode};
use tokio::time::{sleep, timeout};
use tower_breaker::{State, config::SlowAfter, policy::TripReason};

use crate::support::*;

#[tokio::test]
async fn what_stays_keeps_its_state_and_what_goes_is_gone() {
    let (a, b, c) = (
        Instance::saying("a").await,
        Instance::saying("b").await,
        Instance::saying("c").await,
    );
    let gateway = Gateway::start(&routed_to_main(&service("main", &[&a, &b], ""))).await;
    let breaker = gateway.registry().get("main/a").unwrap();
    breaker.trip(TripReason::custom("an example", 1.0, 0.0));
    let settings = "breaker = { slow_after = '123ms' }\ntimeout = '5s'\nmax_open_percent = 80";
    let changed = routed_to_main(&(service("main", &[&a], settings) + &service("other", &[&c], "")));
    gateway.reload(&changed).unwrap();
    assert_eq!(breaker.state(), State::Open);
    let slow_after = breaker.config().settings().slow_after;
    assert_eq!(slow_after, SlowAfter::After(Duration::from_millis(123)));
    let names: Vec<_> = gateway
        .registry()
        .breakers()
        .iter()
        .map(|one| one.name().to_owned())
        .collect();
    assert_eq!(names, ["main/a", "other/a"]);
}

#[tokio::test]
async fn what_is_no_configuration_leaves_the_running_one_alone_and_says_so() {
    let a = Instance::saying("a").await;
    let gateway = Gateway::start(&routed_to_main(&service("main", &[&a], ""))).await;
    let bad = routed_to_main(&service("main", &[&a], "backup = 'nobody'"));
    let mistakes = gateway.reload(&bad).unwrap_err();
    assert_eq!(
        mistakes.to_string(),
        "7:10: services.main.backup: there is no service \"nobody\""
    );
    assert_eq!(gateway.get("/").await, (StatusCode::OK, "a".to_owned()));
}

#[tokio::test]
async fn reloading_under_load_loses_no_request() {
    let slow = |text: &'static str| {
        Instance::new(move |_| {
            Box::pin(async move {
                sleep(ms(20)).await;
                Response::new(full(text))
            })
        })
    };
    let (a, b, c) = (slow("a").await, slow("b").await, slow("c").await);
    let configs = [
        routed_to_main(&service("main", &[&a, &b], "")),
        routed_to_main(&service("main", &[&c, &b, &a], "timeout = '7s'")),
        routed_to_main(&(service("main", &[&b], "backup = 'other'") + &service("other", &[&c], ""))),
        routed_to_main(&service(
            "main",
            &[&c],
            "breaker = { slow_after = '1s' }\ncheck = { path = '/' }",
        )),
    ];
    let gateway = Gateway::start(&configs[0]).await;
    let load = Load::start(&gateway, 16, &Method::POST);
    let mut all = std::collections::BTreeMap::new();
    for round in 1..60 {
        gateway.reload(&configs[round % 4]).unwrap();
        sleep(ms(30)).await;
        for (who, count) in load.good() {
            *all.entry(who).or_insert(0) += count;
        }
    }
    load.end().await;
    assert!(all.len() == 3 && all.values().sum::<u32>() > 500, "{all:?}");
}

#[tokio::test]
async fn an_instance_that_goes_may_come_back_while_it_still_has_requests() {
    let slow = Instance::new(|_| {
        Box::pin(async {
            sleep(ms(300)).await;
            Response::new(full("slow"))
        })
    })
    .await;
    let other = Instance::saying("other").await;
    let with = routed_to_main(&service("main", &[&slow, &other], ""));
    let without = routed_to_main(&(service("main", &[&other], "")));
    let gateway = Gateway::start(&routed_to_main(&service("main", &[&slow], ""))).await;
    let (answer, ()) = tokio::join!(gateway.get("/"), async {
        sleep(ms(100)).await;
        gateway.reload(&without).unwrap();
        gateway.reload(&with).unwrap();
    });
    assert_eq!(answer, (StatusCode::OK, "slow".to_owned()));
}

#[tokio::test]
async fn the_file_is_watched() {
    let (a, b) = (Instance::saying("a").await, Instance::saying("b").await);
    let file = std::env::temp_dir().join(format!("tower-breaker-gateway-{}.toml", std::process::id()));
    let first = routed_to_main(&service("main", &[&a], ""));
    std::fs::write(&file, &first).unwrap();
    let gateway = Gateway::start(&first).await;
    let watching = crate::reload::watch(&file, first.clone(), &gateway.builder, &gateway.proxy);
    let changing = async {
        assert_eq!(gateway.get("/").await.1, "a");
        std::fs::write(&file, routed_to_main(&service("main", &[&b], ""))).unwrap();
        let changes = async {
            while gateway.get("/").await.1 == "a" {
                sleep(ms(20)).await;
            }
        };
        timeout(ms(10_000), changes).await.unwrap();
        std::fs::write(&file, "nonsense").unwrap();
        sleep(ms(1200)).await;
        assert_eq!(gateway.get("/").await.1, "b");
    };
    tokio::select! {
        () = watching => unreachable!("it never ends"),
        () = changing => {}
    }
    std::fs::remove_file(&file).unwrap();
}

#[tokio::test]
async fn on_stopping_what_has_begun_comes_to_its_end_and_nothing_new_begins() {
    let slow = Instance::new(|_| {
        Box::pin(async {
            sleep(ms(300)).await;
            Response::new(full("slow"))
        })
    })
    .await;
    let mut gateway = Gateway::start(&routed_to_main(&service("main", &[&slow], ""))).await;
    let address = gateway.address;
    let asking = tokio::spawn(async move {
        let uri = format!("http://{address}/").parse().unwrap();
        client().get(uri).await.unwrap().status()
    });
    sleep(ms(100)).await;
    gateway.stop().await;
    assert_eq!(asking.await.unwrap(), StatusCode::OK);
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

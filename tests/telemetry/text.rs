use std::sync::Arc;

use tokio::time::sleep;
use tower::{BoxError, Layer, ServiceExt, service_fn};
use tower_breaker::{
    CircuitBreakerLayer, Outcome, State,
    agent::Agent,
    on_open::{CloneRequests, FailOverBudget},
    policy::ConsecutiveFailures,
    registry::Registry,
    telemetry::{Exporter, SERIES},
};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn calls_are_counted_by_what_became_of_them() {
    let registry = Registry::new();
    let exporter = Exporter::new(&registry);
    let layer = layer(&registry, "a");
    for outcome in [Outcome::Failure, Outcome::Success, Outcome::Success, Outcome::Ignored] {
        call(&layer, outcome);
    }
    drop(layer.breaker().try_acquire().unwrap());
    let slow = layer.breaker().try_acquire().unwrap();
    let stale = layer.breaker().try_acquire().unwrap();
    let in_flight = parsed(&exporter.prometheus());
    assert_eq!(figure(&in_flight, "calls_in_flight", &[("breaker", "a")]), Some(2.0));
    sleep(ms(500)).await;
    slow.record(Outcome::Success);
    // With two that are slow by now, that makes three bad ones in a row.
    call(&layer, Outcome::Failure);
    stale.record(Outcome::Success);
    for _ in 0..5 {
        assert!(layer.breaker().try_acquire().is_err());
    }
    let figures = parsed(&exporter.prometheus());
    let calls = |outcome| {
        figure(
            &figures,
            "calls_total",
            &[("breaker", "a"), ("service", "primary"), ("outcome", outcome)],
        )
    };
    let counts = ["success", "failure", "ignored", "cancelled", "stale"].map(calls);
    assert_eq!(counts, [Some(3.0), Some(2.0), Some(1.0), Some(1.0), Some(1.0)]);
    assert_eq!(figure(&figures, "slow_calls_total", &[("breaker", "a")]), Some(2.0));
    let refused = |to| figure(&figures, "refused_calls_total", &[("breaker", "a"), ("to", to)]);
    assert_eq!((refused("none"), refused("backup")), (Some(5.0), Some(0.0)));
    let seconds = figure(
        &figures,
        "call_seconds_total",
        &[("breaker", "a"), ("service", "primary")],
    );
    assert!((1.0..1.1).contains(&seconds.unwrap()), "{seconds:?}");
}

#[tokio::test(start_paused = true)]
async fn the_backup_and_failing_over_have_figures_of_their_own() {
    let registry = Registry::new();
    let exporter = Exporter::new(&registry);
    let layer = CircuitBreakerLayer::builder()
        .name("a")
        .trip_when(ConsecutiveFailures::of(1000))
        .backup(service_fn(|good: bool| async move {
            if good { Ok(()) } else { Err(BoxError::from("no")) }
        }))
        .fail_over(CloneRequests, FailOverBudget::percent(100))
        .registry(&registry)
        .build()
        .unwrap();
    let service = layer.layer(service_fn(|_: bool| async { Err::<(), _>(BoxError::from("no")) }));
    service.clone().oneshot(true).await.unwrap();
    layer.breaker().force_open("an example", None);
    let _ = service.clone().oneshot(false).await;
    let figures = parsed(&exporter.prometheus());
    let backup = |outcome| {
        figure(
            &figures,
            "calls_total",
            &[("breaker", "a"), ("service", "backup"), ("outcome", outcome)],
        )
    };
    assert_eq!((backup("success"), backup("failure")), (Some(1.0), Some(1.0)));
    assert_eq!(
        figure(&figures, "failed_over_calls_total", &[("breaker", "a")]),
        Some(1.0)
    );
    let refused = |to| figure(&figures, "refused_calls_total", &[("breaker", "a"), ("to", to)]);
    assert_eq!((refused("none"), refused("backup")), (Some(0.0), Some(1.0)));
}

#[tokio::test(start_paused = true)]
async fn exactly_one_state_and_one_mode_are_1_whatever_happens() {
    let registry = Registry::new();
    let exporter = Exporter::new(&registry);
    let layer = layer(&registry, "a");
    let breaker = layer.breaker();
    let mut seen = Vec::new();
    for step in 0..8 {
        match step {
            1 => trip(&layer),
            2 => sleep(secs(11)).await,
            3 => call(&layer, Outcome::Success),
            4 => breaker.reset("an example"),
            5 => breaker.force_open("an example", None),
            6 => breaker.disable("an example", None),
            7 => breaker.shadow("an example", None),
            _ => {}
        }
        let figures = parsed(&exporter.prometheus());
        for name in ["state", "mode"] {
            let ones: Vec<_> = figures
                .iter()
                .filter(|((metric, _), value)| *metric == format!("tower_breaker_{name}") && **value != 0.0)
                .map(|((_, labels), value)| (labels[name].clone(), *value))
                .collect();
            assert_eq!(ones.len(), 1, "{ones:?}");
            assert_eq!(ones[0].1, 1.0);
            seen.push(ones[0].0.clone());
        }
        let all = |name: &str| {
            figures
                .keys()
                .filter(|(metric, _)| *metric == format!("tower_breaker_{name}"))
                .count()
        };
        assert_eq!((all("state"), all("mode")), (4, 4));
    }
    for value in [
        "closed",
        "open",
        "ready to probe",
        "half-open",
        "automatic",
        "forced open",
        "disabled",
        "shadow",
    ] {
        assert!(seen.iter().any(|one| one == value), "{value}");
    }
}

#[tokio::test(start_paused = true)]
async fn transitions_are_counted_by_what_they_led_to_and_why() {
    let registry = Registry::new();
    let exporter = Exporter::new(&registry);
    let layer = layer(&registry, "a");
    trip(&layer);
    sleep(secs(11)).await;
    call(&layer, Outcome::Failure);
    let figures = parsed(&exporter.prometheus());
    let count = |to, reason| {
        figure(
            &figures,
            "transitions_total",
            &[("breaker", "a"), ("to", to), ("reason", reason)],
        )
    };
    assert_eq!(count("open", "consecutive failures"), Some(1.0));
    assert_eq!(count("half-open", "open time is up"), Some(1.0));
    assert_eq!(count("open", "trial failed"), Some(1.0));
    layer.breaker().reset("an example");
    let figures = parsed(&exporter.prometheus());
    let count = |to, reason| {
        figure(
            &figures,
            "transitions_total",
            &[("breaker", "a"), ("to", to), ("reason", reason)],
        )
    };
    assert_eq!(
        (count("closed", "reset"), count("open", "trial failed")),
        (Some(1.0), Some(1.0))
    );
}

#[tokio::test(start_paused = true)]
async fn the_share_the_evidence_and_the_time_open_are_given() {
    let registry = Registry::new();
    let exporter = Exporter::new(&registry);
    let layer = layer(&registry, "a");
    call(&layer, Outcome::Failure);
    let at = |figures: &Figures, name: &str| figure(figures, name, &[("breaker", "a")]);
    let figures = parsed(&exporter.prometheus());
    let policy = |name: &str| figure(&figures, name, &[("breaker", "a"), ("policy", "consecutive failures")]);
    assert_eq!(
        (policy("policy_measured"), policy("policy_threshold")),
        (Some(1.0), Some(3.0))
    );
    assert_eq!(
        (at(&figures, "share_ratio"), at(&figures, "slow_after_seconds")),
        (Some(1.0), Some(0.3))
    );
    trip_rest(&layer);
    let _ = exporter.prometheus();
    for _ in 0..3 {
        sleep(secs(2)).await;
        let _ = exporter.prometheus();
    }
    let figures = parsed(&exporter.prometheus());
    let open = at(&figures, "open_seconds_total").unwrap();
    assert!((6.0..6.1).contains(&open), "{open}");
    let state = at(&figures, "state_seconds").unwrap();
    assert!((6.0..6.1).contains(&state), "{state}");
    sleep(secs(5)).await;
    call(&layer, Outcome::Success);
    assert_eq!(at(&parsed(&exporter.prometheus()), "share_ratio"), Some(0.2));
}

fn trip_rest(layer: &CircuitBreakerLayer) {
    call(layer, Outcome::Failure);
    call(layer, Outcome::Failure);
}

#[tokio::test(start_paused = true)]
async fn the_agents_checks_are_counted() {
    let registry = Registry::new();
    let layer = layer(&registry, "a");
    let agent = Arc::new(
        Agent::builder()
            .every(secs(1))
            .jitter(0.0)
            .trip_after(None)
            .build()
            .unwrap(),
    );
    agent
        .watch(layer.breaker(), service_fn(|()| async { Err::<(), _>("no") }))
        .unwrap();
    let exporter = Exporter::new(&registry).agent(&agent);
    sleep(ms(5500)).await;
    let figures = parsed(&exporter.prometheus());
    let failed = figure(&figures, "checks_total", &[("breaker", "a"), ("result", "failed")]).unwrap();
    assert!((5.0..=6.0).contains(&failed), "{failed}");
    assert_eq!(
        figure(&figures, "checks_failed_in_a_row", &[("breaker", "a")]),
        Some(failed)
    );
}

#[tokio::test(start_paused = true)]
async fn series_of_breakers_that_are_gone_end() {
    let registry = Registry::new();
    let exporter = Exporter::new(&registry);
    let layers = ["a", "b"].map(|name| layer(&registry, name));
    assert!(exporter.prometheus().contains("breaker=\"a\""));
    let [a, b] = layers;
    a.breaker().reset("a last word");
    drop(a);
    let text = exporter.prometheus();
    assert!(!text.contains("breaker=\"a\"") && text.contains("breaker=\"b\""));
    drop(b);
}

#[tokio::test(start_paused = true)]
async fn hostile_names_are_read_back_as_they_are() {
    let registry = Registry::new();
    let exporter = Exporter::new(&registry);
    let names = ["a\"} 1\ntower_breaker_up 1", "back\\slash\\n", "ü # {} ,=\"\"", "\\\""];
    let layers = names.map(|name| layer(&registry, name));
    let text = exporter.prometheus();
    assert!(
        text.lines()
            .all(|line| line.starts_with("# ") || line.starts_with("tower_breaker_"))
    );
    assert!(!text.contains("\ntower_breaker_up"));
    for name in names {
        let escaped = name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let line = format!("tower_breaker_share_ratio{{breaker=\"{escaped}\"}} 1\n");
        assert!(text.contains(&line), "{line}");
    }
    drop(layers);
}

#[tokio::test(start_paused = true)]
async fn each_series_has_its_type_and_help_once_and_its_samples_together() {
    let registry = Registry::new();
    let exporter = Exporter::new(&registry);
    let layers = ["a", "b"].map(|name| layer(&registry, name));
    trip(&layers[0]);
    let text = exporter.prometheus();
    let mut ended = Vec::new();
    let mut current = String::new();
    for line in text.lines() {
        let name = line.trim_start_matches("# HELP ").trim_start_matches("# TYPE ");
        let name = name.split(['{', ' ']).next().unwrap();
        if name != current {
            assert!(!ended.contains(&current), "{current} is in two places");
            ended.push(std::mem::replace(&mut current, name.to_owned()));
        }
    }
    for series in SERIES {
        assert!(text.matches(&format!("# TYPE {} ", series.name)).count() <= 1);
        assert!(series.help.ends_with('.') && series.name.starts_with("tower_breaker_"));
    }
    assert_eq!(layers[0].breaker().state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn events_that_were_lost_are_counted() {
    let registry = Registry::new();
    let exporter = Exporter::new(&registry);
    let layer = layer(&registry, "a");
    for _ in 0..1000 {
        layer.breaker().reset("an example");
    }
    let figures = parsed(&exporter.prometheus());
    assert_eq!(figure(&figures, "events_lost_total", &[]), Some(744.0));
}

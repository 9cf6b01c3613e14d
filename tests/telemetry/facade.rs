use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::time::sleep;
use tower::{BoxError, Layer, ServiceExt, service_fn};
use tower_breaker::{
    CircuitBreakerLayer, Outcome,
    registry::Registry,
    telemetry::{Exporter, Histograms},
};

use crate::support::*;

/// What an exporter of the facade's shows after this.
fn shown(act: impl FnOnce()) -> String {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::with_local_recorder(&recorder, act);
    handle.render()
}

#[tokio::test(start_paused = true)]
async fn the_facade_gets_what_the_text_says() {
    let registry = Registry::new();
    let exporter = Exporter::new(&registry);
    let layer = layer(&registry, "a \"b\"\n\\");
    call(&layer, Outcome::Success);
    trip(&layer);
    let text = parsed(&exporter.prometheus());
    let facade = shown(|| {
        exporter.describe();
        exporter.publish();
    });
    assert!(
        facade.contains("# HELP tower_breaker_share_ratio The share of the calls"),
        "{facade}"
    );
    let facade = parsed(&facade);
    assert!(text.len() > 30);
    for (series, value) in &text {
        let published = facade
            .get(series)
            .unwrap_or_else(|| panic!("{series:?} isn't among {facade:?}"));
        // Some grow with time.
        assert!((published - value).abs() < 1e-6, "{series:?}: {published} {value}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_is_set_to_nothing_once() {
    let registry = Registry::new();
    let exporter = Exporter::new(&registry);
    let layer = layer(&registry, "a");
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::with_local_recorder(&recorder, || exporter.publish());
    let state = |state| {
        figure(
            &parsed(&handle.render()),
            "state",
            &[("breaker", "a"), ("state", state)],
        )
    };
    assert_eq!(state("closed"), Some(1.0));
    drop(layer);
    metrics::with_local_recorder(&recorder, || exporter.publish());
    assert_eq!(state("closed"), Some(0.0));
    assert_eq!(
        figure(&parsed(&handle.render()), "share_ratio", &[("breaker", "a")]),
        Some(0.0)
    );
}

#[tokio::test(start_paused = true)]
async fn it_publishes_by_itself() {
    let registry = Registry::new();
    let exporter = Exporter::new(&registry);
    let _layer = layer(&registry, "a");
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    // The recorder is the thread's, and so is this runtime.
    let _guard = metrics::set_default_local_recorder(&recorder);
    let running = tokio::time::timeout(secs(10), exporter.run(secs(3)));
    assert!(running.await.is_err());
    let figures = parsed(&handle.render());
    let seconds = figure(&figures, "state_seconds", &[("breaker", "a")]).unwrap();
    assert!((9.0..9.1).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn latencies_are_recorded_where_that_is_wanted() {
    let recorder = PrometheusBuilder::new()
        .set_buckets(&[0.1, 1.0])
        .unwrap()
        .build_recorder();
    let handle = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let layer = CircuitBreakerLayer::builder()
        .name("a")
        .observer(Histograms::new())
        .backup(service_fn(|()| async {
            sleep(ms(200)).await;
            Ok::<_, BoxError>(())
        }))
        .build()
        .unwrap();
    for (millis, outcome) in [
        (50, Outcome::Success),
        (500, Outcome::Success),
        (2000, Outcome::Failure),
    ] {
        let permit = layer.breaker().try_acquire().unwrap();
        sleep(ms(millis)).await;
        permit.record(outcome);
    }
    layer.breaker().force_open("an example", None);
    assert!(layer.breaker().try_acquire().is_err());
    let service = layer.layer(service_fn(|()| async { Ok::<_, BoxError>(()) }));
    service.oneshot(()).await.unwrap();
    let text = handle.render();
    let line = |service: &str, outcome: &str, le: &str| {
        format!(
            "tower_breaker_call_duration_seconds_bucket{{breaker=\"a\",service=\"{service}\",outcome=\"{outcome}\",le=\"{le}\"}}"
        )
    };
    assert!(text.contains(&(line("primary", "success", "0.1") + " 1")), "{text}");
    assert!(text.contains(&(line("primary", "success", "1") + " 2")), "{text}");
    assert!(text.contains(&(line("primary", "failure", "1") + " 0")), "{text}");
    assert!(text.contains(&(line("primary", "failure", "+Inf") + " 1")), "{text}");
    assert!(text.contains(&(line("backup", "success", "0.1") + " 0")), "{text}");
    assert!(text.contains(&(line("backup", "success", "1") + " 1")), "{text}");
}

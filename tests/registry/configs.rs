use tower::Layer;
use tower_breaker::{
    Breaker, State,
    config::SlowAfter,
    policy::{ConsecutiveFailures, SlidingWindow, SlowCallRate},
    recovery::OpenDuration,
    registry::{Configs, PartialConfig, Registry},
};

use crate::common::{breakers::*, durations::*, events::*, keyed::*};

fn slow_after(millis: u64) -> PartialConfig {
    PartialConfig::new().slow_after(ms(millis))
}

fn is_slow_after(breaker: &Breaker) -> SlowAfter {
    breaker.config().settings().slow_after
}

#[test]
fn what_is_written_under_a_name_comes_before_the_defaults_and_these_before_the_code() {
    let configs = Configs::new()
        .defaults(slow_after(2).open_duration(ms(7)))
        .breaker("search", slow_after(3));
    let registry = Registry::with(configs);
    let build = |name| named(name).slow_after(ms(1)).registry(&registry).build().unwrap();
    let (search, payments) = (build("search"), build("payments"));
    assert_eq!(is_slow_after(search.breaker()), SlowAfter::After(ms(3)));
    assert_eq!(is_slow_after(payments.breaker()), SlowAfter::After(ms(2)));
    let settings = search.breaker().config().settings().clone();
    assert_eq!(settings.open_duration, OpenDuration::fixed(ms(7)));
    assert_eq!(settings.trip_when, ConsecutiveFailures::of(3).into());
}

#[test]
fn other_configurations_apply_live_and_keep_the_state() {
    let registry = Registry::new();
    let layer = named("search").slow_after(ms(1)).registry(&registry).build().unwrap();
    layer.breaker().trip(disk_is_full());
    let configs = Configs::new().breaker("search", slow_after(3));
    registry.reconfigure(configs).unwrap();
    assert_eq!(is_slow_after(layer.breaker()), SlowAfter::After(ms(3)));
    assert_eq!(layer.breaker().state(), State::Open);
    // What is no longer written is as in the code again.
    registry.reconfigure(Configs::new()).unwrap();
    assert_eq!(is_slow_after(layer.breaker()), SlowAfter::After(ms(1)));
}

#[test]
fn a_breaker_whose_configuration_stays_as_it_was_is_left_alone() {
    let log = Log::default();
    let registry = Registry::new();
    let build = |name| {
        named(name)
            .on_event(log.observer())
            .registry(&registry)
            .build()
            .unwrap()
    };
    let _layers = ["search", "payments"].map(build);
    let configs = Configs::new().breaker("search", slow_after(3));
    registry.reconfigure(configs.clone()).unwrap();
    assert_eq!(log.take(), ["search: reconfigured"]);
    registry.reconfigure(configs).unwrap();
    assert!(log.take().is_empty());
}

#[test]
fn it_applies_to_all_breakers_or_to_none() {
    let registry = Registry::new();
    let build = |name| named(name).slow_after(ms(1)).registry(&registry).build().unwrap();
    let layers = ["a", "b", "c"].map(build);
    let rate = SlowCallRate::at_least(0.5).over(SlidingWindow::last_calls(10));
    let never = PartialConfig::new().slow_after(SlowAfter::Never).trip_when(rate);
    let configs = Configs::new().defaults(slow_after(5)).breaker("b", never);
    let error = registry.reconfigure(configs).unwrap_err();
    assert!(error.to_string().starts_with("breaker \"b\": "), "{error}");
    for layer in &layers {
        assert_eq!(is_slow_after(layer.breaker()), SlowAfter::After(ms(1)));
    }
}

#[test]
fn a_name_that_no_breaker_has_is_an_error() {
    let registry = Registry::with(Configs::new().breaker("serach", slow_after(1)));
    let layer = named("search").registry(&registry).build().unwrap();
    assert_eq!(registry.unused_names(), ["serach"]);
    let configs = Configs::new().defaults(slow_after(5)).breaker("serach", slow_after(3));
    let error = registry.reconfigure(configs).unwrap_err();
    assert_eq!(error.to_string(), "there is no breaker \"serach\"");
    assert_eq!(is_slow_after(layer.breaker()), SlowAfter::Auto);
}

#[tokio::test(start_paused = true)]
async fn keys_are_configured_by_their_layers_name_and_by_their_own() {
    let configs = Configs::new()
        .breaker("hosts", slow_after(2))
        .breaker(r#"hosts["a"]"#, slow_after(3));
    let registry = Registry::with(configs);
    let layer = keyed().registry(&registry).build().unwrap();
    let service = layer.layer(primary());
    send(&service, good("a")).await;
    send(&service, good("b")).await;
    let is = |key| is_slow_after(&layer.breakers().get(&key).unwrap());
    assert_eq!((is("a"), is("b")), (SlowAfter::After(ms(3)), SlowAfter::After(ms(2))));
    assert_eq!(is_slow_after(layer.breakers().overflow()), SlowAfter::After(ms(2)));
    assert!(registry.unused_names().is_empty());

    // Of a key that isn't there yet, too; and for those that come later.
    let configs = Configs::new()
        .breaker("hosts", slow_after(4))
        .breaker(r#"hosts["c"]"#, slow_after(5));
    registry.reconfigure(configs).unwrap();
    send(&service, good("c")).await;
    send(&service, good("d")).await;
    let all = ["a", "b", "c", "d"].map(is);
    assert_eq!(all, [4, 4, 5, 4].map(|millis| SlowAfter::After(ms(millis))));
}

#[test]
fn they_are_written_as_tables() {
    let text = r#"
        [defaults]
        slow_after = "300ms"
        recovery = { stages = [50, 100] }

        [breakers.search]
        open_duration = "5s"
        trip_when = { consecutive_failures = [3, 4] }

        [breakers.'hosts["a"]']
        slow_after = "never"
    "#;
    let configs: Configs = toml::from_str(text).unwrap();
    let written = toml::to_string(&configs).unwrap();
    assert_eq!(toml::from_str::<Configs>(&written).unwrap(), configs);
    assert!(written.contains(r#"[breakers.'hosts["a"]']"#), "{written}");
    assert_eq!(toml::from_str::<Configs>("").unwrap(), Configs::new());
}

#[test]
fn mistakes_are_named_with_their_place() {
    let refused = |text: &str| toml::from_str::<Configs>(text).unwrap_err().message().to_owned();
    assert!(refused("[default]").contains("unknown field `default`"));
    assert!(refused("[breakers.search]\nslow = 3").contains("unknown field `slow`"));
    assert!(refused("[breakers.search]\nname = 'x'").contains("unknown field `name`"));
    let message = refused("[breakers.search]\nslow_after = 3");
    assert!(
        message.contains("breakers.search.slow_after to be a duration"),
        "{message}"
    );
    let message = refused("[breakers.'a b']\nslow_after = '0s'");
    assert!(
        message.starts_with("breakers.\"a b\".slow_after must be a duration above 0 and up to 365 days, but is 0ns"),
        "{message}"
    );
    let message = refused("[defaults]\nopen_duration = '0s'");
    assert!(
        message.starts_with("defaults.open_duration must be a duration above 0 and up to 365 days, but is 0ns"),
        "{message}"
    );
}

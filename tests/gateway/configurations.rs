use std::{path::Path, time::Duration};

use tower_breaker::registry::PartialConfig;

use crate::config::{Config, Mistakes};

const WHOLE: &str = include_str!("../../examples/gateway/gateway.toml");

fn mistakes(text: &str) -> Vec<String> {
    let Mistakes(mistakes) = Config::parse(text).unwrap_err();
    mistakes.iter().map(ToString::to_string).collect()
}

/// A whole configuration, with this in the place of the table of the service `a`.
fn with_service(table: &str) -> String {
    format!("listen = '127.0.0.1:1'\n[[routes]]\npath = '/'\nservice = 'a'\n[services.a]\n{table}")
}

#[test]
fn the_example_is_understood() {
    let config = Config::parse(WHOLE).unwrap();
    assert!(config.breakers);
    let search = &config.services["search"];
    assert_eq!(search.instances[0].name, "127.0.0.1:9001");
    assert_eq!(search.instances[1].name, "new");
    assert_eq!(search.backup.as_deref(), Some("cache"));
    assert_eq!(
        search.breaker,
        PartialConfig::new().slow_after(Duration::from_millis(300))
    );
    assert_eq!(search.check.as_ref().unwrap().trip_after, 3);
    assert_eq!(
        (search.timeout, search.max_open_percent),
        (Duration::from_secs(10), 100)
    );
    let cache = &config.services["cache"];
    assert_eq!((cache.timeout, cache.max_open_percent), (Duration::from_secs(30), 50));
    assert_eq!(config.backups_first(), ["cache", "search"]);
}

#[test]
fn what_is_no_toml_is_refused_with_its_line() {
    let all = mistakes("listen = '127.0.0.1:1'\n[services\n");
    assert_eq!(all.len(), 1);
    assert!(all[0].starts_with("2:10: "), "{all:?}");
}

#[test]
fn an_unknown_field_is_refused_with_its_line() {
    for (text, expected) in [
        (
            "listen = '127.0.0.1:1'\nlisten_on = 3\n".to_owned(),
            "2:1: unknown field `listen_on`",
        ),
        (
            with_service("instances = ['http://a']\nbakup = 'b'\n"),
            "7:1: unknown field `bakup`",
        ),
        (
            with_service("instances = ['http://a']\n[services.a.breaker]\nslow = '3s'\n"),
            "unknown field `slow`",
        ),
        (
            with_service("instances = ['http://a']\n[services.a.check]\npath = '/'\nevry = '3s'\n"),
            "9:1: unknown field `evry`",
        ),
        (
            with_service("instances = [{ name = 'x', adress = 'http://a' }]\n"),
            "unknown field `adress`",
        ),
    ] {
        let all = mistakes(&text);
        assert_eq!(all.len(), 1, "{all:?}");
        assert!(all[0].contains(expected), "{all:?} has no {expected}");
    }
}

#[test]
fn a_breakers_settings_are_checked() {
    let all = mistakes(&with_service(
        "instances = ['http://a']\nbreaker = { slow_after = '0s' }\n",
    ));
    assert!(
        all[0].starts_with("7:")
            && all[0].contains("slow_after must be a duration above 0 and up to 365 days, but is 0ns"),
        "{all:?}"
    );
    let all = mistakes(&with_service(
        "instances = ['http://a']\nbreaker = { slow_after = 3 }\n",
    ));
    assert!(all[0].contains("slow_after to be a duration"), "{all:?}");
}

#[test]
fn duplicate_names_are_refused() {
    let all = mistakes(&with_service(
        "instances = ['http://a']\n[services.a]\ninstances = ['http://b']\n",
    ));
    assert!(all[0].starts_with("7:") && all[0].contains("duplicate key"), "{all:?}");
    let all = mistakes(&with_service(
        "instances = [\n  'http://a',\n  'http://b',\n  'http://a',\n]\n",
    ));
    assert_eq!(all, ["9:3: services.a.instances: \"http://a\" is given twice"]);
    let all = mistakes(&with_service(
        "instances = [{ name = 'x', address = 'http://a' }, { name = 'x', address = 'http://b' }]\n",
    ));
    assert_eq!(all, ["6:52: services.a.instances: \"x\" is given twice"]);
    let all = mistakes(&(with_service("instances = ['http://a']\n") + "[[routes]]\npath = '/'\nservice = 'a'\n"));
    assert_eq!(all, ["8:8: routes[1].path: \"/\" is given twice"]);
    // For another host it is another route.
    let other = "[[routes]]\nhost = 'a.example'\npath = '/'\nservice = 'a'\n";
    Config::parse(&(with_service("instances = ['http://a']\n") + other)).unwrap();
}

#[test]
fn a_backup_that_is_not_there_or_a_cycle_of_them_is_refused() {
    let all = mistakes(&with_service("instances = ['http://a']\nbackup = 'b'\n"));
    assert_eq!(all, ["7:10: services.a.backup: there is no service \"b\""]);
    let all = mistakes(&with_service("instances = ['http://a']\nbackup = 'a'\n"));
    assert_eq!(all, ["7:10: services.a.backup: a cycle: a → a"]);
    let chain =
        |name: &str, backup: &str| format!("[services.{name}]\ninstances = ['http://{name}']\nbackup = '{backup}'\n");
    let text = with_service("instances = ['http://a']\nbackup = 'b'\n") + &chain("b", "c") + &chain("c", "b");
    assert_eq!(
        mistakes(&text),
        [
            "10:10: services.b.backup: a cycle: b → c → b",
            "13:10: services.c.backup: a cycle: c → b → c"
        ]
    );
}

#[test]
fn an_address_with_no_server_behind_it_is_refused() {
    let accepted = "use one such as \"http://10.0.0.7:8080\"";
    for (address, why) in [
        ("", "it is no URI"),
        ("a.example", "it has no http:// in front"),
        ("https://a.example", "https is not spoken here"),
        ("http://", "it is no URI"),
        ("http://:8080", "it has no host"),
        ("http://a.example:0", "it has no port that one could connect to"),
        ("http://a.example:99999", "it has no port that one could connect to"),
        ("http://a.example:", "it has no port that one could connect to"),
        ("http://me:secret@a.example", "it has a user"),
        ("http://a.example/path", "it has a path"),
        ("http://a example", "it is no URI"),
    ] {
        let all = mistakes(&with_service(&format!("instances = ['{address}']\n")));
        let expected =
            format!("6:14: services.a.instances: {address:?} is not an instance's address: {why}; {accepted}");
        assert_eq!(all, [expected]);
    }
}

#[test]
fn an_empty_list_of_instances_is_refused() {
    let all = mistakes(&with_service("instances = []\n"));
    assert_eq!(all, ["6:13: services.a.instances: at least one is required"]);
}

#[test]
fn routes_lead_somewhere() {
    let all = mistakes("listen = '127.0.0.1:1'\n");
    assert_eq!(
        all,
        [
            "1:1: services: at least one is required",
            "1:1: routes: at least one is required"
        ]
    );
    let all = mistakes(
        "listen = 'nowhere'\n[services.a]\ninstances = ['http://a']\n[[routes]]\npath = 'x'\nhost = 'a:80'\nservice = 'b'\n",
    );
    assert_eq!(
        all,
        [
            "1:10: listen: \"nowhere\" is not an address such as \"127.0.0.1:8080\"",
            "5:8: routes[0].path: \"x\" is not the beginning of a path, such as \"/search\"",
            "6:8: routes[0].host: \"a:80\" is not a name such as \"a.example\"",
            "7:11: routes[0].service: there is no service \"b\"",
        ]
    );
}

#[test]
fn values_out_of_range_are_refused() {
    let all = mistakes(&with_service(
        "instances = ['http://a']\ntimeout = '0s'\nmax_open_percent = 0\ncheck = { path = 'health', every = '2days', trip_after = 0 }\n",
    ));
    assert_eq!(
        all,
        [
            "7:11: services.a.timeout: out of range: above 0 and at most a day",
            "8:20: services.a.max_open_percent: 0 is out of range: 1 to 100",
            "9:18: services.a.check.path: \"health\" is not a path such as \"/health\"",
            "9:36: services.a.check.every: out of range: above 0 and at most a day",
            "9:58: services.a.check.trip_after: 0 is out of range: at least 1",
        ]
    );
    let all = mistakes(&with_service("instances = ['http://a']\ntimeout = 'soon'\n"));
    assert!(
        all[0].starts_with("7:11: ") && all[0].contains("a duration such as \"300ms\""),
        "{all:?}"
    );
}

#[test]
fn a_console_that_operates_is_on_this_machine() {
    let with = |console: &str| format!("{}[console]\n{console}\n", with_service("instances = ['http://a']\n"));
    let config = Config::parse(&with("listen = '127.0.0.1:2'\noperate = true")).unwrap();
    assert!(config.console.unwrap().operate);
    let config = Config::parse(&with("listen = '0.0.0.0:2'")).unwrap();
    assert!(!config.console.unwrap().operate);
    assert_eq!(
        mistakes(&with("listen = '0.0.0.0:2'\noperate = true")),
        [
            "8:10: console.listen: a console that operates breakers needs a loopback address, because it asks for no credentials"
        ]
    );
    assert!(mistakes(&with("listen = 'x'"))[0].starts_with("8:10: console.listen: \"x\" is not an address"));
}

#[test]
fn names_make_names_of_breakers() {
    let long = "x".repeat(101);
    for name in ["''", "'a/b'", &long] {
        let text = format!(
            "listen = '127.0.0.1:1'\n[services.{name}]\ninstances = ['http://a']\n[[routes]]\npath = '/'\nservice = {}\n",
            if name.starts_with('\'') {
                name.to_owned()
            } else {
                format!("'{name}'")
            }
        );
        let all = mistakes(&text);
        assert!(
            all[0].ends_with("a service's name has 1 to 100 bytes, and no slash"),
            "{all:?}"
        );
        let instance = format!(
            "instances = [{{ name = '{}', address = 'http://a' }}]\n",
            name.trim_matches('\'')
        );
        let all = mistakes(&with_service(&instance));
        assert!(
            all[0].ends_with("an instance's name has 1 to 100 bytes, and no slash"),
            "{all:?}"
        );
    }
}

#[test]
fn mistakes_are_said_with_the_file() {
    let mistakes = Config::parse("listen = '127.0.0.1:1'\n").unwrap_err();
    let lines = mistakes.in_file(Path::new("etc/gateway.toml"));
    assert_eq!(
        lines,
        "etc/gateway.toml:1:1: services: at least one is required\netc/gateway.toml:1:1: routes: at least one is required"
    );
}

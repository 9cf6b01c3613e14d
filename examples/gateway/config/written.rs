//! The configuration as it is written in the file, with the place of each value.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};
use toml::Spanned;
use tower_breaker::registry::PartialConfig;

use super::{Mistake, Mistakes};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    pub(super) listen: Spanned<String>,
    #[serde(default = "yes")]
    pub(super) breakers: bool,
    pub(super) console: Option<Console>,
    #[serde(default)]
    pub(super) services: BTreeMap<Spanned<String>, Service>,
    #[serde(default)]
    pub(super) routes: Vec<Route>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Console {
    pub(super) listen: Spanned<String>,
    #[serde(default)]
    pub(super) operate: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Service {
    pub(super) instances: Spanned<Vec<Instance>>,
    pub(super) backup: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) breaker: PartialConfig,
    pub(super) check: Option<Check>,
    pub(super) timeout: Option<Spanned<HumanDuration>>,
    pub(super) max_open_percent: Option<Spanned<u8>>,
}

/// An address alone, or a table with a name.
pub(super) struct Instance {
    pub(super) name: Option<Spanned<String>>,
    pub(super) address: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
    address: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Check {
    pub(super) path: Spanned<String>,
    pub(super) every: Option<Spanned<HumanDuration>>,
    pub(super) timeout: Option<Spanned<HumanDuration>>,
    pub(super) trip_after: Option<Spanned<u32>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Route {
    pub(super) host: Option<Spanned<String>>,
    pub(super) path: Spanned<String>,
    pub(super) service: Spanned<String>,
}

/// A duration as people write it: "300ms".
#[derive(Clone, Copy)]
pub(super) struct HumanDuration(pub(super) Duration);

fn yes() -> bool {
    true
}

impl Config {
    pub(super) fn parse(text: &str) -> Result<Self, Mistakes> {
        toml::from_str(text).map_err(|error| {
            let span = error.span().unwrap_or(0..0);
            Mistakes(vec![Mistake::at(span, text, "", error.message())])
        })
    }
}

impl<'de> Deserialize<'de> for Instance {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Spanned::<toml::Value>::deserialize(deserializer)?;
        let span = value.span();
        match value.into_inner() {
            toml::Value::String(address) => Ok(Self {
                name: None,
                address: Spanned::new(span, address),
            }),
            table => {
                let Named { name, address } = table.try_into().map_err(D::Error::custom)?;
                Ok(Self {
                    name: Some(Spanned::new(span.clone(), name)),
                    address: Spanned::new(span, address),
                })
            }
        }
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = HumanDuration;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as \"300ms\" or \"1m 30s\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<HumanDuration, E> {
                let duration = humantime::parse_duration(text).map(HumanDuration);
                duration.map_err(|_| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

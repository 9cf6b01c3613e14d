//! The gateway's configuration, in TOML.

mod address;
mod mistake;
mod validate;
mod written;

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use tower_breaker::registry::PartialConfig;

pub(crate) use self::{
    address::Address,
    mistake::{Mistake, Mistakes},
};

/// A configuration that has been checked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) console: Option<Console>,
    /// Whether instances have breakers. Without them the gateway is a plain proxy, for comparison.
    pub(crate) breakers: bool,
    pub(crate) services: BTreeMap<String, Service>,
    /// Routes of a host before those of any host, and longer paths before shorter ones.
    pub(crate) routes: Vec<Route>,
}

/// The page that shows the breakers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Console {
    pub(crate) listen: SocketAddr,
    /// Whether the page can operate the breakers. That is allowed on a loopback address only,
    /// because the page doesn't ask for credentials.
    pub(crate) operate: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Service {
    pub(crate) instances: Vec<Instance>,
    pub(crate) backup: Option<String>,
    pub(crate) breaker: PartialConfig,
    pub(crate) check: Option<Check>,
    /// How long an instance may take to answer, up to the head of the response.
    pub(crate) timeout: Duration,
    pub(crate) max_open_percent: u8,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Instance {
    /// Host and port, unless the configuration gives a name.
    pub(crate) name: String,
    pub(crate) address: Address,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) path: String,
    pub(crate) every: Duration,
    pub(crate) timeout: Duration,
    pub(crate) trip_after: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) host: Option<String>,
    pub(crate) path: String,
    pub(crate) service: String,
}

impl Config {
    /// Parses a configuration, or returns all its mistakes.
    pub(crate) fn parse(text: &str) -> Result<Self, Mistakes> {
        let written = written::Config::parse(text)?;
        validate::validate(&written, text)
    }

    /// Returns the services' names. A service comes after the one that it falls back to.
    pub(crate) fn backups_first(&self) -> Vec<&str> {
        let mut ordered: Vec<&str> = Vec::new();
        for name in self.services.keys() {
            let mut chain = Vec::new();
            let mut next = Some(name.as_str());
            while let Some(name) = next.filter(|name| !ordered.contains(name)) {
                chain.push(name);
                next = self.services[name].backup.as_deref();
            }
            ordered.extend(chain.into_iter().rev());
        }
        ordered
    }
}

//! What the gateway is told to do, in TOML.

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
    /// Without breakers it is a plain proxy, to compare with.
    pub(crate) breakers: bool,
    pub(crate) services: BTreeMap<String, Service>,
    /// The longest paths first, and those of a host before those of any.
    pub(crate) routes: Vec<Route>,
}

/// The page that shows the breakers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Console {
    pub(crate) listen: SocketAddr,
    /// Whether it operates them, too. Only on this machine: it asks nobody who they are.
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
    /// Its host and port, unless it is given one.
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
    /// Reads what is written, or says all that is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, Mistakes> {
        let written = written::Config::parse(text)?;
        validate::validate(&written, text)
    }

    /// The services, those that others fall back to before these.
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

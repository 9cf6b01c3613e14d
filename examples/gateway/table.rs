//! The routing table, and how a new configuration replaces the old one without losing state.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use http::HeaderValue;
use tower::BoxError;
use tower_breaker::{
    Config as BreakerConfig,
    agent::{Agent, HttpGet},
    console::Console,
    group::Group,
    registry::Registry,
};

use crate::{
    config::{self, Check, Config, Route},
    console,
    instance::Instance,
    upstream::{Client, Upstream, client},
};

/// The services and routes of one configuration. It never changes, so that a request keeps the
/// table that it began with.
pub(crate) struct Table {
    pub(crate) config: Config,
    services: HashMap<String, Arc<Service>>,
}

pub(crate) struct Service {
    pub(crate) instances: Vec<Arc<Instance>>,
    pub(crate) backup: Option<Arc<Service>>,
    group: Group,
    checks: Option<Arc<Checks>>,
}

/// The health checks of a service's instances.
struct Checks {
    settings: Check,
    agent: Arc<Agent>,
    /// The URL that is checked, by the instance's name.
    pages: Mutex<HashMap<String, String>>,
}

/// What outlives any one table.
pub(crate) struct Builder {
    pub(crate) registry: Registry,
    pub(crate) console: Console,
    client: Client,
    /// All instances with a reference. An instance that was removed but still has requests may come
    /// back.
    known: Mutex<HashMap<String, Weak<Instance>>>,
}

impl Table {
    /// Returns the service for a request: of the longest matching path (by segments), routes of the
    /// request's host first.
    pub(crate) fn route(&self, host: Option<&HeaderValue>, path: &str) -> Option<&Arc<Service>> {
        let host = host.and_then(|host| host.to_str().ok()).map(without_port);
        let fits = |route: &&Route| {
            let fits_host = |wanted: &String| host.is_some_and(|host| host.eq_ignore_ascii_case(wanted));
            route.host.as_ref().is_none_or(fits_host) && is_within(path, &route.path)
        };
        let route = self.config.routes.iter().find(fits)?;
        self.services.get(&route.service)
    }

    pub(crate) fn instances(&self) -> impl Iterator<Item = &Arc<Instance>> {
        let names = self.config.services.keys();
        names.flat_map(|name| &self.services[name].instances)
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    }
}

fn is_within(path: &str, prefix: &str) -> bool {
    let rest = path.strip_prefix(prefix);
    rest.is_some_and(|rest| rest.is_empty() || prefix.ends_with('/') || rest.starts_with('/'))
}

impl Builder {
    /// Creates a builder, with a console that can or can't operate the breakers.
    pub(crate) fn new(operate: bool) -> Self {
        let registry = Registry::new();
        Self {
            console: console::page(&registry, operate),
            registry,
            client: client(),
            known: Mutex::default(),
        }
    }

    /// Builds the table of a configuration. What it has in common with the previous one keeps its
    /// state.
    pub(crate) fn build(&self, config: Config, before: Option<&Table>) -> Result<Table, BoxError> {
        let mut services: HashMap<String, Arc<Service>> = HashMap::new();
        for name in config.backups_first() {
            let settings = &config.services[name];
            let old = before.and_then(|before| before.services.get(name));
            let backup = settings.backup.as_ref().map(|backup| services[backup].clone());
            let service = self.service(name, settings, config.breakers, old, backup)?;
            services.insert(name.to_owned(), Arc::new(service));
        }
        Ok(Table { config, services })
    }

    fn service(
        &self,
        name: &str,
        settings: &config::Service,
        breakers: bool,
        old: Option<&Arc<Service>>,
        backup: Option<Arc<Service>>,
    ) -> Result<Service, BoxError> {
        let group = match old {
            Some(old) => old.group.clone(),
            None => Group::builder().build()?,
        };
        group.set_max_open_percent(settings.max_open_percent)?;
        let instances = settings
            .instances
            .iter()
            .map(|instance| self.instance(name, instance, settings, breakers, &group))
            .collect::<Result<Vec<_>, _>>()?;
        let old_checks = old.and_then(|old| old.checks.as_ref());
        let checks = match settings.check.as_ref().filter(|_| breakers) {
            Some(check) => Some(self.checks(check, old_checks, &settings.instances, &instances)?),
            None => None,
        };
        Ok(Service {
            instances,
            backup,
            group,
            checks,
        })
    }

    fn checks(
        &self,
        settings: &Check,
        old: Option<&Arc<Checks>>,
        written: &[config::Instance],
        instances: &[Arc<Instance>],
    ) -> Result<Arc<Checks>, BoxError> {
        let checks = match old.filter(|old| old.settings == *settings) {
            Some(old) => old.clone(),
            None => Arc::new(Checks::new(settings)?),
        };
        if !old.is_some_and(|old| Arc::ptr_eq(old, &checks)) {
            self.console.show_agent(&checks.agent);
        }
        checks.watch(written, instances)?;
        Ok(checks)
    }

    fn instance(
        &self,
        service: &str,
        written: &config::Instance,
        settings: &config::Service,
        breakers: bool,
        group: &Group,
    ) -> Result<Arc<Instance>, BoxError> {
        let name = format!("{service}/{}", written.name);
        let key = if breakers {
            name.clone()
        } else {
            format!("{name} (bare)")
        };
        let config = settings.breaker.apply(BreakerConfig::new(name.as_str()));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, instance| instance.strong_count() > 0);
        if let Some(instance) = known.get(&key).and_then(Weak::upgrade) {
            if let Some(breaker) = instance.breaker().filter(|breaker| breaker.config() != config) {
                breaker.reconfigure(config)?;
            }
            instance.set_timeout(settings.timeout);
            if instance.address() != written.address {
                instance.set_address(written.address.clone());
            }
            return Ok(instance);
        }
        let upstream = Upstream::new(self.client.clone(), written.address.clone());
        upstream.set_timeout(settings.timeout);
        let instance = Arc::new(if breakers {
            Instance::guarded(config, upstream, group, &self.registry)?
        } else {
            Instance::bare(name, upstream)
        });
        known.insert(key, Arc::downgrade(&instance));
        Ok(instance)
    }
}

impl Checks {
    fn new(settings: &Check) -> Result<Self, BoxError> {
        let agent = Agent::builder()
            .every(settings.every)
            .timeout(settings.timeout)
            .trip_after(settings.trip_after)
            .build()?;
        Ok(Self {
            settings: settings.clone(),
            agent: Arc::new(agent),
            pages: Mutex::default(),
        })
    }

    /// Checks these instances, and stops checking all others.
    fn watch(&self, written: &[config::Instance], instances: &[Arc<Instance>]) -> Result<(), BoxError> {
        let page = |written: &config::Instance| format!("{}{}", written.address, self.settings.path);
        let wanted: HashMap<&str, String> = instances
            .iter()
            .map(|one| one.name.as_str())
            .zip(written.iter().map(page))
            .collect();
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        pages.retain(|name, page| {
            let stays = wanted.get(name.as_str()) == Some(page);
            if !stays {
                self.agent.forget(name);
            }
            stays
        });
        for instance in instances {
            let page = &wanted[instance.name.as_str()];
            if let Some(breaker) = instance.breaker().filter(|_| !pages.contains_key(&instance.name)) {
                self.agent.watch(breaker, HttpGet::new(page)?)?;
                pages.insert(instance.name.clone(), page.clone());
            }
        }
        Ok(())
    }
}

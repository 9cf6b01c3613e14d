//! Checks of the configuration that types can't express.

use std::{collections::BTreeMap, ops::Range, time::Duration};

use toml::Spanned;

use super::{
    Address, Check, Config, Console, Instance, Mistake, Mistakes, Route, Service,
    written::{self, HumanDuration},
};

/// Checks a parsed configuration, and collects all mistakes.
pub(super) fn validate(written: &written::Config, text: &str) -> Result<Config, Mistakes> {
    let mut checks = Checks {
        text,
        mistakes: Vec::new(),
    };
    let services = checks.services(&written.services);
    let config = Config {
        listen: checks.listen("listen", &written.listen),
        console: written.console.as_ref().map(|console| checks.console(console)),
        breakers: written.breakers,
        routes: checks.routes(&written.routes, &services),
        services,
    };
    checks.backups(&written.services);
    checks.mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
    if checks.mistakes.is_empty() {
        Ok(config)
    } else {
        Err(Mistakes(checks.mistakes))
    }
}

struct Checks<'a> {
    text: &'a str,
    mistakes: Vec<Mistake>,
}

impl Checks<'_> {
    fn wrong(&mut self, span: Range<usize>, field: impl Into<String>, message: impl Into<String>) {
        self.mistakes.push(Mistake::at(span, self.text, field, message));
    }

    fn console(&mut self, written: &written::Console) -> Console {
        let listen = self.listen("console.listen", &written.listen);
        if written.operate && !listen.ip().is_loopback() {
            let message =
                "a console that operates breakers needs a loopback address, because it asks for no credentials";
            self.wrong(written.listen.span(), "console.listen", message);
        }
        Console {
            listen,
            operate: written.operate,
        }
    }

    fn listen(&mut self, field: &str, listen: &Spanned<String>) -> std::net::SocketAddr {
        listen.get_ref().parse().unwrap_or_else(|_| {
            let message = format!("{:?} is not an address such as \"127.0.0.1:8080\"", listen.get_ref());
            self.wrong(listen.span(), field, message);
            ([127, 0, 0, 1], 0).into()
        })
    }

    fn services(&mut self, written: &BTreeMap<Spanned<String>, written::Service>) -> BTreeMap<String, Service> {
        if written.is_empty() {
            self.wrong(0..0, "services", "at least one is required");
        }
        written
            .iter()
            .map(|(name, service)| (name.get_ref().clone(), self.service(name, service)))
            .collect()
    }

    fn service(&mut self, name: &Spanned<String>, written: &written::Service) -> Service {
        let field = format!("services.{}", name.get_ref());
        // The service's and the instance's name make the breaker's name, which has at most 256
        // bytes.
        if name.get_ref().is_empty() || name.get_ref().len() > 100 || name.get_ref().contains('/') {
            let message = "a service's name has 1 to 100 bytes, and no slash";
            self.wrong(name.span(), field.clone(), message);
        }
        Service {
            instances: self.instances(&field, &written.instances),
            backup: written.backup.as_ref().map(|backup| backup.get_ref().clone()),
            breaker: written.breaker.clone(),
            check: written.check.as_ref().map(|check| self.check(&field, check)),
            timeout: self.duration(&field, "timeout", written.timeout.as_ref(), Duration::from_secs(30)),
            max_open_percent: match &written.max_open_percent {
                Some(percent) if !(1..=100).contains(percent.get_ref()) => {
                    let message = format!("{} is out of range: 1 to 100", percent.get_ref());
                    self.wrong(percent.span(), format!("{field}.max_open_percent"), message);
                    100
                }
                Some(percent) => *percent.get_ref(),
                // With a backup, all instances may be open at once.
                None if written.backup.is_some() => 100,
                None => 50,
            },
        }
    }

    fn instances(&mut self, service: &str, written: &Spanned<Vec<written::Instance>>) -> Vec<Instance> {
        let field = format!("{service}.instances");
        if written.get_ref().is_empty() {
            self.wrong(written.span(), field.clone(), "at least one is required");
        }
        let mut instances: Vec<Instance> = Vec::new();
        for instance in written.get_ref() {
            let span = instance.address.span();
            let address = match Address::parse(instance.address.get_ref()) {
                Ok(address) => address,
                Err(message) => {
                    self.wrong(span, field.clone(), message);
                    continue;
                }
            };
            let name = instance.name.as_ref();
            let name = name.map_or_else(|| address.name().to_owned(), |name| name.get_ref().clone());
            if name.is_empty() || name.len() > 100 || name.contains('/') {
                self.wrong(
                    span.clone(),
                    field.clone(),
                    "an instance's name has 1 to 100 bytes, and no slash",
                );
            }
            if instances
                .iter()
                .any(|other| other.address == address || other.name == name)
            {
                let twice = instance.name.as_ref().unwrap_or(&instance.address).get_ref();
                self.wrong(span, field.clone(), format!("{twice:?} is given twice"));
            }
            instances.push(Instance { name, address });
        }
        instances
    }

    fn check(&mut self, service: &str, written: &written::Check) -> Check {
        let field = format!("{service}.check");
        let path = written.path.get_ref();
        if !path.starts_with('/') || path.parse::<http::uri::PathAndQuery>().is_err() {
            let message = format!("{path:?} is not a path such as \"/health\"");
            self.wrong(written.path.span(), format!("{field}.path"), message);
        }
        let trip_after = written.trip_after.as_ref();
        if let Some(zero) = trip_after.filter(|checks| *checks.get_ref() == 0) {
            let message = "0 is out of range: at least 1";
            self.wrong(zero.span(), format!("{field}.trip_after"), message);
        }
        Check {
            path: path.clone(),
            every: self.duration(&field, "every", written.every.as_ref(), Duration::from_secs(5)),
            timeout: self.duration(&field, "timeout", written.timeout.as_ref(), Duration::from_secs(1)),
            trip_after: trip_after.map_or(3, |checks| *checks.get_ref()),
        }
    }

    fn duration(
        &mut self,
        table: &str,
        name: &str,
        written: Option<&Spanned<HumanDuration>>,
        default: Duration,
    ) -> Duration {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        let Some(written) = written else { return default };
        let HumanDuration(duration) = *written.get_ref();
        if duration.is_zero() || duration > DAY {
            let message = "out of range: above 0 and at most a day";
            self.wrong(written.span(), format!("{table}.{name}"), message);
        }
        duration
    }

    fn backups(&mut self, services: &BTreeMap<Spanned<String>, written::Service>) {
        let backup_of = |name: &str| {
            let service = services.iter().find(|(other, _)| other.get_ref() == name);
            service.and_then(|(_, service)| service.backup.as_ref())
        };
        for (name, service) in services {
            let Some(backup) = &service.backup else { continue };
            let field = format!("services.{}.backup", name.get_ref());
            if !services.keys().any(|other| other.get_ref() == backup.get_ref()) {
                let message = format!("there is no service {:?}", backup.get_ref());
                self.wrong(backup.span(), field, message);
                continue;
            }
            let mut chain = vec![name.get_ref().as_str()];
            let mut next = Some(backup);
            while let Some(backup) = next {
                chain.push(backup.get_ref());
                if backup.get_ref() == name.get_ref() {
                    let message = format!("a cycle: {}", chain.join(" → "));
                    self.wrong(service.backup.as_ref().map_or(0..0, Spanned::span), field, message);
                    break;
                }
                // This cycle doesn't contain the service. It is reported for the services in it.
                if chain.len() > services.len() {
                    break;
                }
                next = backup_of(backup.get_ref());
            }
        }
    }

    fn routes(&mut self, written: &[written::Route], services: &BTreeMap<String, Service>) -> Vec<Route> {
        if written.is_empty() {
            self.wrong(0..0, "routes", "at least one is required");
        }
        let mut routes: Vec<Route> = Vec::new();
        for (number, route) in written.iter().enumerate() {
            let field = |name: &str| format!("routes[{number}].{name}");
            let path = route.path.get_ref();
            if !path.starts_with('/') || path.contains(['?', '#']) {
                let message = format!("{path:?} is not the beginning of a path, such as \"/search\"");
                self.wrong(route.path.span(), field("path"), message);
            }
            if let Some(host) = &route.host {
                if host.get_ref().is_empty() || host.get_ref().contains(['/', ':', '@']) {
                    let message = format!("{:?} is not a name such as \"a.example\"", host.get_ref());
                    self.wrong(host.span(), field("host"), message);
                }
            }
            if !services.contains_key(route.service.get_ref()) {
                let message = format!("there is no service {:?}", route.service.get_ref());
                self.wrong(route.service.span(), field("service"), message);
            }
            let host = route.host.as_ref().map(|host| host.get_ref().to_ascii_lowercase());
            if routes.iter().any(|other| other.host == host && other.path == *path) {
                self.wrong(route.path.span(), field("path"), format!("{path:?} is given twice"));
            }
            routes.push(Route {
                host,
                path: path.clone(),
                service: route.service.get_ref().clone(),
            });
        }
        routes.sort_by_key(|route| (route.host.is_none(), std::cmp::Reverse(route.path.len())));
        routes
    }
}

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use crate::{
    Outcome,
    backup::{Backup, Reject, Wait},
    breaker::BreakerFactory,
    classify::ErrorsAsFailures,
    clock::{Clock, TokioClock},
    config::Config,
    event::{Event, Observer, Observers},
    failover::{FailOver, FailOverBudget},
    group::Group,
    layer::CircuitBreakerLayer,
    machine::{CancelledCalls, ConfigError, OpenDuration, Policy, Recovery, SlowAfter},
    registry::Registry,
    respond::Respond,
};

/// Builds a [`CircuitBreakerLayer`]: see [`CircuitBreakerLayer::builder`].
#[must_use = "a builder does nothing until it builds"]
pub struct Builder<B = Reject, C = ErrorsAsFailures, K = ()> {
    on_open: B,
    classify: C,
    /// What is to be known of the keys, if there is to be a breaker for each.
    pub(crate) keys: K,
    breaker: BreakerParts,
}

/// What the breaker is made of.
#[derive(Default)]
struct BreakerParts {
    config: Config,
    clock: Option<Arc<dyn Clock>>,
    seed: Option<u64>,
    observers: Vec<Box<dyn Observer>>,
    group: Option<Group>,
    registry: Option<Registry>,
    /// Whether refused calls go to another service, so that slow calls are worth looking for.
    has_backup: bool,
    /// The first setting outside `config` that can't be.
    mistake: Option<ConfigError>,
}

/// What a layer is made of.
pub(crate) struct Parts<B, C, K> {
    pub(crate) on_open: B,
    pub(crate) classify: C,
    #[cfg_attr(not(feature = "keyed"), allow(dead_code, reason = "there are no keys"))]
    pub(crate) keys: K,
    pub(crate) blueprint: BreakerFactory,
    pub(crate) config: Config,
    pub(crate) seed: u64,
    pub(crate) registry: Option<Registry>,
}

impl<K> Builder<Reject, ErrorsAsFailures, K> {
    pub(crate) fn new(keys: K) -> Self {
        Self {
            on_open: Reject,
            classify: ErrorsAsFailures,
            keys,
            breaker: BreakerParts::default(),
        }
    }
}

impl<B, C, K> Builder<B, C, K> {
    /// Takes name and settings from here; what was set before is forgotten.
    pub fn config(self, config: Config) -> Self {
        self.with(|_| config)
    }

    /// The breaker's name, in logs, events and errors: 1 to 256 bytes. Default: "breaker".
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.breaker.config.name = name.into();
        self
    }

    /// See [`Config::slow_after`].
    pub fn slow_after(self, slow_after: impl Into<SlowAfter>) -> Self {
        self.with(|config| config.slow_after(slow_after))
    }

    /// See [`Config::trip_when`].
    pub fn trip_when(self, policy: impl Into<Policy>) -> Self {
        self.with(|config| config.trip_when(policy))
    }

    /// See [`Config::open_duration`].
    pub fn open_duration(self, duration: impl Into<OpenDuration>) -> Self {
        self.with(|config| config.open_duration(duration))
    }

    /// See [`Config::recovery`].
    pub fn recovery(self, recovery: Recovery) -> Self {
        self.with(|config| config.recovery(recovery))
    }

    /// See [`Config::cancelled_calls`].
    pub fn cancelled_calls(self, cancelled: CancelledCalls) -> Self {
        self.with(|config| config.cancelled_calls(cancelled))
    }

    /// Refused calls go to this service: any with the same request, response and error. It may have a breaker and a backup of its own.
    ///
    /// It is cloned with the layer and with each service; one that isn't `Clone` goes behind a `tower::buffer::Buffer`.
    pub fn backup<T>(self, service: T) -> Builder<Backup<T>, C, K> {
        self.on_open(Backup::new(service), true)
    }

    /// Refused calls end in a [`CircuitOpen`](crate::CircuitOpen) error: see [`Reject`]. The default.
    pub fn reject(self) -> Builder<Reject, C, K> {
        self.on_open(Reject, false)
    }

    /// Refused calls get an answer that is made on the spot, from the request and the [`CircuitOpen`](crate::CircuitOpen) that says when to
    /// come back.
    ///
    /// ```
    /// use tower_breaker::{CircuitBreakerLayer, CircuitOpen};
    ///
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// let layer = CircuitBreakerLayer::builder()
    ///     .respond(|order: u32, open: CircuitOpen| format!("order {order} has to wait: {open}"))
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn respond<R>(self, answer: R) -> Builder<Respond<R>, C, K> {
        self.on_open(Respond::new(answer), false)
    }

    /// Tells good calls from bad ones: see [`Classify`](crate::Classify).
    pub fn classify<D>(self, classify: D) -> Builder<B, D, K> {
        Builder {
            on_open: self.on_open,
            classify,
            keys: self.keys,
            breaker: self.breaker,
        }
    }

    /// As [`classify`](Self::classify), for a closure whose argument's type is to be inferred.
    ///
    /// ```
    /// use tower_breaker::{CircuitBreakerLayer, Outcome};
    ///
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// let layer = CircuitBreakerLayer::builder()
    ///     .classify_fn(|result: Result<&u16, &std::io::Error>| match result {
    ///         Ok(500..) | Err(_) => Outcome::Failure,
    ///         Ok(400..) => Outcome::Ignored,
    ///         Ok(_) => Outcome::Success,
    ///     })
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn classify_fn<F, Res, Err>(self, classify: F) -> Builder<B, F, K>
    where
        F: Fn(Result<&Res, &Err>) -> Outcome + Clone,
    {
        self.classify(classify)
    }

    /// Tells this observer of each event. May be given more than once.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.breaker.observers.push(Box::new(observer));
        self
    }

    /// As [`observer`](Self::observer), for a closure whose argument's type is to be inferred.
    ///
    /// ```
    /// use tower_breaker::CircuitBreakerLayer;
    ///
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// let layer = CircuitBreakerLayer::builder().on_event(|event| println!("{event}")).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_event(self, observer: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.observer(observer)
    }

    /// Makes it one of a group of breakers, not all of which may be open at once.
    pub fn group(mut self, group: &Group) -> Self {
        self.breaker.group = Some(group.clone());
        self
    }

    /// Takes the time from here. Default: tokio's clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.breaker.clock = Some(Arc::new(clock));
        self
    }

    /// Where jitter starts from; the same seed gives the same waits. Default: random.
    pub fn seed(mut self, seed: u64) -> Self {
        self.breaker.seed = Some(seed);
        self
    }

    /// Has it found by its name, and configured by what the registry knows under that name.
    pub fn registry(mut self, registry: &Registry) -> Self {
        self.breaker.registry = Some(registry.clone());
        self
    }

    pub(crate) fn into_parts(self) -> Result<Parts<B, C, K>, ConfigError> {
        let BreakerParts {
            config,
            clock,
            seed,
            mut observers,
            group,
            registry,
            has_backup,
            mistake,
        } = self.breaker;
        if let Some(mistake) = mistake {
            return Err(mistake);
        }
        observers.extend(registry.as_ref().map(Registry::observer));
        let auto = if has_backup {
            SlowAfter::Learned
        } else {
            SlowAfter::Never
        };
        Ok(Parts {
            on_open: self.on_open,
            classify: self.classify,
            keys: self.keys,
            blueprint: BreakerFactory {
                auto,
                clock: clock.unwrap_or_else(|| Arc::new(TokioClock::new())),
                observers: Arc::new(Observers::new(observers)),
                group,
            },
            config,
            seed: seed.unwrap_or_else(|| RandomState::new().hash_one(0)),
            registry,
        })
    }

    fn with(mut self, change: impl FnOnce(Config) -> Config) -> Self {
        self.breaker.config = change(self.breaker.config);
        self
    }

    fn on_open<D>(self, on_open: D, has_backup: bool) -> Builder<D, C, K> {
        Builder {
            on_open,
            classify: self.classify,
            keys: self.keys,
            breaker: BreakerParts {
                has_backup,
                ..self.breaker
            },
        }
    }
}

impl<B, C> Builder<B, C> {
    /// Refused calls wait, as a balancer's endpoints should: see [`Wait`].
    pub fn wait(self) -> Builder<Wait, C> {
        self.on_open(Wait, false)
    }

    /// The layer.
    ///
    /// # Errors
    ///
    /// The first setting that is out of range or contradicts another: which field, its value, and what would be accepted.
    pub fn build(self) -> Result<CircuitBreakerLayer<B, C>, ConfigError> {
        let Parts {
            on_open,
            classify,
            keys: (),
            blueprint,
            config,
            seed,
            registry,
        } = self.into_parts()?;
        let make = |config| blueprint.breaker(config, seed);
        let breaker = match registry {
            Some(registry) => registry.add(config, make)?,
            None => make(config)?,
        };
        Ok(CircuitBreakerLayer::new(breaker, on_open, classify))
    }
}

impl<T, C, K> Builder<Backup<T>, C, K> {
    /// Sends a call that failed on the primary to the backup, too: as `replay` keeps the request, and within a budget.
    ///
    /// What counts as failed is the classifier's to say, as far as it is known when the response's head is there. These calls
    /// are counted apart, in [`Totals::failed_over`](crate::Totals::failed_over).
    pub fn fail_over<R>(mut self, replay: R, budget: FailOverBudget) -> Builder<FailOver<T, R>, C, K> {
        self.breaker.mistake = self.breaker.mistake.or(budget.check().err());
        Builder {
            on_open: FailOver::new(self.on_open, replay, budget),
            classify: self.classify,
            keys: self.keys,
            breaker: self.breaker,
        }
    }
}

impl<B, C, K> fmt::Debug for Builder<B, C, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("config", &self.breaker.config)
            .finish_non_exhaustive()
    }
}

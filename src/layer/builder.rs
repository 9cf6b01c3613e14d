//! The builder of both layers: of [`CircuitBreakerLayer`], and with feature `keyed` of the one that
//! has a breaker per key.
//!
//! It takes the settings in any order and checks nothing before `build`, which reports the first
//! mistake. What it collects for the breakers ends up in a [`BreakerFactory`].

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use crate::{
    breaker::BreakerFactory,
    classify::ErrorsAsFailures,
    clock::{Clock, TokioClock},
    config::Config,
    group::Group,
    layer::CircuitBreakerLayer,
    machine::{CancelledCalls, ConfigError, OpenDuration, Outcome, Policy, Recovery, SlowAfter},
    observe::{Event, Observer, Observers},
    on_open::{Backup, FailOver, FailOverBudget, Reject, Respond, Wait},
    registry::Registry,
};

/// A builder of a [`CircuitBreakerLayer`]: see [`CircuitBreakerLayer::builder`].
///
/// `B` is what happens to refused calls, `C` the classifier, and `K` what the builder knows of the
/// keys, if each is to have its own breaker.
#[must_use = "a builder does nothing until it builds"]
pub struct CircuitBreakerLayerBuilder<B = Reject, C = ErrorsAsFailures, K = ()> {
    on_open: B,
    classify: C,
    /// What the builder knows of the keys, or `()`.
    pub(crate) keys: K,
    breaker: BreakerParts,
}

/// What breakers are made of.
#[derive(Default)]
struct BreakerParts {
    config: Config,
    clock: Option<Arc<dyn Clock>>,
    seed: Option<u64>,
    observers: Vec<Box<dyn Observer>>,
    group: Option<Group>,
    registry: Option<Registry>,
    /// Whether refused calls go to a backup service. Then it pays to trip on slow calls.
    has_backup: bool,
    /// The first wrong setting outside `config`.
    mistake: Option<ConfigError>,
}

/// What a layer is made of, checked but for `config`.
pub(crate) struct LayerParts<B, C, K> {
    pub(crate) on_open: B,
    pub(crate) classify: C,
    #[cfg_attr(not(feature = "keyed"), allow(dead_code, reason = "there are no keys"))]
    pub(crate) keys: K,
    pub(crate) factory: BreakerFactory,
    pub(crate) config: Config,
    pub(crate) seed: u64,
    pub(crate) registry: Option<Registry>,
}

impl<K> CircuitBreakerLayerBuilder<Reject, ErrorsAsFailures, K> {
    pub(crate) fn new(keys: K) -> Self {
        Self {
            on_open: Reject,
            classify: ErrorsAsFailures,
            keys,
            breaker: BreakerParts::default(),
        }
    }
}

impl<B, C, K> CircuitBreakerLayerBuilder<B, C, K> {
    /// Sets the name and all settings at once. They replace what was set before, so call this
    /// first:
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_breaker::{CircuitBreakerLayer, Config, config::SlowAfter};
    ///
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// let layer = CircuitBreakerLayer::builder()
    ///     .slow_after(Duration::from_millis(300)) // forgotten
    ///     .config(Config::new("payments"))
    ///     .build()?;
    /// assert_eq!(layer.breaker().config().settings().slow_after, SlowAfter::Auto);
    /// # Ok(())
    /// # }
    /// ```
    pub fn config(self, config: Config) -> Self {
        self.with(|_| config)
    }

    /// Sets the breaker's name, in logs, events and errors: 1 to 256 bytes. Default: "breaker".
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.breaker.config.name = name.into();
        self
    }

    /// Sets from when on a call is slow, as [`Config::slow_after`] does.
    pub fn slow_after(self, slow_after: impl Into<SlowAfter>) -> Self {
        self.with(|config| config.slow_after(slow_after))
    }

    /// Sets when to trip, as [`Config::trip_when`] does.
    pub fn trip_when(self, policy: impl Into<Policy>) -> Self {
        self.with(|config| config.trip_when(policy))
    }

    /// Sets how long the breaker stays open, as [`Config::open_duration`] does.
    pub fn open_duration(self, duration: impl Into<OpenDuration>) -> Self {
        self.with(|config| config.open_duration(duration))
    }

    /// Sets how access returns, as [`Config::recovery`] does.
    pub fn recovery(self, recovery: Recovery) -> Self {
        self.with(|config| config.recovery(recovery))
    }

    /// Sets what a cancelled call means, as [`Config::cancelled_calls`] does.
    pub fn cancelled_calls(self, cancelled: CancelledCalls) -> Self {
        self.with(|config| config.cancelled_calls(cancelled))
    }

    /// Sends refused calls to this service: any with the same request, response and error. It may
    /// have a breaker and a backup of its own.
    ///
    /// It is cloned with the layer, with each service, and for each call that it gets. Put a
    /// service that isn't `Clone` behind a `tower::buffer::Buffer`.
    pub fn backup<T>(self, service: T) -> CircuitBreakerLayerBuilder<Backup<T>, C, K> {
        self.on_open(Backup::new(service), true)
    }

    /// Ends refused calls in a [`CircuitOpen`](crate::CircuitOpen) error: see [`Reject`]. The
    /// default.
    pub fn reject(self) -> CircuitBreakerLayerBuilder<Reject, C, K> {
        self.on_open(Reject, false)
    }

    /// Gives refused calls a response that is made on the spot, from the request and a
    /// [`CircuitOpen`](crate::CircuitOpen), which says when to come back.
    ///
    /// ```
    /// use tower_breaker::{CircuitBreakerLayer, CircuitOpen};
    ///
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// let layer = CircuitBreakerLayer::builder()
    ///     .respond(|order: u32, open: CircuitOpen| format!("order {order} waits: {open}"))
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn respond<R>(self, answer: R) -> CircuitBreakerLayerBuilder<Respond<R>, C, K> {
        self.on_open(Respond::new(answer), false)
    }

    /// Sets the classifier, which tells good calls from bad ones: see
    /// [`Classify`](crate::classify::Classify). Default: [`ErrorsAsFailures`].
    pub fn classify<D>(self, classify: D) -> CircuitBreakerLayerBuilder<B, D, K> {
        CircuitBreakerLayerBuilder {
            on_open: self.on_open,
            classify,
            keys: self.keys,
            breaker: self.breaker,
        }
    }

    /// Sets the classifier like [`classify`](Self::classify), but infers the types of a closure.
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
    pub fn classify_fn<F, Res, Err>(self, classify: F) -> CircuitBreakerLayerBuilder<B, F, K>
    where
        F: Fn(Result<&Res, &Err>) -> Outcome + Clone,
    {
        self.classify(classify)
    }

    /// Adds an observer, which is notified of each event. May be called more than once.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.breaker.observers.push(Box::new(observer));
        self
    }

    /// Adds an observer like [`observer`](Self::observer), but infers the types of a closure.
    ///
    /// ```
    /// use tower_breaker::CircuitBreakerLayer;
    ///
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// let builder = CircuitBreakerLayer::builder().on_event(|event| println!("{event}"));
    /// let layer = builder.build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_event(self, observer: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.observer(observer)
    }

    /// Adds the breaker to a group, not all of whose breakers may be open at once.
    pub fn group(mut self, group: &Group) -> Self {
        self.breaker.group = Some(group.clone());
        self
    }

    /// Sets the clock. Default: tokio's clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.breaker.clock = Some(Arc::new(clock));
        self
    }

    /// Sets the seed of the jitter: the same seed gives the same open durations. Default: random.
    pub fn seed(mut self, seed: u64) -> Self {
        self.breaker.seed = Some(seed);
        self
    }

    /// Registers the breaker by its name, and lets the registry configure it by that name.
    pub fn registry(mut self, registry: &Registry) -> Self {
        self.breaker.registry = Some(registry.clone());
        self
    }

    pub(crate) fn into_parts(self) -> Result<LayerParts<B, C, K>, ConfigError> {
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
        Ok(LayerParts {
            on_open: self.on_open,
            classify: self.classify,
            keys: self.keys,
            factory: BreakerFactory {
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

    fn on_open<D>(self, on_open: D, has_backup: bool) -> CircuitBreakerLayerBuilder<D, C, K> {
        CircuitBreakerLayerBuilder {
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

impl<B, C> CircuitBreakerLayerBuilder<B, C> {
    /// Lets callers wait while the breaker would refuse, as a balancer's endpoints should: see
    /// [`Wait`].
    pub fn wait(self) -> CircuitBreakerLayerBuilder<Wait, C> {
        self.on_open(Wait, false)
    }

    /// Builds the layer.
    ///
    /// # Errors
    ///
    /// Returns the first setting that is out of range or contradicts another: which field, its
    /// value, and what would be accepted. A registry refuses a name that another breaker has.
    pub fn build(self) -> Result<CircuitBreakerLayer<B, C>, ConfigError> {
        let LayerParts {
            on_open,
            classify,
            keys: (),
            factory,
            config,
            seed,
            registry,
        } = self.into_parts()?;
        let make = |config| factory.breaker(config, seed);
        let breaker = match registry {
            Some(registry) => registry.add(config, make)?,
            None => make(config)?,
        };
        Ok(CircuitBreakerLayer::from_parts(breaker, on_open, classify))
    }
}

impl<T, C, K> CircuitBreakerLayerBuilder<Backup<T>, C, K> {
    /// Sends a call that failed on the primary to the backup as well, within a budget. `retain`
    /// retains the request for that: see [`RetainRequest`](crate::on_open::RetainRequest).
    ///
    /// The classifier decides what has failed, as far as that is known when the response's head is
    /// there. These calls are counted apart, in
    /// [`Totals::failed_over`](crate::snapshot::Totals::failed_over).
    pub fn fail_over<R>(
        mut self,
        retain: R,
        budget: FailOverBudget,
    ) -> CircuitBreakerLayerBuilder<FailOver<T, R>, C, K> {
        self.breaker.mistake = self.breaker.mistake.or(budget.check().err());
        CircuitBreakerLayerBuilder {
            on_open: FailOver::new(self.on_open, retain, budget),
            classify: self.classify,
            keys: self.keys,
            breaker: self.breaker,
        }
    }
}

impl<B, C, K> fmt::Debug for CircuitBreakerLayerBuilder<B, C, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreakerLayerBuilder")
            .field("config", &self.breaker.config)
            .finish_non_exhaustive()
    }
}
